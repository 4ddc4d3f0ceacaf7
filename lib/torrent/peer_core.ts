// One connection's protocol: fed with bytes and the time, it answers into its writer and tells its owner what came.
// It knows nothing of sockets, pieces on disk or other peers.
//
//   dialed:   our handshake ------> theirs ------> greeted ------> closed
//   accepted: theirs -> owner found -> our answer -> greeted ----> closed
//
// Blocks pass through `onPiece` straight to the owner, as views into the receive buffer. The extension protocol is
// peer_extensions.ts's; what its messages change of the connection is changed here.

import { equalBytes } from "../bytes.ts";
import { WireFault } from "../errors.ts";
import type { Endpoint } from "../ports.ts";
import type { ExtensionHandshake } from "./extension.ts";
import { answerTo, dialWith, encodeHandshake, type Handshake, speaksV2 } from "./handshake.ts";
import {
  HANDSHAKE_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_SUGGESTED,
  MAX_WHOLE_SETS,
  SILENCE_TIMEOUT_MS,
} from "./limits.ts";
import { PeerExtensions } from "./peer_extensions.ts";
import type { Introduction, PeerOwner, PeerSource } from "./peer_owner.ts";
import { PieceSet } from "./piece_set.ts";
import { RequestQueue } from "./request_queue.ts";
import { type HashSpan, ID, WireWriter } from "./wire.ts";
import { type WireHandler, WireReader } from "./wire_reader.ts";

/** A connection, and what is known of the peer at its other end. */
export class PeerCore implements WireHandler {
  readonly number: number;
  readonly endpoint: Endpoint;
  readonly source: PeerSource;
  readonly out: WireWriter = new WireWriter();
  readonly #reader: WireReader;
  readonly #extensions: PeerExtensions = new PeerExtensions(this.out);
  readonly #findOwner: (handshake: Handshake) => PeerOwner<PeerCore> | undefined;
  #owner: PeerOwner<PeerCore> | undefined;
  #dialedWith: Uint8Array | undefined;
  /** The hash that this connection goes by. */
  #spoken: Uint8Array | undefined;
  #startedMs: number;
  #heardMs: number;
  #saidMs: number;
  #nowMs: number;

  #greeted = false;
  #fast = false;
  #v2 = false;
  #extended = false;
  #dht = false;
  #peerId: Uint8Array | undefined;
  /** Messages about pieces that came before the metadata: replayed by `learnTorrent`. */
  #early: { kind: "all" } | { kind: "bits"; bits: Uint8Array } | undefined;
  #earlyHaves: number[] = [];
  #knowsTorrent = false;
  #saidPieces = false;
  #wholeSets = 0;

  /** What it has; undefined when it has everything. Empty until it says. */
  pieces: PieceSet | undefined = new PieceSet(0);
  /** The peer chokes us. */
  choked = true;
  /** We want something of it. */
  interested = false;
  /** We choke the peer. */
  choking = true;
  /** The peer wants something of us. */
  wanted = false;
  uploadOnly = false;
  /** It owes us blocks for too long: nothing more is asked of it before `restUntilMs`, or a block comes. */
  snubbed = false;
  /** How often in a row that happened. */
  snubs = 0;
  restUntilMs = 0;
  /** How many pieces it has that we lack: the swarm counts. */
  missingHere = 0;
  /** Pieces that it would like to send, the oldest first. */
  readonly suggested: number[] = [];
  requests: RequestQueue = new RequestQueue(1);

  /**
   * @param options.owner For a connection that we open; its handshake is written at once.
   * @param options.findOwner For one that came in: who has the torrent that it asks for.
   */
  constructor(options: {
    readonly number: number;
    readonly endpoint: Endpoint;
    readonly source: PeerSource;
    readonly nowMs: number;
    readonly owner?: PeerOwner<PeerCore>;
    readonly findOwner?: (handshake: Handshake) => PeerOwner<PeerCore> | undefined;
    readonly bufferBytes?: number;
  }) {
    this.number = options.number;
    this.endpoint = options.endpoint;
    this.source = options.source;
    this.#startedMs =
      this.#heardMs =
      this.#saidMs =
      this.#nowMs =
        options.nowMs;
    this.#reader = new WireReader(this, options.bufferBytes);
    this.#findOwner = options.findOwner ?? (() => undefined);
    this.#owner = options.owner;
    if (options.owner !== undefined) this.#dial(options.owner.introduction);
  }

