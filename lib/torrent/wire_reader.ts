// Reads the peer wire protocol in place: bytes are received straight into this buffer and messages are handed on as
// views into it, which live only during the call. No copy, no promise and no queue per message.
//
// A frame's length is checked against its id's limit as soon as the id is there, before the buffer grows for it.

import { WireFault } from "../errors.ts";
import { type Handshake, HANDSHAKE_BYTES, parseHandshake, PROTOCOL_NAME } from "./handshake.ts";
import { IDLE_BUFFER_BYTES, MAX_FRAME_BYTES, RECEIVE_BUFFER_BYTES } from "./limits.ts";
import { type HashSpan, ID } from "./wire.ts";

/** Who is told what came. Every array is a view that is overwritten after the call. */
export interface WireHandler {
  onHandshake(handshake: Handshake): void;
  onKeepAlive(): void;
  onChoke(): void;
  onUnchoke(): void;
  onInterested(): void;
  onNotInterested(): void;
  onHave(piece: number): void;
  onBitfield(bits: Uint8Array): void;
  onRequest(piece: number, begin: number, length: number): void;
  onPiece(piece: number, begin: number, block: Uint8Array): void;
  onCancel(piece: number, begin: number, length: number): void;
  onPort(port: number): void;
  onSuggest(piece: number): void;
  onHaveAll(): void;
  onHaveNone(): void;
  onReject(piece: number, begin: number, length: number): void;
  onAllowedFast(piece: number): void;
  onExtended(extension: number, payload: Uint8Array): void;
  onHashRequest(span: HashSpan): void;
  onHashes(span: HashSpan, hashes: Uint8Array): void;
  onHashReject(span: HashSpan): void;
}

export class WireReader {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #start = 0;
  #end = 0;
  #greeted = false;
  readonly #handler: WireHandler;
  readonly #mostBytes: number;
  /** What the buffer has when nothing longer is waited for: more for whoever fills it. */
  #usualBytes: number;

