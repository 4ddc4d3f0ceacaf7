// Fetches one torrent until it is whole: finds peers, gets the metadata, opens the content's place, and keeps the
// journal while blocks come. What it leaves when it is stopped, the next run goes on with.

import { chanceFrom } from "../chance.ts";
import { Interrupted, NetworkStalled } from "../errors.ts";
import type { Clock, Endpoint } from "../ports.ts";
import { formatSeconds, shortHash } from "../format.ts";
import { Advance } from "../torrent/advance.ts";
import type { HashedTorrent } from "../torrent/check.ts";
import type { Stranger } from "../torrent/company.ts";
import { hashesOf, type SwarmHashes } from "../torrent/handshake.ts";
import { BLOCK_BYTES, Layout, type PieceIndex } from "../torrent/layout.ts";
import { type Info, type Metainfo, parseInfo } from "../torrent/metainfo.ts";
import { PieceLayers } from "../torrent/piece_layers.ts";
import { Swarm, type SwarmListener } from "../torrent/swarm.ts";
import { runWebSeeds, webSeedsOf } from "../torrent/web_seeds.ts";
import { Content } from "./content.ts";
import type { ContentOptions } from "./content_options.ts";
import type { Fetched, FetchHashesOptions, FetchOptions } from "./fetch_options.ts";
import { PassingContent } from "./passing.ts";
import { PeerCache } from "./peer_cache.ts";
import { Silence } from "./silence.ts";
import { hashesOfTarget } from "./target.ts";
import { newPeerId, Presence } from "../line/presence.ts";
import { trackerLists } from "../line/trackers.ts";
import { unwritten } from "../unwritten_files.ts";

/**
 * Runs until every piece is here and on stable storage.
 *
 * @throws {NotEnoughSpace | VerificationFailed | PathUnusable} `NetworkStalled` after `stallTimeoutMs`.
 * @throws The signal's reason when it aborts; everything whole is then kept.
 */
export function fetchTorrent(options: FetchOptions): Promise<Fetched> {
  const fetch = new Fetch(options);
  return fetch.run(() => fetch.content());
}

/**
 * Runs until it is known what is in the torrent and what each of its pieces hashes to. Nothing is asked for that is
 * content, nothing is written below `paths`, and the DHT is not told that anybody is here.
 *
 * @throws {NetworkStalled | VerificationFailed} The signal's reason when it aborts.
 */
export function fetchHashes(options: FetchHashesOptions): Promise<HashedTorrent> {
  const { machine } = options;
  const nothing = { force: false, onInfo: () => {}, onPhase: () => {} };
  const reading = { ...machine, client: machine.client, files: unwritten(machine.files) };
  const fetch = new Fetch({ ...options, ...nothing, machine: reading }, { isHashesOnly: true });
  return fetch.run(() => fetch.hashes());
}

class Fetch implements SwarmListener {
  readonly #options: FetchOptions;
  readonly #isHashesOnly: boolean;
  readonly #clock: Clock;
  readonly #swarm: Swarm;
  readonly #presence: Presence;
  readonly #peerCache: PeerCache;
  readonly #stop = new AbortController();
  readonly #broken = Promise.withResolvers<never>();
  readonly #infoCame = Promise.withResolvers<Uint8Array>();
  readonly #layersCame = Promise.withResolvers<void>();
  readonly #completed = Promise.withResolvers<void>();
  readonly #tasks: Promise<void>[] = [];
  readonly #advance = new Advance();
  #content: Content | PassingContent | undefined;
  /** Nothing is being fetched: somebody decides whether it is to be, or it has been. */
  #isResting = false;
  #sawFirstPiece = false;
  #usedBytes = 0;
  #silence: Silence;

