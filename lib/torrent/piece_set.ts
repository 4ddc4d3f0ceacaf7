// A set of piece numbers as bits, first piece in the high bit of the first byte: the form of BEP 3's bitfield.

import { WireFault } from "../errors.ts";

export class PieceSet {
  readonly #bits: Uint8Array;
  #count = 0;

  /** An empty set of numbers from 0 to `size` - 1. */
  constructor(readonly size: number) {
    this.#bits = new Uint8Array(Math.ceil(size / 8));
  }

  /** Reads a bitfield message; bits past the last piece are ignored, as libtorrent does. @throws {WireFault} */
  static parse(bits: Uint8Array, size: number): PieceSet {
    const set = new PieceSet(size);
    if (bits.length !== set.#bits.length) {
      throw new WireFault("BEP 3", `a bitfield of ${bits.length} bytes for ${size} pieces`);
    }
    set.#bits.set(bits);
    const spare = size % 8;
    if (spare !== 0) set.#bits[bits.length - 1]! &= 0xff << (8 - spare);
    for (const byte of set.#bits) set.#count += ONES[byte]!;
    return set;
  }

  /** How many are in it. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.size;
  }

  /** The bits, to be read only. */
  get bits(): Uint8Array {
    return this.#bits;
  }

  has(piece: number): boolean {
    return (this.#bits[piece >> 3]! & (0x80 >> (piece & 7))) !== 0;
  }

  /** @returns Whether it was not there before. */
  add(piece: number): boolean {
    if (this.has(piece)) return false;
    this.#bits[piece >> 3]! |= 0x80 >> (piece & 7);
    this.#count++;
    return true;
  }

  /** @returns Whether it was there before. */
  delete(piece: number): boolean {
    if (!this.has(piece)) return false;
    this.#bits[piece >> 3]! &= ~(0x80 >> (piece & 7));
    this.#count--;
    return true;
  }

  fill(): void {
    for (let piece = 0; piece < this.size; piece++) this.add(piece);
  }

  *[Symbol.iterator](): IterableIterator<number> {
    for (let piece = 0; piece < this.size; piece++) if (this.has(piece)) yield piece;
  }
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);
