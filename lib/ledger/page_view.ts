// Pages in a buffer, seen as LMDB's: checked first, then asked for their nodes. The check is what the whole of a
// ledger goes through, page by page: it is done by wasm/page_code.ts, in whose memory the buffer lies. Numbers are the
// machine's own, little-endian, as in LMDB, whose files do not travel to others.
//
//   header | offsets of nodes, in the keys' order -> | free room | <- nodes, in any order, without gap or overlap

import { BRANCH, HEADER_BYTES, LEAF, NODE_BYTES } from "./lmdb_format.ts";
import { compareKeys, type KeyOrder } from "./key_order.ts";
import code from "./wasm/page_code.wasm" with { type: "bytes" };

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
  /** Of the branch that readBranch() was called for: the page that each node leads to. */
  readonly children: Float64Array;
  /** Of the same: for each node the mark of a leaf that it leads to, as PageMarks.claimLeaf() takes it. */
  readonly bounds: Int32Array;
  readonly #pageSize: number;
  readonly #code: PageCode;
  readonly #found: Int32Array;
  readonly #keys: Uint8Array;
  readonly #words: Uint16Array;
  /** Of the page that was checked last: where it begins, in bytes. */
  #at = 0;

  constructor(pageSize: number, pages: number) {
    this.#pageSize = pageSize;
    const layout = layoutOf(pageSize, pages);
    const { found, children, bounds, keys, odd, end } = layout;
    const memory = new WebAssembly.Memory({ initial: Math.ceil(end / WASM_PAGE_BYTES) });
    const { buffer } = memory;
    this.bytes = new Uint8Array(buffer, 0, pageSize * pages);
    this.data = new DataView(buffer, 0, pageSize * pages);
    this.#words = new Uint16Array(buffer, 0, pageSize * pages / 2);
    this.#found = new Int32Array(buffer, found, FOUND_BYTES / 4);
    this.children = new Float64Array(buffer, children, (bounds - children) / 8);
    this.bounds = new Int32Array(buffer, bounds, (keys - bounds) / 4);
    this.#keys = new Uint8Array(buffer, keys, odd - keys);
    compiled ??= new WebAssembly.Module(code);
    this.#code = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as PageCode;
    this.#code.layOut(pageSize, found, children, bounds, keys, odd);
  }

  /** Nodes of the page that was checked last. */
  get count(): number {
    return this.#found[0]!;
  }

  /** The length of all its keys; -1 when they differ, or their order is not that of bytes. Of a branch the first does not count. */
  get keyBytes(): number {
    return this.#found[1]!;
  }

  /** Whether one of its values lies on overflow pages. */
  get hasOverflow(): boolean {
    return this.#found[2] !== 0;
  }

  /** Of a leaf's first key, as a mark has them: prefix, fifth byte, hash. */
  get firstPrefix(): number {
    return this.#found[3]!;
  }

  get firstFifth(): number {
    return this.#found[4]!;
  }

  get firstHash(): number {
    return this.#found[5]!;
  }

  /** The same of its last key. */
  get lastPrefix(): number {
    return this.#found[6]!;
  }

  get lastFifth(): number {
    return this.#found[7]!;
  }

  /**
   * Checks all that the page says of itself: number, kind, that nodes fill their room exactly, that keys rise.
   *
   * @param place Which page of the buffer.
   * @returns What is wrong with it, to be read after "page 7"; undefined when nothing is. Only then nodes may be asked for.
   */
  check(place: number, need: PageNeed): string | undefined {
    const { number, kind, order, valueFlags } = need;
    this.#at = place * this.#pageSize;
    const fault = this.#code.check(this.#at, number, kind, order === "bytes" ? 1 : 0, valueFlags);
    if (fault !== 0) return this.#nameOf(fault, kind);
    return order === "bytes" || this.#keysRiseIn(order, kind === BRANCH ? 1 : 0) ? undefined : BAD_ORDER;
  }

  /**
   * Fills `children` and `bounds` from the branch that was checked last.
   *
   * @param low No key below it is less; undefined at the tree's left side. At most a page's length, as `high`.
   * @param high Every key below it is less; undefined at the tree's right side.
   */
  readBranch(low: Uint8Array | undefined, high: Uint8Array | undefined): void {
    if (low !== undefined) this.#keys.set(low);
    if (high !== undefined) this.#keys.set(high, this.#pageSize);
    this.#code.readBranch(this.#at, this.count, low?.length ?? -1, high?.length ?? -1);
  }

  /** A view, good until the buffer is filled again. */
  key(index: number): Uint8Array {
    const at = this.#keyAt(index);
    return this.bytes.subarray(at, at + this.#keyLength(index));
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
    return this.#keyAt(index) + this.#keyLength(index);
  }

  /** The page that a branch's node leads to. */
  child(index: number): number {
    const word = this.#nodeAt(index) >> 1;
    return this.#words[word]! + this.#words[word + 1]! * 2 ** 16 + this.#words[word + 2]! * 2 ** 32;
  }

  /**
   * Adds up 8-byte numbers at a place of each value of the leaf that was checked last.
   *
   * @param place At most `valueBytes` less 8.
   * @returns NaN when a value has not that length, or lies elsewhere.
   */
  sum(valueBytes: number, place: number): number {
    return this.#code.sum(this.#at, this.count, valueBytes, place);
  }

  #keyAt(index: number): number {
    return this.#nodeAt(index) + NODE_BYTES;
  }

  #keyLength(index: number): number {
    return this.#words[(this.#nodeAt(index) >> 1) + 3]!;
  }

  #nodeAt(index: number): number {
    return this.#at + this.#words[(this.#at + HEADER_BYTES) / 2 + index]!;
  }

  #nameOf(fault: number, kind: number): string {
    const word = this.#at / 2;
    const words = this.#words;
    switch (fault) {
      case FAULT.number:
        return `is numbered ${this.data.getBigUint64(this.#at, true)}`;
      case FAULT.kind:
        return `is ${kindName(words[word + 5]!)}, not ${kindName(kind)}`;
      case FAULT.room:
        return `has free room from ${words[word + 6]} to ${words[word + 7]}, which cannot be`;
      case FAULT.nodes:
        return "has nodes that overlap, leave gaps or lie outside of it";
      default:
        return BAD_ORDER;
    }
  }

  #keysRiseIn(order: KeyOrder, first: number): boolean {
    for (let i = first + 1; i < this.count; i++) {
      if (compareKeys(order, this.key(i - 1), this.key(i)) >= 0) return false;
    }
    return true;
  }
}