  /** @param bufferBytes As large as it grows for many small messages at once; one that is longer gets what it needs. */
  constructor(handler: WireHandler, bufferBytes: number = RECEIVE_BUFFER_BYTES) {
    this.#handler = handler;
    this.#mostBytes = Math.max(bufferBytes, HANDSHAKE_BYTES);
    this.#usualBytes = Math.min(IDLE_BUFFER_BYTES, this.#mostBytes);
    this.#bytes = new Uint8Array(this.#usualBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Where the next bytes from the network go: at least one byte. Ask anew after each `advance`. */
  get space(): Uint8Array {
    return this.#bytes.subarray(this.#end);
  }

  /**
   * Takes the first `count` bytes of `space` as received, and hands on every message that is whole now.
   *
   * @throws {WireFault} When the protocol is broken. The connection must then be closed.
   */
  advance(count: number): void {
    this.#end += count;
    if (this.#end === this.#bytes.length) {
      this.#usualBytes = Math.min(BUFFER_GROWTH * this.#usualBytes, this.#mostBytes);
    }
    if (!this.#greeted && !this.#greet()) return;
    let needed = 0;
    for (;;) {
      const have = this.#end - this.#start;
      if (have < 4) break;
      const length = this.#view.getUint32(this.#start);
      if (length === 0) {
        this.#start += 4;
        this.#handler.onKeepAlive();
        continue;
      }
      if (have < 5) break;
      const id = this.#bytes[this.#start + 4]!;
      const most = MAX_FRAME_BYTES.get(id);
      if (most === undefined) throw new WireFault("BEP 3", `message id ${id} is unknown`);
      if (length > most) throw new WireFault("BEP 3", `a frame of ${length} bytes for message id ${id}`);
      if (have < 4 + length) {
        needed = 4 + length;
        break;
      }
      const from = this.#start + 5;
      this.#start += 4 + length;
      this.#dispatch(id, from, length - 1);
    }
    this.#makeRoom(needed);
  }

  /** Another protocol is refused at its first byte: an encrypting peer then dials again in plain text. */
  #greet(): boolean {
    const have = this.#end - this.#start;
    if (have > 0 && this.#bytes[this.#start] !== PROTOCOL_NAME[0]) {
      throw new WireFault("BEP 3", "not a BitTorrent handshake");
    }
    if (have < HANDSHAKE_BYTES) return false;
    this.#greeted = true;
    const handshake = parseHandshake(this.#bytes.subarray(this.#start, this.#start + HANDSHAKE_BYTES));
    this.#start += HANDSHAKE_BYTES;
    this.#handler.onHandshake(handshake);
    return true;
  }

  #dispatch(id: number, at: number, length: number): void {
    const handler = this.#handler;
    switch (id) {
      case ID.piece:
        if (length < 8) throw tooShort(id);
        return handler.onPiece(
          this.#view.getUint32(at),
          this.#view.getUint32(at + 4),
          this.#bytes.subarray(at + 8, at + length),
        );
      case ID.request:
        this.#exactly(12, id, length);
        return handler.onRequest(this.#u32(at), this.#u32(at + 4), this.#u32(at + 8));
      case ID.have:
        this.#exactly(4, id, length);
        return handler.onHave(this.#u32(at));
      case ID.choke:
        return handler.onChoke();
      case ID.unchoke:
        return handler.onUnchoke();
      case ID.interested:
        return handler.onInterested();
      case ID.notInterested:
        return handler.onNotInterested();
      case ID.bitfield:
        return handler.onBitfield(this.#bytes.subarray(at, at + length));
      case ID.cancel:
        this.#exactly(12, id, length);
        return handler.onCancel(this.#u32(at), this.#u32(at + 4), this.#u32(at + 8));
      case ID.port:
        this.#exactly(2, id, length);
        return handler.onPort(this.#view.getUint16(at));
      case ID.suggest:
        this.#exactly(4, id, length);
        return handler.onSuggest(this.#u32(at));
      case ID.haveAll:
        return handler.onHaveAll();
      case ID.haveNone:
        return handler.onHaveNone();
      case ID.reject:
        this.#exactly(12, id, length);
        return handler.onReject(this.#u32(at), this.#u32(at + 4), this.#u32(at + 8));
      case ID.allowedFast:
        this.#exactly(4, id, length);
        return handler.onAllowedFast(this.#u32(at));
      case ID.extended:
        if (length < 1) throw tooShort(id);
        return handler.onExtended(this.#bytes[at]!, this.#bytes.subarray(at + 1, at + length));
      case ID.hashRequest:
        this.#exactly(48, id, length);
        return handler.onHashRequest(this.#hashSpan(at));
      case ID.hashes:
        if (length < 48 || (length - 48) % 32 !== 0) throw new WireFault("BEP 52", "hashes of an odd length");
        return handler.onHashes(this.#hashSpan(at), this.#bytes.subarray(at + 48, at + length));
      case ID.hashReject:
        this.#exactly(48, id, length);
        return handler.onHashReject(this.#hashSpan(at));
    }
  }

  /** The root is copied: a request is kept longer than the buffer's bytes live. */
  #hashSpan(at: number): HashSpan {
    return {
      root: this.#bytes.slice(at, at + 32),
      base: this.#u32(at + 32),
      index: this.#u32(at + 36),
      count: this.#u32(at + 40),
      proofLayers: this.#u32(at + 44),
    };
  }

  #u32(at: number): number {
    return this.#view.getUint32(at);
  }

  #exactly(bytes: number, id: number, length: number): void {
    if (length !== bytes) throw new WireFault("BEP 3", `message id ${id} with ${length} bytes`);
  }

  /** Moves a cut-off message to the front when the room behind it is short, and grows or shrinks for its size. */
  #makeRoom(needed: number): void {
    const left = this.#end - this.#start;
    if (left === 0) {
      this.#start = this.#end = 0;
      if (this.#bytes.length !== this.#usualBytes) this.#resize(this.#usualBytes);
    } else if (Math.max(needed, this.#usualBytes) > this.#bytes.length) {
      this.#resize(Math.max(needed, this.#usualBytes));
    } else if (this.#bytes.length - this.#end < this.#bytes.length / 2) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#start = 0;
      this.#end = left;
    }
  }

  #resize(bytes: number): void {
    const resized = new Uint8Array(bytes);
    resized.set(this.#bytes.subarray(this.#start, this.#end));
    this.#end -= this.#start;
    this.#start = 0;
    this.#bytes = resized;
    this.#view = new DataView(resized.buffer);
  }
}

const BUFFER_GROWTH = 4;

function tooShort(id: number): WireFault {
  return new WireFault("BEP 3", `message id ${id} is too short`);
}
