// Pages in a buffer, seen as LMDB's: checked first, then asked for their nodes. The check is what the whole of a
// ledger goes through, page by page, so that it makes no object and no view; keys are compared two bytes at a time.
// Numbers are the machine's own, little-endian, as in LMDB, whose files do not travel to others.
//
//   header | offsets of nodes, in the keys' order -> | free room | <- nodes, in any order, without gap or overlap

import { BRANCH, HEADER_BYTES, LEAF, NODE_BYTES, VALUE_ON_OVERFLOW } from "./lmdb_format.ts";
import { compareKeys, type KeyOrder } from "./key_order.ts";

/** What a page must be. */
export interface PageNeed {
  readonly number: number;
  readonly kind: typeof BRANCH | typeof LEAF;
  readonly order: KeyOrder;
  /** Flags that its values may have. */
  readonly valueFlags: number;
}

export class PageView {
  /** Room for some pages: whoever reads a file fills it. */
  readonly bytes: Uint8Array;
  /** The same. */
  readonly data: DataView;
  readonly pageSize: number;
  /** Nodes of the page that was checked last. */
  count = 0;
  /** The length of all its keys; -1 when they differ. Of a branch the first does not count. */
  keyBytes = -1;
  /** Whether one of its values lies on overflow pages. */
  hasOverflow = false;
  readonly #words: Uint16Array;
  /** By a place's half: the number of the last check that saw a node begin there. */
  readonly #begins: Uint32Array;
  /** Where each node of the page that is being checked ends. */
  readonly #ends: Uint16Array;
  #check = 0;
  /** Of the page that was checked last: where it begins, in bytes. */
  #at = 0;

  constructor(pageSize: number, pages: number) {
    this.pageSize = pageSize;
    this.bytes = new Uint8Array(pageSize * pages);
    this.data = new DataView(this.bytes.buffer);
    this.#words = new Uint16Array(this.bytes.buffer);
    this.#begins = new Uint32Array(pageSize / 2 + 1);
    this.#ends = new Uint16Array(pageSize / 2);
  }

  /**
   * Checks all that the page says of itself: number, kind, that nodes fill their room exactly, that keys rise.
   *
   * @param place Which page of the buffer.
   * @returns What is wrong with it, to be read after "page 7"; undefined when nothing is. Only then nodes may be asked for.
   */
  check(place: number, need: PageNeed): string | undefined {
    const words = this.#words;
    const word = place * this.pageSize / 2;
    this.#at = place * this.pageSize;
    const number = words[word]! + words[word + 1]! * 2 ** 16 + words[word + 2]! * 2 ** 32 +
      words[word + 3]! * 2 ** 48;
    if (number !== need.number) return `is numbered ${number}`;
    if (words[word + 5] !== need.kind) return `is ${kindName(words[word + 5]!)}, not ${kindName(need.kind)}`;
    const lower = words[word + 6]!;
    const upper = words[word + 7]!;
    if (lower < HEADER_BYTES || lower > upper || upper > this.pageSize || ((lower | upper) & 1) !== 0) {
      return `has free room from ${lower} to ${upper}, which cannot be`;
    }
    this.count = (lower - HEADER_BYTES) / 2;
    if (!this.#nodesFill(upper, need)) return "has nodes that overlap, leave gaps or lie outside of it";
    const first = need.kind === BRANCH ? 1 : 0;
    const rises = need.order === "bytes" ? this.#keysRise(first) : this.#keysRiseIn(need.order, first);
    return rises ? undefined : "has keys that are not in order";
  }

  /** Where a node's key begins in `bytes`. */
  keyAt(index: number): number {
    return this.#nodeAt(index) + NODE_BYTES;
  }

  keyLength(index: number): number {
    return this.#words[(this.#nodeAt(index) >> 1) + 3]!;
  }

  /** A view, good until the buffer is filled again. */
  key(index: number): Uint8Array {
    const at = this.keyAt(index);
    return this.bytes.subarray(at, at + this.keyLength(index));
  }

  /** A leaf's: see lmdb_format.ts. */
  valueFlags(index: number): number {
    return this.#words[(this.#nodeAt(index) >> 1) + 2]!;
  }

  /** Bytes of a leaf's value, wherever it lies. */
  valueLength(index: number): number {
    const word = this.#nodeAt(index) >> 1;
    return this.#words[word]! + this.#words[word + 1]! * 2 ** 16;
  }

  /** Where a leaf's value, or the number of its overflow page, begins in `bytes`. */
  valueAt(index: number): number {
    return this.keyAt(index) + this.keyLength(index);
  }

  /** The page that a branch's node leads to. */
  child(index: number): number {
    const word = this.#nodeAt(index) >> 1;
    return this.#words[word]! + this.#words[word + 1]! * 2 ** 16 + this.#words[word + 2]! * 2 ** 32;
  }

  /**
   * Adds up 8-byte numbers at a place of each value.
   *
   * @returns NaN when a value has not that length, or lies elsewhere.
   */
  sum(valueBytes: number, place: number): number {
    const words = this.#words;
    const at = this.#at >> 1;
    const offsets = at + HEADER_BYTES / 2;
    let sum = 0;
    for (let i = 0; i < this.count; i++) {
      const node = at + (words[offsets + i]! >> 1);
      if (words[node] !== valueBytes || words[node + 1] !== 0 || words[node + 2] !== 0) return NaN;
      const begin = 2 * node + NODE_BYTES + words[node + 3]! + place;
      sum += this.data.getUint32(begin, true);
      const high = this.data.getUint32(begin + 4, true);
      if (high !== 0) sum += high * 2 ** 32;
    }
    return sum;
  }

  #nodeAt(index: number): number {
    return this.#at + this.#words[(this.#at + HEADER_BYTES) / 2 + index]!;
  }