/** wasm/page_code.ts. */
interface PageCode {
  layOut(page: number, found: number, children: number, bounds: number, keys: number, odd: number): void;
  check(page: number, number: number, kind: number, ranks: number, valueFlags: number): number;
  sum(page: number, count: number, valueBytes: number, place: number): number;
  readBranch(page: number, count: number, lowBytes: number, highBytes: number): void;
}

/** Where all lies in the memory, as wasm/page_code.ts has it, in bytes. All sizes are multiples of 8, but the last. */
function layoutOf(pageSize: number, pages: number) {
  const mostNodes = pageSize / 2;
  const found = pageSize * pages;
  const children = found + FOUND_BYTES;
  const bounds = children + 8 * mostNodes;
  const keys = bounds + 16 * mostNodes;
  const odd = keys + 2 * pageSize;
  return { found, children, bounds, keys, odd, end: odd + mostNodes + 1 };
}

/** What its check() answers; 0 when all is well, and 5 when keys do not rise. */
const FAULT = { number: 1, kind: 2, room: 3, nodes: 4 } as const;
const FOUND_BYTES = 32;
const WASM_PAGE_BYTES = 64 << 10;
const BAD_ORDER = "has keys that are not in order";
/** One for all views of a thread, made with the first. */
let compiled: WebAssembly.Module | undefined;

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