  /** Where bytes from the network go; then call `received`. */
  get space(): Uint8Array {
    return this.#reader.space;
  }

  /** Takes the first `count` bytes of `space`. @throws {WireFault} The connection must be closed. */
  received(count: number, nowMs: number): void {
    this.#nowMs = this.#heardMs = nowMs;
    this.#reader.advance(count);
  }

  /** To be called about once a second. @throws {WireFault} When the peer has been silent for too long. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    if (!this.#greeted && nowMs - this.#startedMs > HANDSHAKE_TIMEOUT_MS) {
      throw new WireFault("BEP 3", "no handshake in time");
    }
    if (nowMs - this.#heardMs > SILENCE_TIMEOUT_MS) throw new WireFault("BEP 3", "silent for too long");
    if (this.out.pending > 0) this.#saidMs = nowMs;
    if (this.#greeted && nowMs - this.#saidMs > KEEP_ALIVE_MS) {
      this.out.keepAlive();
      this.#saidMs = nowMs;
    }
  }

  get owner(): PeerOwner<PeerCore> | undefined {
    return this.#owner;
  }

  get isGreeted(): boolean {
    return this.#greeted;
  }

  /** Whether hash requests may be sent on this connection (BEP 52). */
  get isV2(): boolean {
    return this.#v2;
  }

  get isFast(): boolean {
    return this.#fast;
  }

  get isSeed(): boolean {
    return this.pieces === undefined || (this.pieces.size > 0 && this.pieces.isFull);
  }

  /** What it goes by, 20 bytes; undefined before its handshake. Ours is one per torrent, libtorrent's per connection. */
  get peerId(): Uint8Array | undefined {
    return this.#peerId;
  }

  /** Whether it wants nothing: it has everything, or says that it takes no more (BEP 21). */
  get wantsNothing(): boolean {
    return this.isSeed || this.uploadOnly;
  }

  /** Where it can be dialed, as far as we know. */
  get dialable(): Endpoint | undefined {
    if (this.source !== "incoming") return this.endpoint;
    const port = this.#extensions.theirs?.port;
    return port === undefined ? undefined : { host: this.endpoint.host, port };
  }

  /** What it called itself, for logs. */
  get client(): string {
    return this.#extensions.theirs?.client ?? "unknown client";
  }

  get theirs(): ExtensionHandshake | undefined {
    return this.#extensions.theirs;
  }

  /** The time of the event that is being handled. */
  get nowMs(): number {
    return this.#nowMs;
  }

  has(piece: number): boolean {
    return this.pieces === undefined || (piece < this.pieces.size && this.pieces.has(piece));
  }

  get askedCount(): number {
    return this.requests.size;
  }

