// The peer wire protocol's words (BEP 3, 6, 10, 52): message ids, the shape of a hash request, and the writer that
// puts messages one after the other into a reused buffer. The reader is wire_reader.ts.

import { invariant } from "../errors.ts";
import type { HashRequest } from "./merkle.ts";

/** Message ids. */
export const ID = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
  hashRequest: 21,
  hashes: 22,
  hashReject: 23,
} as const;

/** A hash request on the wire: which file is meant, and which hashes of its merkle tree (BEP 52). */
export interface HashSpan extends HashRequest {
  /** The file's pieces root, 32 bytes. */
  readonly root: Uint8Array;
}

/**
 * Collects messages for one connection. Two buffers take turns: one is being sent while the other fills, and both
 * are used again. They grow to what was needed and stay bounded by who fills them (SEND_HIGH_WATER_BYTES).
 */
export class WireWriter {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_BYTES);
  #spare: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #taken = false;
  /** Told when something waits that did not before: who sends need not look at everybody all the time. */
  onWaiting: () => void = () => {};

  /** Bytes that wait to be taken. */
  get pending(): number {
    return this.#length;
  }

  /** What waits, as one view; undefined when nothing does. It stays untouched until `sent`. */
  take(): Uint8Array | undefined {
    if (this.#length === 0) return undefined;
    invariant(!this.#taken, "one buffer is on its way at a time");
    this.#taken = true;
    const full = this.#bytes.subarray(0, this.#length);
    [this.#bytes, this.#spare] = [this.#spare, this.#bytes];
    this.#view = new DataView(this.#bytes.buffer);
    this.#length = 0;
    return full;
  }

  /** The taken bytes are sent: their buffer may be filled again. */
  sent(): void {
    this.#taken = false;
  }

  /** Bytes that are a message already, or a handshake. */
  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length); // before `#bytes` is looked at: it may be replaced
    this.#bytes.set(bytes, at);
  }

  keepAlive(): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, 0);
  }

  /** choke, unchoke, interested, not interested, have all, have none. */
  bare(id: number): void {
    this.#header(id, 0);
  }

  /** have, suggest, allowed fast. */
  piecewise(id: number, piece: number): void {
    const at = this.#header(id, 4);
    this.#view.setUint32(at, piece);
  }

  bitfield(bits: Uint8Array): void {
    const at = this.#header(ID.bitfield, bits.length);
    this.#bytes.set(bits, at);
  }

  /** request, cancel, reject. */
  blockwise(id: number, piece: number, begin: number, length: number): void {
    const at = this.#header(id, 12);
    this.#view.setUint32(at, piece);
    this.#view.setUint32(at + 4, begin);
    this.#view.setUint32(at + 8, length);
  }

  /**
   * A block. `fill` writes it where it will be sent from; when it throws, nothing was added.
   *
   * @param fill Given exactly `length` bytes; must not keep them.
   */
  block(piece: number, begin: number, length: number, fill: (into: Uint8Array) => void): void {
    const before = this.#length;
    const at = this.#header(ID.piece, 8 + length);
    this.#view.setUint32(at, piece);
    this.#view.setUint32(at + 4, begin);
    try {
      fill(this.#bytes.subarray(at + 8, at + 8 + length));
    } catch (error) {
      this.#length = before;
      throw error;
    }
  }

  port(port: number): void {
    const at = this.#header(ID.port, 2);
    this.#view.setUint16(at, port);
  }

  /** @param extension The id that the other side gave it; 0 is the extension handshake. */
  extended(extension: number, ...payload: readonly Uint8Array[]): void {
    let length = 1;
    for (const part of payload) length += part.length;
    let at = this.#header(ID.extended, length);
    this.#bytes[at++] = extension;
    for (const part of payload) {
      this.#bytes.set(part, at);
      at += part.length;
    }
  }

  /** hash request, hash reject, and hashes with what they answer. */
  hashSpan(id: number, span: HashSpan, hashes: Uint8Array = NO_BYTES): void {
    const at = this.#header(id, 48 + hashes.length);
    this.#bytes.set(span.root, at);
    this.#view.setUint32(at + 32, span.base);
    this.#view.setUint32(at + 36, span.index);
    this.#view.setUint32(at + 40, span.count);
    this.#view.setUint32(at + 44, span.proofLayers);
    this.#bytes.set(hashes, at + 48);
  }

  /** Length and id; returns where the payload goes. */
  #header(id: number, payloadBytes: number): number {
    const at = this.#reserve(5 + payloadBytes);
    this.#view.setUint32(at, 1 + payloadBytes);
    this.#bytes[at + 4] = id;
    return at + 5;
  }

  #reserve(bytes: number): number {
    const at = this.#length;
    const needed = at + bytes;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    if (at === 0) this.onWaiting();
    return at;
  }
}

/** Enough for a handshake, an extension handshake and a first batch of requests. */
const FIRST_BYTES = 4096;
const NO_BYTES = new Uint8Array(0);
