// One connection's protocol: fed with bytes and the time, it answers into its writer and tells its owner what came.
// It knows nothing of sockets, pieces on disk or other peers.
//
//   greeting (greeting.ts) -> greeted: each side says what it has -> messages, until the session closes it
//
// Blocks pass through `onPiece` straight to the owner, as views into the receive buffer. What the peer says of its pieces
// is peer_pieces.ts's; the extension protocol is peer_extensions.ts's, and what its messages change is changed here.

import { WireFault } from "../errors.ts";
import type { Endpoint } from "../ports.ts";
import type { ExtensionHandshake } from "./extension.ts";
import { Greeting } from "./greeting.ts";
import type { Handshake } from "./handshake.ts";
import { HANDSHAKE_TIMEOUT_MS, KEEP_ALIVE_MS, MAX_SUGGESTED, SILENCE_TIMEOUT_MS } from "./limits.ts";
import { PeerExtensions } from "./peer_extensions.ts";
import type { PeerOwner, PeerSource } from "./peer_owner.ts";
import { PeerPieces } from "./peer_pieces.ts";
import type { PieceSet } from "./piece_set.ts";
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
  readonly #greeting = new Greeting();
  readonly #extensions: PeerExtensions = new PeerExtensions(this.out);
  readonly #pieces: PeerPieces = new PeerPieces((change) => this.#owner!.onPieces(this, change));
  readonly #findOwner: (handshake: Handshake) => PeerOwner<PeerCore> | undefined;
  #owner: PeerOwner<PeerCore> | undefined;
  #startedMs: number;
  #heardMs: number;
  #saidMs: number;
  #nowMs: number;
  #saidPieces = false;
  #toldDhtPort = false;

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
    if (options.owner !== undefined) {
      this.out.raw(this.#greeting.dial(options.owner.introduction, options.source));
    }
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

  /** To be called each tick of the session. @throws {WireFault} When the peer has been silent for too long. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    const { isDone } = this.#greeting;
    if (!isDone && nowMs - this.#startedMs > HANDSHAKE_TIMEOUT_MS) {
      throw new WireFault("BEP 3", "no handshake in time");
    }
    if (nowMs - this.#heardMs > SILENCE_TIMEOUT_MS) throw new WireFault("BEP 3", "silent for too long");
    if (this.out.pending > 0) this.#saidMs = nowMs;
    if (isDone && nowMs - this.#saidMs > KEEP_ALIVE_MS) {
      this.out.keepAlive();
      this.#saidMs = nowMs;
    }
  }

  get owner(): PeerOwner<PeerCore> | undefined {
    return this.#owner;
  }

  get isGreeted(): boolean {
    return this.#greeting.isDone;
  }

  /** Whether hash requests may be sent on this connection (BEP 52). */
  get isV2(): boolean {
    return this.#greeting.isV2;
  }

  get isFast(): boolean {
    return this.#greeting.theirs?.fast === true;
  }

  /** What it has; undefined when it has everything. Empty until it says. */
  get pieces(): PieceSet | undefined {
    return this.#pieces.set;
  }

  get isSeed(): boolean {
    return this.#pieces.isAll;
  }

  /** What it goes by, 20 bytes; undefined before its handshake. Ours is one per torrent, libtorrent's per connection. */
  get peerId(): Uint8Array | undefined {
    return this.#greeting.theirs?.peerId;
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
    return this.#pieces.has(piece);
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
    const introduction = this.#owner?.introduction;
    if (introduction?.torrent === undefined || !this.isGreeted || this.#pieces.isKnown) return;
    this.#greeting.learn(introduction.hashes);
    this.requests = new RequestQueue(introduction.torrent.blocksPerPiece);
    const requestQueue = this.#extensions.theirs?.requestQueue;
    if (requestQueue !== undefined) this.requests.limit(requestQueue);
    this.#pieces.learn(introduction.torrent.pieceCount);
  }

  /** Tells the peer what we have: once, right after the extension handshake or as soon as we know it ourselves. */
  sayPieces(): void {
    const { here, dhtPort } = this.#owner!.introduction;
    if (here === undefined || !this.isGreeted || this.#saidPieces) return;
    this.#saidPieces = true;
    if (this.isFast && here.isFull) this.out.bare(ID.haveAll);
    else if (this.isFast && here.count === 0) this.out.bare(ID.haveNone);
    else if (here.count > 0) this.out.bitfield(here.bits);
    if (this.#greeting.theirs?.dht === true && dhtPort !== undefined) this.out.port(dhtPort);
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
    const owner = this.#owner ??= this.#accept(handshake);
    this.#greeting.receive(owner.introduction, handshake);
    if (handshake.extended) this.#extensions.sayHandshake(owner.introduction);
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
    this.#pieces.onHave(piece);
  }

  onBitfield(bits: Uint8Array): void {
    this.#pieces.onBitfield(bits);
  }

  onHaveAll(): void {
    this.#mustBeFast("have all");
    this.#pieces.onHaveAll();
  }

  onHaveNone(): void {
    this.#mustBeFast("have none");
    this.#pieces.onHaveNone();
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

  /** Heeded once (BEP 5): each is a datagram of ours to a port of that host, and seven bytes of the peer's. */
  onPort(port: number): void {
    if (port === 0 || this.#toldDhtPort) return;
    this.#toldDhtPort = true;
    this.#owner!.onDhtPort(this, port);
  }

  /** Before its pieces are understood the hint is ignored. */
  onSuggest(piece: number): void {
    this.#mustBeFast("suggest");
    if (!this.#pieces.isKnown) return;
    this.suggested.push(piece);
    if (this.suggested.length > MAX_SUGGESTED) this.suggested.shift();
  }

  onReject(piece: number, begin: number, _length: number): void {
    this.#mustBeFast("reject");
    this.#owner!.onRejected(this, piece, begin);
  }

  /** We ask only when unchoked: a seed unchokes soon enough. */
  onAllowedFast(): void {
    this.#mustBeFast("allowed fast");
  }

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
        return this.#pieces.onDontHave(said.piece);
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

  /** @throws {WireFault} When it says what it did not offer to understand: libtorrent closes on all five, too. */
  #mustBeFast(what: string): void {
    if (!this.isFast) throw new WireFault("BEP 6", `${what} without the fast extension`);
  }

  /** Who has the torrent that the peer asks for, once we have answered in its name. */
  #accept(theirs: Handshake): PeerOwner<PeerCore> {
    const owner = this.#findOwner(theirs);
    const answer = owner && this.#greeting.answer(owner.introduction, theirs);
    if (answer === undefined) throw new WireFault("BEP 3", "asks for an unknown torrent");
    this.out.raw(answer);
    return owner!;
  }
}