  get runBytes(): number {
    return this.requests.runBytes(this.#nowMs);
  }

  isAskedFor(piece: number, block: number): boolean {
    return this.requests.has(piece, block);
  }

  /** The metadata is known now: what the peer said of its pieces before is read. */
  learnTorrent(): void {
    const torrent = this.#owner?.introduction.torrent;
    if (torrent === undefined || !this.#greeted || this.#knowsTorrent) return;
    this.#knowsTorrent = true;
    // A hash of unknown kind may have turned out to be the v2 one.
    this.#v2 ||= speaksV2(this.#owner!.introduction.hashes, this.#spoken!);
    this.requests = new RequestQueue(torrent.blocksPerPiece);
    const requestQueue = this.#extensions.theirs?.requestQueue;
    if (requestQueue !== undefined) this.requests.limit(requestQueue);
    this.pieces = new PieceSet(torrent.pieceCount);
    const early = this.#early;
    if (early?.kind === "all") this.onHaveAll();
    if (early?.kind === "bits") this.onBitfield(early.bits);
    for (const piece of this.#earlyHaves) this.onHave(piece);
    this.#early = undefined;
    this.#earlyHaves = [];
  }

  /** Tells the peer what we have: once, right after the extension handshake or as soon as we know it ourselves. */
  sayPieces(): void {
    const { here, dhtPort } = this.#owner!.introduction;
    if (here === undefined || !this.#greeted || this.#saidPieces) return;
    this.#saidPieces = true;
    if (this.#fast && here.isFull) this.out.bare(ID.haveAll);
    else if (this.#fast && here.count === 0) this.out.bare(ID.haveNone);
    else if (here.count > 0) this.out.bitfield(here.bits);
    if (this.#dht && dhtPort !== undefined) this.out.port(dhtPort);
  }

  /** A piece is here now. */
  sayHave(piece: number): void {
    if (this.#saidPieces) this.out.piecewise(ID.have, piece);
  }

  /** We have everything now: it need not wait for anything of us that it lacks, nor offer us anything (BEP 21). */
  sayUploadOnly(): void {
    this.#extensions.sayUploadOnly();
  }

  setInterested(interested: boolean): void {
    if (interested === this.interested) return;
    this.interested = interested;
    this.out.bare(interested ? ID.interested : ID.notInterested);
  }

  setChoking(choking: boolean): void {
    if (choking === this.choking) return;
    this.choking = choking;
    this.out.bare(choking ? ID.choke : ID.unchoke);
  }

  /** @returns Whether the peer takes ut_metadata. */
  sendMetadata(message: Parameters<PeerExtensions["sendMetadata"]>[0]): boolean {
    return this.#extensions.sendMetadata(message);
  }

  onHandshake(handshake: Handshake): void {
    if (this.#owner === undefined) this.#accept(handshake);
    const owner = this.#owner!;
    const { hashes, peerId } = owner.introduction;
    const dialed = this.#dialedWith;
    if (dialed !== undefined && !equalBytes(handshake.infoHash, dialed)) {
      const upgraded = hashes.v1 !== undefined && equalBytes(dialed, hashes.v1) &&
        speaksV2(hashes, handshake.infoHash);
      if (!upgraded) throw new WireFault("BEP 3", "answered with another info-hash");
    }
    this.#peerId = handshake.peerId;
    if (equalBytes(handshake.peerId, peerId)) throw new WireFault("BEP 3", "connected to ourselves");
    this.#spoken = handshake.infoHash;
    this.#v2 ||= speaksV2(hashes, handshake.infoHash);
    this.#fast = handshake.fast;
    this.#extended = handshake.extended;
    this.#dht = handshake.dht;
    this.#greeted = true;
    if (this.#extended) this.#extensions.sayHandshake(owner.introduction);
    owner.onGreeted(this);
    this.learnTorrent();
    this.sayPieces();
  }

  onKeepAlive(): void {}

  onChoke(): void {
    this.choked = true;
    this.suggested.length = 0;
    this.#owner!.onChoked(this);
  }

  onUnchoke(): void {
    this.choked = false;
    this.#owner!.onUnchoked(this);
  }

  onInterested(): void {
    this.wanted = true;
    this.#owner!.onInterest(this);
  }

  onNotInterested(): void {
    this.wanted = false;
    this.#owner!.onInterest(this);
  }

  onHave(piece: number): void {
    const count = this.#owner!.introduction.torrent?.pieceCount;
    if (count === undefined || !this.#knowsTorrent) {
      if (this.#earlyHaves.length >= MAX_EARLY_HAVES) throw new WireFault("BEP 3", "too many haves");
      this.#earlyHaves.push(piece);
      return;
    }
    if (piece >= count) throw new WireFault("BEP 3", `have for piece ${piece} of ${count}`);
    if (this.pieces?.add(piece) === true) this.#owner!.onPieces(this, { kind: "have", piece });
  }

  onBitfield(bits: Uint8Array): void {
    const count = this.#owner!.introduction.torrent?.pieceCount;
    if (count === undefined || !this.#knowsTorrent) {
      this.#early = { kind: "bits", bits: bits.slice() };
      this.#earlyHaves = [];
      return;
    }
    const pieces = PieceSet.parse(bits, count);
    this.#replacePieces(pieces.isFull ? undefined : pieces);
  }

  onHaveAll(): void {
    if (!this.#knowsTorrent) this.#early = { kind: "all" };
    else this.#replacePieces(undefined);
  }

  onHaveNone(): void {
    if (!this.#knowsTorrent) this.#early = undefined;
    else this.#replacePieces(new PieceSet(this.#owner!.introduction.torrent!.pieceCount));
  }

  onRequest(piece: number, begin: number, length: number): void {
    this.#owner!.onRequest(this, piece, begin, length);
  }

  onPiece(piece: number, begin: number, block: Uint8Array): void {
    this.#owner!.onBlock(this, piece, begin, block);
  }

  onCancel(piece: number, begin: number, length: number): void {
    this.#owner!.onCancel(this, piece, begin, length);
  }

  onPort(port: number): void {
    if (port !== 0) this.#owner!.onDhtPort(this, port);
  }

  /** Before its pieces are understood the hint is ignored. */
  onSuggest(piece: number): void {
    if (!this.#knowsTorrent) return;
    this.suggested.push(piece);
    if (this.suggested.length > MAX_SUGGESTED) this.suggested.shift();
  }

  onReject(piece: number, begin: number, _length: number): void {
    if (!this.#fast) throw new WireFault("BEP 6", "reject without the fast extension");
    this.#owner!.onRejected(this, piece, begin);
  }

  /** We ask only when unchoked: a seed unchokes soon enough. */
  onAllowedFast(): void {}

  onExtended(extension: number, payload: Uint8Array): void {
    const said = this.#extensions.read(extension, payload, this.#nowMs);
    const owner = this.#owner!;
    switch (said?.kind) {
      case "handshake": {
        const { latest, theirs } = said;
        this.uploadOnly = theirs.uploadOnly ?? false;
        if (latest.requestQueue !== undefined) this.requests.limit(latest.requestQueue);
        return owner.onExtensions(this, theirs);
      }
      case "metadata":
        return owner.onMetadata(this, said.message);
      case "pex":
        return owner.onPex(this, said.peers);
      case "upload-only":
        this.uploadOnly = said.uploadOnly;
        return owner.onUploadOnly(this);
      case "dont-have":
        return this.#loseHave(said.piece);
    }
  }

  onHashRequest(span: HashSpan): void {
    this.#owner!.onHashRequest(this, span);
  }

  onHashes(span: HashSpan, hashes: Uint8Array): void {
    this.#owner!.onHashes(this, span, hashes);
  }

  onHashReject(span: HashSpan): void {
    this.#owner!.onHashReject(this, span);
  }

  #dial(introduction: Introduction): void {
    const source = this.source === "dht-v1" || this.source === "tracker-v1" || this.source === "pex"
      ? "v1"
      : "v2";
    const { infoHash, upgrade } = dialWith(introduction.hashes, source);
    this.#dialedWith = infoHash;
    this.#sendHandshake(introduction, infoHash, upgrade);
  }

  #accept(theirs: Handshake): void {
    const owner = this.#findOwner(theirs);
    const answer = owner && answerTo(owner.introduction.hashes, theirs);
    if (owner === undefined || answer === undefined) {
      throw new WireFault("BEP 3", "asks for an unknown torrent");
    }
    this.#owner = owner;
    this.#v2 = speaksV2(owner.introduction.hashes, answer.infoHash);
    this.#sendHandshake(owner.introduction, answer.infoHash, answer.upgrade);
  }

  #sendHandshake(introduction: Introduction, infoHash: Uint8Array, upgrade: boolean): void {
    this.out.raw(encodeHandshake({
      extended: true,
      fast: true,
      dht: introduction.dhtPort !== undefined,
      upgrade,
      infoHash,
      peerId: introduction.peerId,
    }));
  }

  #replacePieces(pieces: PieceSet | undefined): void {
    if (++this.#wholeSets > MAX_WHOLE_SETS) {
      throw new WireFault("BEP 6", "says again and again what all its pieces are");
    }
    const before = this.pieces;
    this.pieces = pieces;
    this.#owner!.onPieces(this, { kind: "all", before });
  }

  #loseHave(piece: number): void {
    const count = this.#owner!.introduction.torrent?.pieceCount;
    if (count === undefined || !this.#knowsTorrent || piece >= count) return;
    if (this.pieces === undefined) {
      const all = new PieceSet(count);
      all.fill();
      all.delete(piece);
      this.#replacePieces(all);
    } else if (this.pieces.delete(piece)) {
      this.#owner!.onPieces(this, { kind: "dont-have", piece });
    }
  }
}

/** Before the metadata is here a peer may say `have` as often as it gains a piece in that short time. */
const MAX_EARLY_HAVES = 10_000;
