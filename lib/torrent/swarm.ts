// One torrent among its peers. It owns the peers and the address book, and tells each part what happened. The content
// itself is Download's, keeping peers busy is Asking's, metadata and hashes are Knowledge's, serving is Uploader's. It has no clock and no socket: the session
// feeds its peers and calls `tick`.
//
//   metadata wanted -> here (`onInfo`) -> understood (`learnInfo`) -> downloading (`start`) -> complete

import { isWorthAsking } from "../address.ts";
import { invariant, WireFault } from "../errors.ts";
import type { Endpoint } from "../ports.ts";
import { Asking } from "./asking.ts";
import { Company, type Stranger } from "./company.ts";
import type { Download, Verdict } from "./download.ts";
import type { ExtensionHandshake, MetadataMessage, PexPeer } from "./extension.ts";
import { hashesOf, type SwarmHashes } from "./handshake.ts";
import { type Condemned, Justice } from "./justice.ts";
import { BLOCK_BYTES, type Layout, type PieceIndex } from "./layout.ts";
import { Knowledge } from "./knowledge.ts";
import type { Info } from "./metainfo.ts";
import type { WantedInfo } from "./metadata_fetch.ts";
import type { PeerBook } from "./peer_book.ts";
import { PexSender } from "./pex.ts";
import type { PieceLayers } from "./piece_layers.ts";
import type { PeerCore } from "./peer_core.ts";
import type { Introduction, PeerOwner, PeerSource, PiecesChange } from "./peer_owner.ts";
import { RateMeter } from "./rate.ts";
import type { TokenBucket } from "./token_bucket.ts";
import { Uploader } from "./uploader.ts";
import { type HashSpan, ID } from "./wire.ts";

/** What the swarm tells whoever runs it. Called from inside peers' events: must not throw, must not wait. */
export interface SwarmListener {
  /** The metadata came and its hash fits. */
  onInfo(bytes: Uint8Array): void;
  /** The piece layers that were missing are here. */
  onLayers(): void;
  onGoodPiece(piece: PieceIndex): void;
  /** All that were found good together, each after its `onGoodPiece`. Not kept. */
  onGoodPieces?(pieces: readonly PieceIndex[]): void;
  onComplete(): void;
  /** A peer did wrong and is closed, or was found out when it had gone already; in words for a log. */
  onFault(peer: Stranger, why: string, isBanned: boolean): void;
  onDhtNode(endpoint: Endpoint): void;
  /** The disk does not give a block that should be here: somebody's request was refused. */
  onUnreadable?(why: string): void;
}

export interface SwarmOptions {
  readonly hashes: SwarmHashes;
  /** What the metadata must hash to, when it is to be fetched. */
  readonly wanted: WantedInfo | undefined;
  readonly peerId: Uint8Array;
  readonly client: string;
  readonly listenPort: number | undefined;
  readonly dhtPort: number | undefined;
  /** 0 up to but not 1. */
  readonly random: () => number;
  /** Shared by all torrents; undefined for none. */
  readonly upLimit: TokenBucket | undefined;
  readonly listener: SwarmListener;
}

export class Swarm implements PeerOwner<PeerCore> {
  /** Told when `collect` is to be called though no block came. */
  onWake: () => void = () => {};
  readonly downRate = new RateMeter();
  readonly #listener: SwarmListener;
  readonly #knowledge: Knowledge;
  readonly #company: Company;
  readonly #pex = new PexSender();
  readonly #random: () => number;
  readonly #upLimit: TokenBucket | undefined;
  readonly #justice: Justice;
  readonly #asking: Asking;
  /** Good pieces of which not all has been told yet. */
  #good: PieceIndex[] = [];
  #uploader: Uploader | undefined;
  #download: Download | undefined;
  #introduction: Introduction;

  constructor(options: SwarmOptions) {
    this.#listener = options.listener;
    this.#random = options.random;
    this.#upLimit = options.upLimit;
    this.#introduction = { ...options, torrent: undefined, here: undefined };
    this.#knowledge = new Knowledge(options.wanted);
    this.#company = new Company(options.peerId);
    this.#justice = new Justice(this.#company, (...fault) => this.#listener.onFault(...fault));
    this.#asking = new Asking(this.#company, this.#justice);
  }

  get book(): PeerBook {
    return this.#company.book;
  }

  get introduction(): Introduction {
    return this.#introduction;
  }

  get info(): Info | undefined {
    return this.#knowledge.info;
  }

  get download(): Download | undefined {
    return this.#download;
  }

  get peers(): IterableIterator<PeerCore> {
    return this.#company.peers;
  }