  /**
   * Each node begins at a place of its own and ends where another begins or the page ends, the first begins at `upper`,
   * and their sizes add up to the room: then there is neither gap nor overlap.
   */
  #nodesFill(upper: number, { kind, valueFlags }: PageNeed): boolean {
    const words = this.#words;
    const begins = this.#begins;
    const ends = this.#ends;
    const check = ++this.#check;
    this.hasOverflow = false;
    const { pageSize, count } = this;
    const at = this.#at >> 1;
    const offsets = at + HEADER_BYTES / 2;
    let room = pageSize - upper;
    let least = pageSize;
    for (let i = 0; i < count; i++) {
      const begin = words[offsets + i]!;
      if (begin < upper || begin > pageSize - NODE_BYTES || (begin & 1) !== 0) return false;
      if (begins[begin >> 1] === check) return false;
      begins[begin >> 1] = check;
      if (begin < least) least = begin;
      const bytes = this.#nodeBytes(at + (begin >> 1), kind, valueFlags);
      if (bytes > pageSize - begin) return false;
      room -= bytes;
      ends[i] = begin + bytes;
    }
    if (room !== 0 || least !== upper) return false;
    begins[pageSize >> 1] = check;
    for (let i = 0; i < count; i++) if (begins[ends[i]! >> 1] !== check) return false;
    return true;
  }

  /** What the node at that word takes, rounded up to an even number; more than any page has when it has no sense. */
  #nodeBytes(word: number, kind: number, valueFlags: number): number {
    const words = this.#words;
    const keyBytes = words[word + 3]!;
    if (kind === BRANCH) return NODE_BYTES + keyBytes + (keyBytes & 1);
    const flags = words[word + 2]!;
    if ((flags & ~valueFlags) !== 0) return NO_SENSE;
    if ((flags & VALUE_ON_OVERFLOW) !== 0) {
      this.hasOverflow = true;
      return NODE_BYTES + keyBytes + (keyBytes & 1) + 8;
    }
    if (words[word + 1] !== 0) return NO_SENSE;
    const bytes = NODE_BYTES + keyBytes + words[word]!;
    return bytes + (bytes & 1);
  }

  /** @param first The first key that counts. */
  #keysRise(first: number): boolean {
    const words = this.#words;
    const at = this.#at >> 1;
    const offsets = at + HEADER_BYTES / 2;
    const { count } = this;
    this.keyBytes = -1;
    if (count <= first) return true;
    let before = at + (words[offsets + first]! >> 1);
    let beforeBytes = words[before + 3]!;
    const firstBytes = beforeBytes;
    let differing = 0;
    for (let i = first + 1; i < count; i++) {
      const node = at + (words[offsets + i]! >> 1);
      const nodeBytes = words[node + 3]!;
      differing |= nodeBytes ^ firstBytes;
      const shared = (beforeBytes < nodeBytes ? beforeBytes : nodeBytes) >> 1;
      const a = before + NODE_BYTES / 2;
      const b = node + NODE_BYTES / 2;
      let k = 0;
      while (k < shared && words[a + k] === words[b + k]) k++;
      if (k < shared) {
        if (swapped(words[a + k]!) > swapped(words[b + k]!)) return false;
      } else if (compareKeys("bytes", this.key(i - 1), this.key(i)) >= 0) return false;
      before = node;
      beforeBytes = nodeBytes;
    }
    if (differing === 0) this.keyBytes = firstBytes;
    return true;
  }

  #keysRiseIn(order: KeyOrder, first: number): boolean {
    this.keyBytes = -1;
    for (let i = first + 1; i < this.count; i++) {
      if (compareKeys(order, this.key(i - 1), this.key(i)) >= 0) return false;
    }
    return true;
  }
}

/** Two bytes as memcmp ranks them. */
function swapped(word: number): number {
  return ((word & 0xff) << 8) | (word >> 8);
}

const NO_SENSE = 1 << 20;

function kindName(flags: number): string {
  return KIND_NAMES[flags] ?? `of unknown kind ${flags}`;
}

const KIND_NAMES: Readonly<Record<number, string>> = {
  1: "a branch",
  2: "a leaf",
  4: "an overflow page",
  8: "a meta page",
  0x22: "a leaf of duplicates",
};
