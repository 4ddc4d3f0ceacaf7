// One torrent among its peers. It owns the peers and the address book, gets the metadata and the piece layers, and
// keeps every peer busy; the content itself is Download's. It has no clock and no socket: the session feeds its
// peers and calls `tick`.
//
//   metadata wanted -> here (`onInfo`) -> understood (`learnInfo`) -> downloading (`start`) -> complete

import { isWorthAsking } from "../address.ts";
import { invariant, WireFault } from "../errors.ts";
import type { Endpoint } from "../ports.ts";
import type { Download } from "./download.ts";
import type { ExtensionHandshake, MetadataMessage, PexPeer } from "./extension.ts";
import { METADATA_PIECE_BYTES } from "./extension.ts";
import { hashesOf, type SwarmHashes } from "./handshake.ts";
import { HashFetch } from "./hash_fetch.ts";
import { HashService } from "./hash_service.ts";
import { BLOCK_BYTES, type Layout, type PieceIndex } from "./layout.ts";
import { LeafFetch } from "./leaf_fetch.ts";
import { MAX_SNUBS, MAX_UNASKED_BYTES, REJECT_REST_MS, SNUB_MS, SNUB_REST_MS } from "./limits.ts";
import type { Info } from "./metainfo.ts";
import { MetadataFetch, type WantedInfo } from "./metadata_fetch.ts";
import { PeerBook } from "./peer_book.ts";
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
  onComplete(): void;
  /** A peer did wrong, in words for a log. */
  onFault(peer: PeerCore, why: string): void;
  onDhtNode(endpoint: Endpoint): void;
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
  readonly book = new PeerBook();
  readonly downRate = new RateMeter();
  readonly #listener: SwarmListener;
  readonly #peers = new Map<number, PeerCore>();
  readonly #useful = new Set<number>();
  readonly #unasked = new Map<number, number>();
  /** Peers that are closed only to be dialed again with the v2 hash. */
  readonly #reopened = new Set<number>();
  readonly #pex = new PexSender();
  readonly #random: () => number;
  readonly #upLimit: TokenBucket | undefined;
  /** Peers to be closed, with the reason; the session takes them. */
  #condemned: { peer: PeerCore; why: string }[] = [];
  #metadata: MetadataFetch | undefined;
  #hashFetch: HashFetch | undefined;
  #leafFetch: LeafFetch | undefined;
  #hashService: HashService | undefined;
  #uploader: Uploader | undefined;
  #info: Info | undefined;
  #layers: PieceLayers | undefined;
  #download: Download | undefined;
  #introduction: Introduction;

  constructor(options: SwarmOptions) {
    this.#listener = options.listener;
    this.#random = options.random;
    this.#upLimit = options.upLimit;
    this.#introduction = { ...options, torrent: undefined, here: undefined };
    if (options.wanted !== undefined) this.#metadata = new MetadataFetch(options.wanted);
  }

  get introduction(): Introduction {
    return this.#introduction;
  }

  get info(): Info | undefined {
    return this.#info;
  }

  get download(): Download | undefined {
    return this.#download;
  }

  get peers(): IterableIterator<PeerCore> {
    return this.#peers.values();
  }

  /** Bytes of content per second to others, and ever. */
  upRate(nowMs: number): number {
    return this.#uploader?.rate.perSecond(nowMs) ?? 0;
  }

  get uploadedBytes(): number {
    return this.#uploader?.rate.total ?? 0;
  }

  get connections(): number {
    return this.#peers.size;
  }

  /**
   * The metadata is checked: peers are understood from here on, and asked for the piece layers that are missing.
   *
   * @param layers undefined for a v1 torrent.
   */
  learnInfo(info: Info, layout: Layout, layers: PieceLayers | undefined): void {
    this.#info = info;
    this.#metadata = undefined;
    this.#layers = layers;
    if (layers?.isComplete === false) this.#hashFetch = new HashFetch(layers);
    if (layers !== undefined) {
      this.#leafFetch = new LeafFetch(layers);
      this.#hashService = new HashService(layers, () => this.#download);
    }
    const { pieceCount, blocksPerPiece } = layout;
    const torrent = { pieceCount, blocksPerPiece, metadataSize: info.bytes.length };
    this.#introduction = { ...this.#introduction, hashes: hashesOf(info), torrent };
    for (const peer of this.#peers.values()) {
      peer.learnTorrent();
      // Opened by a name of unknown kind, it cannot carry hash requests: opened again it can.
      if (layers?.isComplete === false && !peer.isV2) this.#reopen(peer);
    }
  }

  /** A place for the content is ready, and what it holds is known: ask for the rest. After `learnInfo`. */
  start(download: Download): void {
    invariant(this.#introduction.torrent !== undefined, "a swarm knows its torrent before it starts");
    this.#download = download;
    this.#introduction = { ...this.#introduction, here: download.here };
    this.#uploader = new Uploader({ download, random: this.#random, limit: this.#upLimit });
    for (const peer of this.#peers.values()) {
      if (peer.isGreeted) this.#uploader.join(peer);
      if (peer.pieces !== undefined) download.picker.onBitfield(peer.pieces);
      peer.sayPieces();
      this.#updateInterest(peer);
      this.#refill(peer);
    }
    if (download.isComplete) this.#listener.onComplete();
  }

  /** Learns of an address from anywhere. @returns Whether it is new. */
  learn(endpoint: Endpoint, source: PeerSource, nowMs: number): boolean {
    return this.book.add(endpoint, source, nowMs);
  }

  /** A connection was opened for this torrent, or came in and asked for it. */
  join(peer: PeerCore): void {
    this.#peers.set(peer.number, peer);
    this.book.connected(peer.endpoint);
  }

  /** The connection ended; what it owed is asked of others. */
  leave(peer: PeerCore, nowMs: number): void {
    if (!this.#peers.delete(peer.number)) return;
    this.#metadata?.removePeer(peer.number);
    this.#hashFetch?.removePeer(peer.number);
    this.#unasked.delete(peer.number);
    this.#uploader?.leave(peer);
    this.#pex.leave(peer);
    this.#release(peer);
    this.#download?.picker.onPeerGone(peer);
    this.book.ended(peer.endpoint, { wasUseful: this.#useful.delete(peer.number), nowMs });
    if (this.#reopened.delete(peer.number)) this.book.redialAsV2(peer.endpoint, nowMs);
    this.#refillAll();
  }

  /** About once a second. */
  tick(nowMs: number): void {
    this.#metadata?.tick(nowMs);
    this.#hashFetch?.tick(nowMs);
    this.#leafFetch?.tick(this.#peers.values(), nowMs);
    this.#uploader?.rechoke(nowMs);
    this.#pex.tick([...this.#peers.values()], nowMs);
    for (const peer of this.#peers.values()) {
      if (peer.requests.silentMs(nowMs) > SNUB_MS) this.#snub(peer, nowMs);
      else if (peer.snubbed && nowMs >= peer.restUntilMs) peer.snubbed = false;
    }
    this.#refillAll();
  }

  /** Peers that must be closed now. */
  takeCondemned(): { peer: PeerCore; why: string }[] {
    const condemned = this.#condemned;
    this.#condemned = [];
    return condemned;
  }

  onGreeted(peer: PeerCore): void {
    this.#uploader?.join(peer);
  }

  onExtensions(peer: PeerCore, theirs: ExtensionHandshake): void {
    if (this.#metadata === undefined || (theirs.ids.ut_metadata ?? 0) === 0) return;
    const request = (piece: number) => void peer.sendMetadata({ kind: "request", piece });
    this.#metadata.addPeer({ number: peer.number, request }, theirs.metadataSize, peer.nowMs);
  }

  onPieces(peer: PeerCore, change: PiecesChange): void {
    const picker = this.#download?.picker;
    if (change.kind === "have") {
      picker?.onHave(change.piece);
      if (this.#download?.here.has(change.piece) === false) peer.missingHere++;
      peer.setInterested(peer.missingHere > 0);
    } else if (change.kind === "dont-have") {
      picker?.onDontHave(change.piece);
      if (this.#download?.here.has(change.piece) === false) peer.missingHere--;
    } else {
      this.#updateInterest(peer);
      for (const piece of change.before ?? []) picker?.onDontHave(piece);
      if (peer.pieces !== undefined) picker?.onBitfield(peer.pieces);
    }
    if (peer.isV2 && (peer.pieces === undefined || peer.pieces.count > 0)) {
      const request = (span: HashSpan) => peer.out.hashSpan(ID.hashRequest, span);
      this.#hashFetch?.addPeer({ number: peer.number, request }, peer.nowMs);
    }
    this.#refill(peer);
  }

  onChoked(peer: PeerCore): void {
    // With the fast extension what is not rejected still comes (BEP 6).
    if (!peer.isFast) this.#release(peer);
    this.#download?.picker.disown(peer.number);
  }

  onUnchoked(peer: PeerCore): void {
    this.#refill(peer);
  }

  /** A free slot is given at once: nobody should wait ten seconds for the first block. */
  onInterest(peer: PeerCore): void {
    this.#uploader?.rechoke(peer.nowMs, true);
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
    if (!peer.requests.receive(piece, at, block.length, peer.nowMs)) {
      return this.#countUnasked(peer, block.length);
    }
    peer.snubbed = false;
    peer.snubs = 0;
    this.downRate.add(block.length, peer.nowMs);
    const active = download.picker.activePiece(piece);
    const wasShared = active !== undefined && active.askers[at]! > 1;
    const outcome = download.receive(index, at, block, peer.number);
    if (wasShared) this.#cancelElsewhere(peer, index, at);
    if (outcome.kind === "good") this.#onGood(peer, outcome.piece, outcome.guilty);
    else if (outcome.kind === "bad") this.#onBad(outcome.piece, outcome.guilty);
  }

  onRejected(peer: PeerCore, piece: number, begin: number): void {
    if (!peer.requests.drop(piece, begin / BLOCK_BYTES)) return;
    this.#download?.picker.release(piece, begin / BLOCK_BYTES);
    if (peer.choked) return;
    // It has nothing against us and still refuses: asking at once again would be a loop at the line's speed.
    peer.requests.shrink();
    peer.restUntilMs = peer.nowMs + REJECT_REST_MS;
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
    if (message.kind === "request") return this.#serveMetadata(peer, message.piece);
    let bytes: Uint8Array | undefined;
    try {
      bytes = this.#metadata?.receive(peer.number, message, peer.nowMs);
    } catch (error) {
      if (error instanceof WireFault) this.book.ban(peer.endpoint.host);
      throw error;
    }
    if (bytes === undefined) return;
    this.#useful.add(peer.number);
    this.#metadata = undefined;
    this.#listener.onInfo(bytes);
  }

  onPex(peer: PeerCore, peers: readonly PexPeer[]): void {
    for (const found of peers) {
      if (isWorthAsking(found, peer.endpoint)) this.book.add(found, "pex", peer.nowMs);
    }
  }

  onDhtPort(peer: PeerCore, port: number): void {
    this.#listener.onDhtNode({ host: peer.endpoint.host, port });
  }

  onHashRequest(peer: PeerCore, span: HashSpan): void {
    const hashes = this.#hashService?.answer(span, peer.nowMs);
    if (hashes !== undefined) return peer.out.hashSpan(ID.hashes, span, hashes);
    // libtorrent up to 2.0.13 may crash on a reject of leaves; silence costs it one of two slots (BEP 52).
    const wouldHarm = span.base === 0 && peer.client.startsWith("libtorrent/2.0.");
    if (!wouldHarm) peer.out.hashSpan(ID.hashReject, span);
  }

  onHashes(peer: PeerCore, span: HashSpan, hashes: Uint8Array): void {
    try {
      const found = span.base === 0 ? this.#leafFetch?.onHashes(peer, span, hashes) : undefined;
      if (found !== undefined) {
        const guilty = this.#download?.settle(found.piece, found.leaves) ?? NOBODY;
        return this.#punish(guilty, `sent bad blocks of piece ${found.piece}`);
      }
      if (this.#hashFetch?.onHashes(peer.number, span, hashes, peer.nowMs) !== true) return;
    } catch (error) {
      if (error instanceof WireFault) this.book.ban(peer.endpoint.host);
      throw error;
    }
    if (this.#layers?.isComplete === true) {
      this.#hashFetch = undefined;
      this.#listener.onLayers();
    }
    this.#refillAll();
  }

  onHashReject(peer: PeerCore, span: HashSpan): void {
    this.#leafFetch?.onReject(peer, span);
    this.#hashFetch?.onReject(peer.number, span, peer.nowMs);
  }

  /** Asks the peer for as much as its line takes. To be called after each batch of received bytes. */
  refill(peer: PeerCore): void {
    this.#refill(peer);
  }

  #refill(peer: PeerCore): void {
    const download = this.#download;
    if (download === undefined || peer.choked || !peer.interested || peer.snubbed) return;
    if (peer.nowMs < peer.restUntilMs) return;
    // A few at a time would be a system call each: wait until a quarter of the room is free.
    const { room, size } = peer.requests;
    if (room <= 0 || room * 4 < size) return;
    download.picker.pick(peer, room, (piece, block) => {
      peer.requests.ask(piece, block, peer.nowMs);
      const length = download.layout.blockSize(piece, block);
      peer.out.blockwise(ID.request, piece, block * BLOCK_BYTES, length);
    });
  }

  #refillAll(): void {
    for (const peer of this.#peers.values()) this.#refill(peer);
  }

  #onGood(peer: PeerCore, piece: PieceIndex, guilty: ReadonlySet<number>): void {
    this.#useful.add(peer.number);
    this.#leafFetch?.forget(piece);
    this.#punish(guilty, `sent bad blocks of piece ${piece}`);
    for (const other of this.#peers.values()) {
      if (!other.has(piece)) other.sayHave(piece);
      else if (--other.missingHere === 0) other.setInterested(false);
    }
    this.#listener.onGoodPiece(piece);
    if (this.#download?.isComplete === true) this.#listener.onComplete();
  }

  /** Fetched again by the picker from one peer alone; its block hashes tell sooner who it was. */
  #onBad(piece: PieceIndex, guilty: ReadonlySet<number>): void {
    this.#punish(guilty, `sent a bad piece ${piece}`);
    if (guilty.size === 0) this.#leafFetch?.want(piece);
  }

  #punish(guilty: ReadonlySet<number>, why: string): void {
    for (const number of guilty) {
      const peer = this.#peers.get(number);
      if (peer === undefined) continue;
      this.book.ban(peer.endpoint.host);
      this.#condemn(peer, why);
    }
  }

  #condemn(peer: PeerCore, why: string): void {
    this.#condemned.push({ peer, why });
    this.#listener.onFault(peer, why);
  }

  /** One that dialed us is dialed where it listens, if it said so. */
  #reopen(peer: PeerCore): void {
    if (peer.source === "incoming") {
      const port = peer.theirs?.port;
      if (port === undefined) return;
      this.book.add({ host: peer.endpoint.host, port }, "incoming", peer.nowMs);
    }
    this.#reopened.add(peer.number);
    this.#condemned.push({ peer, why: "is opened again to speak v2" });
  }

  /** What it owes is asked of others. After a rest it may try again, with little; it is closed when it never sends. */
  #snub(peer: PeerCore, nowMs: number): void {
    this.#release(peer);
    this.#download?.picker.disown(peer.number);
    if (++peer.snubs > MAX_SNUBS) {
      return this.#condemn(peer, `sent nothing of what it was asked for, ${peer.snubs} times`);
    }
    peer.snubbed = true;
    peer.restUntilMs = nowMs + SNUB_REST_MS;
    peer.requests.shrink();
  }

  #release(peer: PeerCore): void {
    peer.requests.clear((piece, block) => this.#download?.picker.release(piece, block));
  }

  #cancelElsewhere(from: PeerCore, piece: PieceIndex, block: number): void {
    const download = this.#download!;
    for (const peer of this.#peers.values()) {
      if (peer === from || !peer.requests.drop(piece, block)) continue;
      peer.out.blockwise(ID.cancel, piece, block * BLOCK_BYTES, download.layout.blockSize(piece, block));
    }
  }

  #countUnasked(peer: PeerCore, bytes: number): void {
    const total = (this.#unasked.get(peer.number) ?? 0) + bytes;
    if (total > MAX_UNASKED_BYTES) throw new WireFault("BEP 3", "sends blocks that nobody asked for");
    this.#unasked.set(peer.number, total);
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

  #serveMetadata(peer: PeerCore, piece: number): void {
    const bytes = this.#info?.bytes;
    const at = piece * METADATA_PIECE_BYTES;
    if (bytes === undefined || at >= bytes.length) {
      peer.sendMetadata({ kind: "reject", piece });
      return;
    }
    const data = bytes.subarray(at, at + METADATA_PIECE_BYTES);
    peer.sendMetadata({ kind: "data", piece, totalSize: bytes.length, data });
  }
}

const NOBODY: ReadonlySet<number> = new Set();