  /** Bytes of content per second to others, and ever. */
  upRate(nowMs: number): number {
    return this.#uploader?.rate.perSecond(nowMs) ?? 0;
  }

  get uploadedBytes(): number {
    return this.#uploader?.rate.total ?? 0;
  }

  get connections(): number {
    return this.#company.size;
  }

  /**
   * The metadata is checked: peers are understood from here on, and asked for the piece layers that are missing.
   *
   * @param layers undefined for a v1 torrent.
   */
  learnInfo(info: Info, layout: Layout, layers: PieceLayers | undefined): void {
    this.#knowledge.learn(info, layers, () => this.#download);
    const { pieceCount, blocksPerPiece } = layout;
    const torrent = { pieceCount, blocksPerPiece, metadataSize: info.bytes.length };
    this.#introduction = { ...this.#introduction, hashes: hashesOf(info), torrent };
    for (const peer of this.#company.peers) {
      try {
        peer.learnTorrent();
      } catch (error) {
        // What it said of its pieces before we could understand it was wrong.
        if (!(error instanceof WireFault)) throw error;
        this.#justice.condemn(peer, error.message);
        continue;
      }
      if (peer.isGreeted) this.#reopenIfUseless(peer);
    }
  }

  /** A place for the content is ready, and what it holds is known: ask for the rest. After `learnInfo`. */
  start(download: Download): void {
    invariant(this.#introduction.torrent !== undefined, "a swarm knows its torrent before it starts");
    this.#download = this.#asking.download = download;
    download.sink.onWake = () => this.onWake();
    if (download.reuse !== undefined) download.reuse.onWake = () => this.onWake();
    this.#introduction = { ...this.#introduction, here: download.shown };
    const onUnreadable = (why: string) => this.#listener.onUnreadable?.(why);
    this.#uploader = new Uploader({ download, random: this.#random, limit: this.#upLimit, onUnreadable });
    for (const peer of this.#company.peers) {
      if (peer.isGreeted) this.#uploader.join(peer);
      if (peer.pieces !== undefined) download.picker.onBitfield(peer.pieces);
      peer.sayPieces();
      this.#updateInterest(peer);
      this.refill(peer);
    }
    download.reuse?.ask(this.#company.peers);
    if (download.isComplete) this.#onComplete();
  }

  /** Learns of an address from anywhere. @returns Whether it is new. */
  learn(endpoint: Endpoint, source: PeerSource, nowMs: number): boolean {
    return this.book.add(endpoint, source, nowMs);
  }

  /** Somebody who is no peer may give blocks under that number, and is told of bad ones. */
  admit(number: number, onGuilty: (why: string) => void): void {
    this.#justice.admit(number, onGuilty);
  }

  /** A connection was opened for this torrent, or came in and asked for it. */
  join(peer: PeerCore): void {
    this.#company.join(peer);
  }

  /** The connection ended; what it owed is asked of others. */
  leave(peer: PeerCore, nowMs: number): void {
    if (!this.#company.leave(peer, nowMs)) return;
    this.#knowledge.leave(peer);
    this.#download?.reuse?.leave(peer);
    this.#uploader?.leave(peer);
    this.#pex.leave(peer);
    this.#asking.leave(peer);
  }

  /** The peer broke the protocol: its host is banned when that happens again and again. */
  onBroken(peer: PeerCore): void {
    if (this.book.fault(peer.endpoint.host, peer.nowMs)) {
      this.#justice.ban(peer, "broke the protocol again and again");
    }
  }

  /** Each tick of the session: twice a second. */
  tick(nowMs: number): void {
    this.#knowledge.tick(this.#company.peers, nowMs);
    this.#uploader?.rechoke(nowMs);
    this.#pex.tick([...this.#company.peers], nowMs);
    this.#download?.reuse?.tick(this.#company.peers, nowMs);
    this.#asking.tick(nowMs);
  }

  /** Whether the peer is one that we want something of, and that has brought something. */
  isSource(peer: PeerCore): boolean {
    return peer.interested && this.#company.isUseful(peer.number);
  }

  /** Peers that must be closed now. */
  takeCondemned(): readonly Condemned[] {
    return this.#justice.take();
  }

  onGreeted(peer: PeerCore): void {
    const needless = this.#company.needlessTwin(peer);
    if (needless !== undefined) this.#justice.dismiss(needless, "is here twice");
    if (peer.source !== "incoming") this.#reopenIfUseless(peer);
    this.#uploader?.join(peer);
  }

  onExtensions(peer: PeerCore, theirs: ExtensionHandshake): void {
    if (peer.source === "incoming") {
      this.#reopenIfUseless(peer);
      this.#company.learnPort(peer);
    }
    this.#knowledge.onExtensions(peer, theirs);
    this.#closeIfNeedless(peer);
  }

  onUploadOnly(peer: PeerCore): void {
    this.#closeIfNeedless(peer);
  }

  onPieces(peer: PeerCore, change: PiecesChange): void {
    const picker = this.#download?.picker;
    if (change.kind === "have") {
      picker?.onHave(change.piece, peer.number);
      if (this.#download?.here.has(change.piece) === false) peer.missingHere++;
      peer.setInterested(peer.missingHere > 0);
    } else if (change.kind === "dont-have") {
      picker?.onDontHave(change.piece);
      if (this.#download?.here.has(change.piece) === false) peer.missingHere--;
    } else {
      this.#updateInterest(peer);
      for (const piece of change.before ?? []) picker?.onDontHave(piece);
      picker?.lookAgain(peer.number);
      if (peer.pieces !== undefined) picker?.onBitfield(peer.pieces, peer.number);
      this.#download?.reuse?.ask(this.#company.peers);
    }
    this.#knowledge.onPieces(peer);
    this.#closeIfNeedless(peer);
    this.refill(peer);
  }

  onChoked(peer: PeerCore): void {
    this.#asking.onChoked(peer);
  }

  onUnchoked(peer: PeerCore): void {
    this.refill(peer);
  }

  onInterest(peer: PeerCore): void {
    this.#uploader?.onInterest(peer);
  }

  onBlock(peer: PeerCore, piece: number, begin: number, block: Uint8Array): void {
    const download = this.#download;
    const index = download?.layout.piece(piece);
    const at = index === undefined ? undefined : download!.layout.blockAt(index, begin, block.length);
    if (download === undefined || index === undefined || at === undefined) {
      throw new WireFault(
        "BEP 3",
        `a block that does not exist: piece ${piece}, ${block.length} bytes at ${begin}`,
      );
    }
    if (this.#asking.onBlock(peer, index, at, block)) this.downRate.add(block.length, peer.nowMs);
  }

  /**
   * Acts on pieces that are whole now. To be called after each batch of received bytes, and after `onWake`.
   *
   * @throws {SnapError} When a block could not be written, or the torrent contradicts itself.
   */
  collect(): void {
    try {
      this.#download?.collect(this.#onVerdict);
    } finally {
      const good = this.#good;
      this.#good = [];
      const reuse = this.#download?.reuse;
      if (good.length > 0) {
        this.#onGoodPieces(good);
        reuse?.ask(this.#company.peers);
      }
      if (reuse?.takeNews() === true) {
        reuse.ask(this.#company.peers);
        this.refillAll();
      }
    }
  }

  /** Waits until what came is on disk, and acts on it. @throws {SnapError} As `collect` does. */
  async drain(): Promise<void> {
    await this.#download?.sink.drain();
    this.collect();
  }

  onRejected(peer: PeerCore, piece: number, begin: number): void {
    this.#asking.onRejected(peer, piece, begin / BLOCK_BYTES);
  }

  onRequest(peer: PeerCore, piece: number, begin: number, length: number): void {
    if (this.#uploader !== undefined) return this.#uploader.onRequest(peer, piece, begin, length);
    if (peer.isFast) peer.out.blockwise(ID.reject, piece, begin, length);
  }

  onCancel(peer: PeerCore, piece: number, begin: number, length: number): void {
    this.#uploader?.onCancel(peer, piece, begin, length);
  }

  /** The peer's send buffer has room again. */
  onSent(peer: PeerCore, nowMs: number): void {
    this.#uploader?.pump(peer, nowMs);
  }

  /** The upload limit may have opened again. */
  pumpAll(nowMs: number): void {
    this.#uploader?.pumpAll(nowMs);
  }

  onMetadata(peer: PeerCore, message: MetadataMessage): void {
    const bytes = this.#justice.orBan(peer, () => this.#knowledge.onMetadata(peer, message));
    if (bytes === undefined) return;
    this.#company.markUseful(peer.number);
    this.#listener.onInfo(bytes);
  }

  onPex(peer: PeerCore, peers: readonly PexPeer[]): void {
    for (const found of peers) {
      if (!isWorthAsking(found, peer.endpoint)) continue;
      this.book.add(found, "pex", peer.nowMs);
      if (found.isSeed) this.book.markSeed(found);
    }
  }

  onDhtPort(peer: PeerCore, port: number): void {
    this.#listener.onDhtNode({ host: peer.endpoint.host, port });
  }

  onHashRequest(peer: PeerCore, span: HashSpan): void {
    this.#knowledge.onHashRequest(peer, span);
  }

  onHashes(peer: PeerCore, span: HashSpan, hashes: Uint8Array): void {
    const reuse = span.base === 0 ? this.#download?.reuse : undefined;
    if (reuse !== undefined && this.#justice.orBan(peer, () => reuse.onHashes(peer, span, hashes))) {
      return reuse.ask(this.#company.peers);
    }
    const news = this.#justice.orBan(peer, () => this.#knowledge.onHashes(peer, span, hashes));
    if (news.kind === "nothing") return;
    if (news.kind === "leaves") {
      const guilty = this.#download?.settle(news.piece, news.leaves) ?? [];
      return this.#justice.banAll(guilty, `sent bad blocks of piece ${news.piece}`);
    }
    if (news.kind === "layers") this.#listener.onLayers();
    this.refillAll();
  }

  onHashReject(peer: PeerCore, span: HashSpan): void {
    const reuse = span.base === 0 ? this.#download?.reuse : undefined;
    if (reuse?.onReject(peer, span) === true) return reuse.ask(this.#company.peers);
    this.#knowledge.onHashReject(peer, span);
  }

  /** Asks the peer for as much as its line takes. To be called after each batch of received bytes. */
  refill(peer: PeerCore): void {
    this.#asking.refill(peer);
  }

  /** The same for all: to be called when there is more to ask for. */
  refillAll(): void {
    this.#asking.refillAll();
  }

  readonly #onVerdict = ({ isGood, piece, guilty, lastSender }: Verdict): void => {
    if (isGood) this.#onGood(piece, guilty, lastSender);
    else this.#onBad(piece, guilty);
  };

  #onGood(piece: PieceIndex, guilty: ReadonlySet<number>, lastSender: number): void {
    this.#company.markUseful(lastSender);
    this.#knowledge.forgetLeaves(piece);
    this.#justice.banAll(guilty, `sent bad blocks of piece ${piece}`);
    const isShown = this.#download?.shown.has(piece) === true;
    for (const other of this.#company.peers) {
      if (other.has(piece)) other.setInterested(--other.missingHere > 0);
      else if (isShown) other.sayHave(piece);
    }
    this.#good.push(piece);
    this.#listener.onGoodPiece(piece);
  }

  #onGoodPieces(pieces: readonly PieceIndex[]): void {
    this.#listener.onGoodPieces?.(pieces);
    if (this.#download?.isComplete === true) this.#onComplete();
  }

  /** From here on we only give. */
  #onComplete(): void {
    for (const peer of this.#company.peers) {
      if (this.#download?.shown.isFull === true) peer.sayUploadOnly();
      this.#closeIfNeedless(peer);
    }
    this.#listener.onComplete();
  }

  /** Neither of two that have everything needs the other: its place may go to somebody who does. */
  #closeIfNeedless(peer: PeerCore): void {
    if (this.#download?.isComplete !== true || !peer.wantsNothing) return;
    if (peer.isSeed) this.#company.markSeed(peer);
    this.#justice.dismiss(peer, "needs nothing, as we do");
  }

  /** Fetched again by the picker from one peer alone; its block hashes tell sooner who it was. */
  #onBad(piece: PieceIndex, guilty: ReadonlySet<number>): void {
    this.#justice.banAll(guilty, `sent a bad piece ${piece}`);
    if (guilty.size === 0) this.#knowledge.wantLeaves(piece);
  }

  /**
   * A v1 connection cannot carry the hash requests that are needed, so it is opened again as v2: it was opened by a
   * name of unknown kind, or by a peer that knew no other. One that dialed us is dialed where it listens.
   */
  #reopenIfUseless(peer: PeerCore): void {
    if (peer.isV2 || !this.#knowledge.needsHashes) return;
    if (peer.source === "incoming") {
      const port = peer.theirs?.port;
      if (port === undefined) return;
      this.book.add({ host: peer.endpoint.host, port }, "incoming", peer.nowMs);
    }
    this.#company.markReopened(peer);
    this.#justice.dismiss(peer, "is opened again to speak v2");
  }

  /** Counts what the peer has and we lack. */
  #updateInterest(peer: PeerCore): void {
    const here = this.#download?.here;
    if (here === undefined) return;
    peer.missingHere = 0;
    if (peer.pieces === undefined) peer.missingHere = here.size - here.count;
    else for (const piece of peer.pieces) if (!here.has(piece)) peer.missingHere++;
    peer.setInterested(peer.missingHere > 0);
  }
}