  constructor(options: FetchOptions, { isHashesOnly } = { isHashesOnly: false }) {
    this.#options = options;
    this.#isHashesOnly = isHashesOnly;
    const { machine, line, target, client, bind, report } = options;
    const peerId = newPeerId(machine);
    this.#clock = machine.clock;
    this.#silence = new Silence(machine.clock.nowMs());
    this.#swarm = new Swarm({
      hashes: hashesOfTarget(target),
      wanted: target.metainfo === undefined ? target.wanted : undefined,
      peerId,
      client,
      listenPort: line.port,
      dhtPort: line.dht === undefined ? undefined : line.port,
      random: chanceFrom(machine.random.bytes(16)),
      upLimit: line.upLimit,
      listener: this,
    });
    this.#peerCache = new PeerCache(machine.files, options.paths.peers);
    this.#presence = new Presence({
      machine,
      line,
      swarm: this.#swarm,
      trackers: trackerLists(target, options.trackers),
      peerId,
      bind,
      stats: () => this.#stats(),
      isSilent: isHashesOnly,
      report,
      signal: this.#stop.signal,
    });
    for (const promise of [this.#broken.promise, this.#infoCame.promise]) promise.catch(() => {});
    options.onSwarm?.(this.#swarm);
  }

  async run<T>(job: () => Promise<T>): Promise<T> {
    const { line, signal, reader } = this.#options;
    const onAbort = () => this.#broken.reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort);
    for (const failed of [line.session.failed, reader?.failed]) {
      failed?.catch((error) => this.#broken.reject(error));
    }
    line.session.add(this.#swarm, (error) => this.#broken.reject(error));
    let isWhole = false;
    try {
      this.#spawn(this.#tickForEver());
      this.#spawn(this.#learnNamedPeers());
      this.#learnCachedPeers();
      const result = await job();
      isWhole = true;
      return result;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#stop.abort();
      if (line.dht !== undefined) this.#peerCache.save();
      line.session.remove(this.#swarm);
      const because = isWhole ? "whole" : signal.reason instanceof Interrupted ? "interrupted" : "failed";
      const ending = Promise.all(this.#tasks).then(() => this.#presence[Symbol.asyncDispose]());
      // Nothing writes any more, and trackers may take their time to be told.
      await Promise.all([
        this.#content?.close(because, () => this.#swarm.drain()).finally(() => ending),
        ending,
      ]);
    }
  }

  onInfo(bytes: Uint8Array): void {
    this.#infoCame.resolve(bytes);
  }

  onLayers(): void {
    this.#layersCame.resolve();
  }

  onGoodPiece(piece: PieceIndex): void {
    this.#options.reader?.onGoodPiece(piece);
    if (this.#sawFirstPiece) return;
    this.#sawFirstPiece = true;
    this.#peerCache.note(this.#swarm.peers);
    this.#note("debug", `first verified block is on disk (piece ${piece})`);
    this.#reportProgress();
  }

  onGoodPieces(pieces: readonly PieceIndex[]): void {
    this.#content?.addPieces(pieces);
  }

  onComplete(): void {
    if (this.#swarm.downRate.total > 0) this.#presence.complete();
    this.#completed.resolve();
  }

  onFault(peer: Stranger, why: string, isBanned: boolean): void {
    const what = isBanned ? "Banned" : "Closed";
    this.#note("warning", `${what} ${peer.endpoint.host} (${peer.client}): it ${why}`);
  }

  onDhtNode(endpoint: Endpoint): void {
    void this.#options.line.dht?.tryNode(endpoint);
  }

  async content(): Promise<Fetched> {
    const { onPhase, onWhole, reader } = this.#options;
    const torrent = await this.#understand();
    const { info, layout, layers } = torrent;
    await this.#passGate(torrent);
    onPhase("checking");
    const content = await this.#openContent(info, layout, layers);
    this.#content = content;
    onPhase("downloading");
    reader?.begin(content, {
      bytesPerSecond: () => this.#swarm.downRate.perSecond(this.#clock.nowMs()),
      wake: () => this.#wake(),
    });
    this.#swarm.start(content.download);
    this.#options.line.session.flush();
    this.#spawn(this.#askWebSeeds());
    await this.#unlessBroken(this.#completed.promise);
    this.#reportProgress();
    onPhase("finished");
    const fetched = { info, path: content.path, downloadedBytes: this.#swarm.downRate.total };
    if (onWhole === undefined) return fetched;
    this.#isResting = true;
    await content.settle();
    await this.#unlessBroken(onWhole(fetched));
    return fetched;
  }

  async hashes(): Promise<HashedTorrent> {
    const torrent = await this.#understand();
    await this.#unlessBroken(this.#layersCame.promise);
    return torrent;
  }

  /** What the torrent holds. The hashes of its pieces may still be coming. */
  async #understand(): Promise<HashedTorrent> {
    const { target, onInfo, onPhase } = this.#options;
    this.#hunt(hashesOfTarget(target));
    if (target.metainfo === undefined) onPhase("downloading_metadata");
    const { info, pieceLayers } = target.metainfo ?? await this.#metadata();
    onInfo(info);
    const layout = Layout.of(info);
    const layers = info.kind === "v1" ? undefined : new PieceLayers(layout, pieceLayers);
    this.#swarm.learnInfo(info, layout, layers);
    if (layers?.isComplete !== false) this.#layersCame.resolve();
    return { info, layout, layers };
  }

  async #passGate(torrent: HashedTorrent): Promise<void> {
    const { gate } = this.#options;
    if (gate === undefined) return;
    this.#isResting = true;
    await this.#unlessBroken(gate(torrent, this.#layersCame.promise));
    this.#isResting = false;
    this.#silence = new Silence(this.#clock.nowMs());
  }

  async #metadata(): Promise<Metainfo> {
    const info = parseInfo(await this.#unlessBroken(this.#infoCame.promise));
    this.#note(
      "info",
      `Received metadata: ${info.name}, ${info.totalLength} bytes in ${
        info.pieceCount === 1 ? "1 piece" : `${info.pieceCount} pieces`
      }`,
    );
    this.#hunt(hashesOf(info));
    this.#silence.end(this.#clock.nowMs());
    return { info, pieceLayers: new Map(), trackers: [], webSeeds: [] };
  }

  async #openContent(
    info: Info,
    layout: Layout,
    layers: PieceLayers | undefined,
  ): Promise<Content | PassingContent> {
    const { machine, paths, force, wholes = [], report, signal } = this.#options;
    const layersReady = this.#unlessBroken(this.#layersCame.promise);
    layersReady.catch(() => {});
    const options: ContentOptions = {
      machine,
      paths,
      info,
      layout,
      layers,
      layersReady,
      examineSpace: this.#options.examineSpace,
      force,
      wholes,
      signal,
      report: (event) => {
        // Whoever is checking is not stalled.
        if (event.kind === "work") this.#silence.end(this.#clock.nowMs());
        report(event);
      },
    };
    return this.#options.isPassing === true ? PassingContent.open(options) : await Content.open(options);
  }

  /** Begins to look for peers under each name that is not being looked for yet. */
  #hunt(hashes: SwarmHashes): void {
    for (const task of this.#presence.announce(hashes)) this.#spawn(task);
  }

  /** As trackers are told. Who has no metadata yet says the size of one block, as libtorrent does. */
  #stats(): { downloaded: number; uploaded: number; left: number } {
    const { download, downRate, uploadedBytes } = this.#swarm;
    const info = this.#swarm.info ?? this.#options.target.metainfo?.info;
    const left = info === undefined ? BLOCK_BYTES : info.totalLength - (download?.doneBytes ?? 0);
    return { downloaded: downRate.total, uploaded: uploadedBytes, left };
  }

  async #learnNamedPeers(): Promise<void> {
    const { machine, line, peers, target } = this.#options;
    await Promise.all([...peers, ...target.peers].map(async ({ host, port }) => {
      const addresses = await machine.net.resolve(host);
      if (addresses.length === 0) this.#note("warning", `Cannot find the address of peer ${host}`);
      for (const address of addresses) {
        if (!this.#stop.signal.aborted) line.session.learn(this.#swarm, { host: address, port }, "user");
      }
    }));
  }

  /** Where peers give less than they could. */
  #askWebSeeds(): Promise<void> {
    const { machine, line, target, webSeeds = { enabled: true, named: [] }, client } = this.#options;
    return runWebSeeds({
      urls: webSeedsOf(target, webSeeds),
      swarm: this.#swarm,
      http: machine.http,
      clock: machine.clock,
      client,
      downLimit: line.downLimit,
      ownLimit: line.webSeedLimit,
      note: (level, text) => this.#note(level, text),
    }, this.#stop.signal);
  }

  /** Who wants no DHT wants those whom he names, and nobody else. */
  #learnCachedPeers(): void {
    const { line } = this.#options;
    if (line.dht === undefined) return;
    // Second hand, as what PEX tells.
    for (const peer of this.#peerCache.read()) line.session.learn(this.#swarm, peer, "pex");
  }

  async #tickForEver(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#clock.sleep(TICK_MS, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      if (this.#isResting) continue;
      this.#content?.tick();
      if (this.#sawFirstPiece) this.#peerCache.note(this.#swarm.peers);
      this.#reportProgress();
      this.#watchForStall();
    }
  }

  #reportProgress(): void {
    const download = this.#swarm.download;
    if (download === undefined) return;
    const nowMs = this.#clock.nowMs();
    const downRate = this.#swarm.downRate.perSecond(nowMs);
    const leftBytes = download.layout.totalLength - download.doneBytes;
    let seeds = 0;
    let peers = 0;
    for (const peer of this.#swarm.peers) {
      if (!peer.isGreeted) continue;
      if (peer.isSeed) seeds++;
      else peers++;
    }
    this.#options.report({
      kind: "transfer",
      progress: {
        doneBytes: download.doneBytes,
        totalBytes: download.layout.totalLength,
        downRate,
        upRate: this.#swarm.upRate(nowMs),
        peers,
        seeds,
        connections: this.#swarm.connections,
        etaSeconds: downRate > 0 ? leftBytes / downRate : undefined,
        unpacked: this.#options.reader?.progress,
      },
    });
  }

  #watchForStall(): void {
    const nowMs = this.#clock.nowMs();
    const { download } = this.#swarm;
    if (download !== undefined && this.#advance.look(download)) this.#silence.end(nowMs);
    // Whoever waits until pieces are used waits for no peer.
    const { reader, isPassing } = this.#options;
    const used = isPassing === true ? reader?.progress?.doneBytes ?? 0 : 0;
    if (used > this.#usedBytes) this.#silence.end(nowMs);
    this.#usedBytes = used;
    const silentMs = this.#silence.lasts(nowMs);
    if (this.#silence.isDue(nowMs, { isAlone: this.#swarm.connections === 0 })) {
      this.#note("warning", `${this.#whyNothing()}; still trying`);
    }
    const { stallTimeoutMs, target } = this.#options;
    if (stallTimeoutMs === 0 || silentMs < stallTimeoutMs) return;
    const time = formatSeconds(silentMs / 1000);
    this.#broken.reject(
      new NetworkStalled(
        `Cannot fetch ${shortHash(target.name)}: no data for ${time}, ${this.#whyNothing()}; ` +
          `${this.#isHashesOnly || this.#options.isPassing === true ? "" : "what is whole is kept, "}` +
          "try again later or name a peer with --peer HOST:PORT",
      ),
    );
  }

  /** For people: what is missing, nobody at all or somebody with the data. */
  #whyNothing(): string {
    const known = this.#swarm.book.size;
    if (this.#swarm.connections === 0) {
      return `No connected peers or seeds, ${known} known ${known === 1 ? "address" : "addresses"}`;
    }
    const hasContent = this.#swarm.download !== undefined;
    const what = hasContent ? "a piece that is missing here" : this.#missingOfTorrent();
    return `${this.#swarm.connections} connected peers, none sends ${what}`;
  }

  #missingOfTorrent(): string {
    return this.#swarm.info === undefined ? "the torrent's metadata" : "the hashes of its pieces";
  }

  #wake(): void {
    if (this.#stop.signal.aborted) return;
    this.#swarm.refillAll();
    this.#options.line.session.flush();
  }

  #spawn(task: Promise<void>): void {
    this.#tasks.push(task.catch((error) => this.#broken.reject(error)));
  }

  #unlessBroken<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#broken.promise]);
  }

  #note(level: "debug" | "info" | "warning", text: string): void {
    this.#options.report({ kind: "note", level, logger: "mirror.session", text });
  }
}

const TICK_MS = 1000;
