// Reads the pages of an LMDB file without a library (64-bit, little-endian, format version 1). The
// file is untrusted: each page number, offset, length and depth is checked before it is used, pages are read one at a
// time into a fresh buffer, and a budget ends every walk.

import { VerificationFailed } from "../errors.ts";
import type { OpenFile } from "../ports.ts";
import { compareKeys, type KeyOrder, orderOf } from "./key_order.ts";
import {
  BRANCH,
  HEADER_BYTES,
  INTEGER_KEYS,
  LEAF,
  MAX_DEPTH,
  MAX_PAGE_BYTES,
  META,
  MIN_PAGE_BYTES,
  NODE_BYTES,
  RECORD_BYTES,
  REVERSE_KEYS,
  VALUE_IS_TABLE,
  VALUE_ON_OVERFLOW,
} from "./lmdb_format.ts";

/** A table's record: where its tree begins and what it counts. */
export interface DbRecord {
  /** LMDB's flags: 2 reverse keys, 4 sorted duplicates, 8 integer keys. */
  readonly flags: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  /** undefined when the table is empty. */
  readonly root: number | undefined;
}

/** What the newer meta page says of the file. */
export interface LmdbMeta {
  readonly pageSize: number;
  readonly mapSize: number;
  readonly lastPage: number;
  readonly transaction: number;
  /** The free list: pages by the transaction that let them go. Its record's flags also hold LMDB's own. */
  readonly free: DbRecord;
  /** The tables' names and records. */
  readonly main: DbRecord;
}

/** A key's place in a leaf: its flags and its data where that lies in the leaf itself. */
export interface LeafValue {
  readonly flags: number;
  /** A view into the page; empty for data on overflow pages, which nothing here needs. */
  readonly data: Uint8Array;
}

/** Page reads for one file: a lookup takes one per level of a tree, so this is far beyond an honest need. */
const MAX_PAGE_READS = 2000;

const META_BYTES = HEADER_BYTES + 24 + 2 * RECORD_BYTES + 16;
const MAGIC = 0xbeefc0de;
const FORMAT_VERSION = 1;
const NO_PAGE = 0xffffffffffffffffn;
/** Overflow and subpages, LEAF2 pages of fixed-size duplicates: never met where we walk. */
const OTHER_KINDS = 4 | 0x20 | 0x40;
/** Tables whose keys are not in plain byte order. */
const OTHER_ORDER = REVERSE_KEYS | INTEGER_KEYS;

export class LmdbPages {
  readonly meta: LmdbMeta;
  readonly #file: OpenFile;
  readonly #maxReads: number;
  #reads = 0;

  /**
   * @param maxReads How many pages may be read in all: the file may be made to keep us busy.
   * @throws {VerificationFailed} When it is no LMDB file or its meta pages cannot be read, which LMDB refuses as well.
   */
  constructor(file: OpenFile, maxReads = MAX_PAGE_READS) {
    this.#file = file;
    this.#maxReads = maxReads;
    const first = this.#readMeta(0, undefined);
    const second = this.#readMeta(first.pageSize, first.pageSize);
    this.meta = second.transaction > first.transaction ? second : first;
  }

  /** The record of a named table; undefined when there is none of that name. */
  table(name: Uint8Array): DbRecord | undefined {
    const value = this.get(this.meta.main, name);
    if (value === undefined || value.flags !== VALUE_IS_TABLE) return undefined;
    return this.record(value.data);
  }

  /** A table's record out of its value in the main tree. @throws {VerificationFailed} */
  record(bytes: Uint8Array): DbRecord {
    if (bytes.length !== RECORD_BYTES) throw this.#broken(`a table's record has ${bytes.length} bytes`);
    return this.#record(viewOf(bytes), 0);
  }

  /** Finds a key; undefined when it is not there, or the table is not ordered by bytes. */
  get(table: DbRecord, key: Uint8Array): LeafValue | undefined {
    if ((table.flags & OTHER_ORDER) !== 0) return undefined;
    const page = this.#leafFor(table, key);
    return page && this.#find(page, key);
  }

  /** The leaf page in which a key is, or would be; undefined in an empty table. */
  leafOf(table: DbRecord, key: Uint8Array): number | undefined {
    return this.#leafFor(table, key)?.number;
  }

