// Pages in a buffer, seen as LMDB's: checked first, then asked for their nodes. The check is what the whole of a
// ledger goes through, page by page, so that it makes no object and no view; keys are compared two bytes at a time.
// Numbers are the machine's own, little-endian, as in LMDB, whose files do not travel to others.
//
//   header | offsets of nodes, in the keys' order -> | free room | <- nodes, in any order, without gap or overlap

import { BRANCH, HEADER_BYTES, LEAF, NODE_BYTES, VALUE_ON_OVERFLOW } from "./lmdb_format.ts";
import { compareKeys, type KeyOrder, LOWEST_PREFIX, prefixOf } from "./key_order.ts";

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
  /** By a place's half, within a check: 1 where nodes have begun or ended an odd number of times. Otherwise all 0. */
  readonly #isOdd: Uint8Array;
  /** Of the page that was checked last: where it begins, in bytes. */
  #at = 0;

  constructor(pageSize: number, pages: number) {
    this.pageSize = pageSize;
    this.bytes = new Uint8Array(pageSize * pages);
    this.data = new DataView(this.bytes.buffer);
    this.#words = new Uint16Array(this.bytes.buffer);
    this.#isOdd = new Uint8Array(pageSize / 2 + 1);
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
    return this.#nodesFault(upper, need);
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
   * One pass over the nodes in the keys' order: the room that they take, and that keys rise by memcmp.
   *
   * They fill the room from `upper` to the page's end, with neither gap nor overlap, exactly when their lengths add up to
   * it and each place but these two is where nodes begin or end an even number of times. Seen as lines between places,
   * nodes then hold a way from `upper` to the end, as those are the only odd places; a way is at least as long as the
   * room, as long only when it never turns back, and nothing is left for any other node.
   *
   * @returns What is wrong.
   */
  #nodesFault(upper: number, { kind, order, valueFlags }: PageNeed): string | undefined {
    const words = this.#words;
    const data = this.data;
    const isOdd = this.#isOdd;
    const { pageSize, count } = this;
    const at = this.#at;
    const offsets = (at + HEADER_BYTES) >> 1;
    const lastBegin = pageSize - NODE_BYTES;
    const isBranch = kind === BRANCH;
    // The first key that counts.
    const first = order !== "bytes" ? count : isBranch ? 1 : 0;
    let room = pageSize - upper;
    let odd = toggled(isOdd, upper) + toggled(isOdd, pageSize);
    let hasOverflow = false;
    let rises = true;
    let differing = 0;
    let before = 0;
    let beforeBytes = -1;
    let beforeHead = LOWEST_PREFIX;
    for (let i = 0; i < count; i++) {
      const begin = words[offsets + i]!;
      if (begin < upper || begin > lastBegin || (begin & 1) !== 0) return this.#badNodes();
      const node = (at + begin) >> 1;
      const keyBytes = words[node + 3]!;
      let bytes = NODE_BYTES + keyBytes;
      if (!isBranch) {
        const flags = words[node + 2]!;
        if ((flags & ~valueFlags) !== 0) return this.#badNodes();
        const isFar = (flags & VALUE_ON_OVERFLOW) !== 0;
        hasOverflow ||= isFar;
        bytes += isFar ? PAGE_NUMBER_BYTES : words[node]! + words[node + 1]! * 2 ** 16;
      }
      bytes += bytes & 1;
      if (bytes > pageSize - begin) return this.#badNodes();
      room -= bytes;
      odd += toggled(isOdd, begin) + toggled(isOdd, begin + bytes);
      if (i < first) continue;
      const key = at + begin + NODE_BYTES;
      const head = prefixOf(data, key, keyBytes);
      if (beforeBytes >= 0) {
        differing |= keyBytes ^ beforeBytes;
        // Most keys differ in their first four bytes.
        if (head === beforeHead) rises &&= this.#isLess(before, beforeBytes, key, keyBytes);
        else if (head < beforeHead) rises = false;
      }
      before = key;
      beforeBytes = keyBytes;
      beforeHead = head;
    }
    if (room !== 0 || odd !== 0) return this.#badNodes();
    this.hasOverflow = hasOverflow;
    this.keyBytes = differing === 0 ? beforeBytes : -1;
    if (order !== "bytes") rises = this.#keysRiseIn(order, isBranch ? 1 : 0);
    return rises ? undefined : "has keys that are not in order";
  }

  /** No place is odd after a sound page; after any other they are made even again. */
  #badNodes(): string {
    this.#isOdd.fill(0);
    return "has nodes that overlap, leave gaps or lie outside of it";
  }

  /** Whether the first key is less than the second by memcmp. Where they begin is in bytes of the buffer. */
  #isLess(a: number, aBytes: number, b: number, bBytes: number): boolean {
    const data = this.data;
    const shared = Math.min(aBytes, bBytes);
    let k = 0;
    for (; k + 4 <= shared; k += 4) {
      const difference = data.getUint32(b + k) - data.getUint32(a + k);
      if (difference !== 0) return difference > 0;
    }
    for (; k < shared; k++) {
      const difference = data.getUint8(b + k) - data.getUint8(a + k);
      if (difference !== 0) return difference > 0;
    }
    return bBytes > aBytes;
  }

  #keysRiseIn(order: KeyOrder, first: number): boolean {
    this.keyBytes = -1;
    for (let i = first + 1; i < this.count; i++) {
      if (compareKeys(order, this.key(i - 1), this.key(i)) >= 0) return false;
    }
    return true;
  }
}

/** Counts a node's beginning or end at a place. @returns By how much the number of odd places has changed. */
function toggled(isOdd: Uint8Array, place: number): number {
  const before = isOdd[place >> 1]!;
  isOdd[place >> 1] = before ^ 1;
  return 1 - 2 * before;
}

const PAGE_NUMBER_BYTES = 8;

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
