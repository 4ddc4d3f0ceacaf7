// Learns of torrents that are not here: which one is the authority's newest, what is in one, and the hashes of its pieces.
// The network is asked as a fetch asks it, for nothing that is content, and nothing is written. It is opened when
// something is first asked for.

import { toHex } from "../bytes.ts";
import { UsageError } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatSeconds, shortHash } from "../format.ts";
import { Line, type LineOptions } from "../line/line.ts";
import { trackerLists, type TrackerSettings } from "../line/trackers.ts";
import { type Candidate, discover } from "../snapshot/discover.ts";
import type { Stream } from "../snapshot/trust.ts";
import { DEFAULT_MAX_PEERS } from "../torrent/limits.ts";
import type { Metainfo } from "../torrent/metainfo.ts";
import { unwritten } from "../unwritten_files.ts";
import { DataPaths } from "./data_dir.ts";
import { fetchHashes } from "./fetch.ts";
import type { Machine } from "./machine.ts";
import type { GetOptions } from "./options.ts";
import type { Target } from "./target.ts";
import { readTrusted } from "./trusted.ts";

/** How the network is asked. The fields of a `get`'s are those. */
export interface LearnOptions
  extends Pick<GetOptions, "port" | "bind" | "dht" | "peers" | "trackers" | "useTrackers" | "lsd"> {
  /** Whose records help, if there are any: DHT nodes, peers, the highest seq that was trusted. They stay as they are. */
  readonly dataDir: string;
  /** Give up finding the pointer, or a torrent's hashes, after so long; Infinity for never. */
  readonly timeoutMs: number;
}

/** Asks the DHT and peers what a torrent is; the port and the DHT are opened when the first is asked for. */
export class Learner implements AsyncDisposable {
  readonly #options: LearnOptions;
  readonly #machine: Machine;
  readonly #paths: DataPaths;
  readonly #report: Report;
  readonly #signal: AbortSignal;
  #line: Promise<Line> | undefined;

  constructor(options: LearnOptions, machine: Machine, report: Report, signal: AbortSignal) {
    this.#options = options;
    this.#machine = { ...machine, client: machine.client, files: unwritten(machine.files) };
    this.#paths = new DataPaths(options.dataDir);
    this.#report = report;
    this.#signal = signal;
  }

  /**
   * What a stream's authority signed last.
   *
   * @throws {NothingDiscovered | PointerUntrusted} `UsageError` without the DHT.
   */
  async newest(stream: Stream): Promise<Candidate> {
    const { publicKey: authority, salt } = stream;
    const { timeoutMs, dht: { enabled } } = this.#options;
    if (!enabled) {
      throw new UsageError(
        "--no-dht leaves no way to find the newest snapshot: name one with --magnet, --torrent or --info-hash",
      );
    }
    const { files, clock } = this.#machine;
    const { trust } = readTrusted(files, this.#paths, stream, this.#report);
    const line = await this.#open();
    this.#note(`Looking in the DHT for the newest pointer of ${toHex(authority)}${this.#limit()}`);
    return await discover({
      dht: line.dht!,
      trust,
      authority,
      salt,
      clock,
      timeoutMs,
      signal: this.#signal,
      report: this.#report,
      patience: true,
      advice: "wait longer with --timeout",
    });
  }

  /**
   * What is in a torrent, with the hashes of all its pieces, from its peers.
   *
   * @throws {NetworkStalled} When nobody tells in time. `VerificationFailed` for what cannot be right.
   */
  async learn(target: Target): Promise<Metainfo> {
    const { peers, useTrackers, trackers: named, bind, timeoutMs } = this.#options;
    const trackers = { enabled: useTrackers, named };
    this.#refuseNobody(target, trackers);
    const line = await this.#open();
    this.#note(`Asking peers what torrent ${shortHash(target.name)} is${this.#limit()}`);
    const { info, layers } = await fetchHashes({
      machine: this.#machine,
      paths: this.#paths,
      line,
      target,
      peers,
      trackers,
      bind,
      stallTimeoutMs: timeoutMs === Infinity ? 0 : timeoutMs,
      client: this.#machine.client,
      report: this.#report,
      signal: this.#signal,
    });
    return {
      info,
      pieceLayers: layers?.layersByRoot() ?? new Map(),
      trackers: target.trackers ?? [],
      webSeeds: target.webSeeds ?? [],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const line = await this.#line?.catch(() => undefined);
    await line?.[Symbol.asyncDispose]();
  }

  /** Else it would wait for an answer that nobody can give. */
  #refuseNobody(target: Target, trackers: TrackerSettings): void {
    const { dht, peers, lsd } = this.#options;
    const hasPeers = peers.length + target.peers.length > 0;
    if (dht.enabled || lsd === true || hasPeers || trackerLists(target, trackers).length > 0) return;
    throw new UsageError(
      `Cannot ask anybody what torrent ${
        shortHash(target.name)
      } is: name a --peer or a --tracker, or a .torrent file`,
    );
  }

  #open(): Promise<Line> {
    const options: LineOptions = {
      ...this.#options,
      maxPeers: DEFAULT_MAX_PEERS,
      downLimit: undefined,
      upLimit: undefined,
    };
    this.#line ??= Line.open(this.#machine, this.#paths.dht, options, this.#report);
    return this.#line;
  }

  #limit(): string {
    const { timeoutMs } = this.#options;
    return timeoutMs === Infinity ? "" : `, for at most ${formatSeconds(timeoutMs / 1000)}`;
  }

  #note(text: string): void {
    this.#report({ kind: "note", level: "info", logger: "mirror.watcher", text });
  }
}