  #leafFor(table: DbRecord, key: Uint8Array): Page | undefined {
    if (table.root === undefined) return undefined;
    const order = orderOf(table.flags);
    let number = table.root;
    for (let level = 1; level <= Math.min(table.depth, MAX_DEPTH); level++) {
      const page = this.#readPage(number);
      if (page.isLeaf) return page;
      number = this.#child(page, key, order);
    }
    throw this.#broken(`a tree is deeper than the ${table.depth} levels it claims`);
  }

  #readMeta(at: number, pageSize: number | undefined): LmdbMeta {
    const bytes = new Uint8Array(META_BYTES);
    if (this.#file.readAt(bytes, at) < META_BYTES) throw this.#broken("it is too short for an LMDB file");
    const view = viewOf(bytes);
    if (view.getUint32(16, true) !== MAGIC || (view.getUint16(10, true) & META) === 0) {
      throw this.#broken("it is no LMDB file");
    }
    const version = view.getUint32(20, true);
    if (version !== FORMAT_VERSION) {
      throw this.#broken(`its LMDB format is ${version}, not ${FORMAT_VERSION}`);
    }
    // The free list's record keeps the page size where others have padding.
    const size = view.getUint32(40, true);
    if (size < MIN_PAGE_BYTES || size > MAX_PAGE_BYTES || (size & (size - 1)) !== 0) {
      throw this.#broken(`a page size of ${size} bytes is impossible`);
    }
    if (pageSize !== undefined && size !== pageSize) throw this.#broken("its meta pages differ in page size");
    return {
      pageSize: size,
      mapSize: this.#u64(view, 32),
      lastPage: this.#u64(view, 40 + 2 * RECORD_BYTES),
      transaction: this.#u64(view, 48 + 2 * RECORD_BYTES),
      free: this.#record(view, 40),
      main: this.#record(view, 40 + RECORD_BYTES),
    };
  }

  #record(view: DataView, at: number): DbRecord {
    const root = view.getBigUint64(at + 40, true);
    return {
      flags: view.getUint16(at + 4, true),
      depth: view.getUint16(at + 6, true),
      branchPages: this.#u64(view, at + 8),
      leafPages: this.#u64(view, at + 16),
      overflowPages: this.#u64(view, at + 24),
      entries: this.#u64(view, at + 32),
      root: root === NO_PAGE ? undefined : this.#u64(view, at + 40),
    };
  }

  #readPage(number: number): Page {
    const { pageSize, lastPage } = this.meta;
    if (number < 2 || number > lastPage) {
      throw this.#broken(`page ${number} is not among its ${lastPage + 1}`);
    }
    if (++this.#reads > this.#maxReads) throw this.#broken(`more than ${this.#maxReads} pages would be read`);
    const bytes = new Uint8Array(pageSize);
    if (this.#file.readAt(bytes, number * pageSize) < pageSize) {
      throw this.#broken(`page ${number} lies after its end`);
    }
    const page = parsePage(bytes, number);
    if (page === undefined) throw this.#broken(`page ${number} is damaged`);
    return page;
  }

  /** The child whose keys begin at or before the key. The first key of a branch page is empty: below all. */
  #child(page: Page, key: Uint8Array, order: KeyOrder): number {
    let low = 1;
    let high = page.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareKeys(order, this.#node(page, middle).key, key) <= 0) low = middle + 1;
      else high = middle;
    }
    const node = this.#node(page, low - 1);
    return node.low + node.flags * 2 ** 32;
  }

  #find(page: Page, key: Uint8Array): LeafValue | undefined {
    let low = 0;
    let high = page.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      const node = this.#node(page, middle);
      const order = compareKeys("bytes", node.key, key);
      if (order === 0) return { flags: node.flags, data: this.#dataOf(page, node) };
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  #node(page: Page, index: number): Node {
    const { view, bytes, number } = page;
    const at = view.getUint16(HEADER_BYTES + 2 * index, true);
    if (at < page.lower || at + NODE_BYTES > bytes.length) throw this.#broken(`page ${number} is damaged`);
    const keyEnd = at + NODE_BYTES + view.getUint16(at + 6, true);
    if (keyEnd > bytes.length) throw this.#broken(`page ${number} is damaged`);
    return {
      low: view.getUint16(at, true) + view.getUint16(at + 2, true) * 2 ** 16,
      flags: view.getUint16(at + 4, true),
      key: bytes.subarray(at + NODE_BYTES, keyEnd),
      keyEnd,
    };
  }

  #dataOf(page: Page, node: Node): Uint8Array {
    if ((node.flags & VALUE_ON_OVERFLOW) !== 0) return new Uint8Array(0);
    if (node.keyEnd + node.low > page.bytes.length) throw this.#broken(`page ${page.number} is damaged`);
    return page.bytes.subarray(node.keyEnd, node.keyEnd + node.low);
  }

  #u64(view: DataView, at: number): number {
    const value = view.getBigUint64(at, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#broken(`a count of ${value} is impossible`);
    return Number(value);
  }

  #broken(why: string): VerificationFailed {
    return new VerificationFailed(`Cannot read ${this.#file.path} as a ledger: ${why}`);
  }
}

interface Page {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly isLeaf: boolean;
  /** Where the table of node offsets ends. */
  readonly lower: number;
  readonly count: number;
}

interface Node {
  /** Length of a leaf's data, low half of a branch's child. */
  readonly low: number;
  readonly flags: number;
  readonly key: Uint8Array;
  readonly keyEnd: number;
}

/** A branch or leaf page with a sound header; undefined when it is anything else. */
function parsePage(bytes: Uint8Array, number: number): Page | undefined {
  const view = viewOf(bytes);
  const flags = view.getUint16(10, true);
  const lower = view.getUint16(12, true);
  const upper = view.getUint16(14, true);
  const isLeaf = (flags & LEAF) !== 0;
  const isBranch = (flags & BRANCH) !== 0;
  const count = (lower - HEADER_BYTES) / 2;
  const sound = view.getBigUint64(0, true) === BigInt(number) && isLeaf !== isBranch &&
    (flags & (OTHER_KINDS | META)) === 0 && lower >= HEADER_BYTES && lower % 2 === 0 && lower <= upper &&
    upper <= bytes.length && (isLeaf || count >= 1);
  return sound ? { number, bytes, view, isLeaf, lower, count } : undefined;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
