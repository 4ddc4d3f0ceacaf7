// Writes a small LMDB file in one go (upstream.md 10; 64-bit, little-endian, format version 1): tables whose keys come
// in order become leaves one after the other, then the branches above them, then the main tree of the tables' names,
// then the two meta pages. There is no free list, no duplicates, no overflow pages: what a fixture needs.

import { compareBytes, utf8 } from "../bytes.ts";
import { invariant } from "../errors.ts";
import type { OpenFile } from "../ports.ts";

/** A key and its data: both together well below half a page. */
export type Entry = readonly [key: Uint8Array, data: Uint8Array];

/** A tree that was written, as its record says it. */
interface Tree {
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly entries: number;
  readonly root: bigint;
}

export class LmdbWriter {
  readonly #file: OpenFile;
  readonly #rest: () => Promise<void> | void;
  readonly #tables: Entry[] = [];
  #nextPage = 2;
  /** Whole pages on their way to the file. */
  readonly #buffer = new Uint8Array(BUFFER_PAGES * PAGE_BYTES);
  #buffered = 0;

  /**
   * @param file Empty. The caller's to close.
   * @param rest Awaited after each megabyte, so that others have their turn; ends the writing by throwing.
   */
  constructor(file: OpenFile, rest: () => Promise<void> | void = () => {}) {
    this.#file = file;
    this.#rest = rest;
  }

  /** Bytes of the file when it ends here. */
  get size(): number {
    return this.#nextPage * PAGE_BYTES;
  }

  /** Writes a table. @param entries In the order of their keys. */
  async table(name: string, entries: Iterable<Entry>): Promise<void> {
    const tree = await this.#tree(entries, 0);
    this.#tables.push([utf8(name), recordOf(tree)]);
  }

  /** Writes what ties it all together, and syncs. */
  async end(): Promise<void> {
    const tables = this.#tables.toSorted(([a], [b]) => compareBytes(a, b));
    const main = await this.#tree(tables, IS_TABLE);
    this.#flush();
    const lastPage = this.#nextPage - 1;
    // The higher transaction rules; the first page is as a new file's.
    this.#file.writeAt(metaPage(0n, EMPTY, 1, 0), 0);
    this.#file.writeAt(metaPage(1n, main, lastPage, 1), PAGE_BYTES);
    await this.#file.sync();
  }

  async #tree(entries: Iterable<Entry>, flags: number): Promise<Tree> {
    let children: { key: Uint8Array; page: number }[] = [];
    let count = 0;
    let page = new PageBuilder(LEAF);
    for (const [key, data] of entries) {
      if (!page.fits(key.length + data.length)) {
        children.push(this.#put(page));
        if (this.#buffered === 0) await this.#rest();
        page = new PageBuilder(LEAF);
      }
      page.addLeaf(key, data, flags);
      count++;
    }
    if (count === 0) return EMPTY;
    children.push(this.#put(page));
    const leafPages = children.length;
    let branchPages = 0;
    let depth = 1;
    for (; children.length > 1; depth++) {
      const above: typeof children = [];
      let branch = new PageBuilder(BRANCH);
      children.forEach((child, i) => {
        // A branch of one child is no branch: the last two share.
        const isTooFewAfter = i === children.length - 2 && !branch.fits(2 * (child.key.length + NODE_BYTES));
        if (!branch.isEmpty && (!branch.fits(child.key.length) || isTooFewAfter)) {
          above.push(this.#put(branch));
          branch = new PageBuilder(BRANCH);
        }
        branch.addBranch(child.key, child.page);
      });
      above.push(this.#put(branch));
      branchPages += above.length;
      children = above;
    }
    return { depth, branchPages, leafPages, entries: count, root: BigInt(children[0]!.page) };
  }

  /** @returns Where it lies and its first key. */
  #put(page: PageBuilder): { key: Uint8Array; page: number } {
    const number = this.#nextPage++;
    this.#buffer.set(page.finish(number), this.#buffered);
    this.#buffered += PAGE_BYTES;
    if (this.#buffered === this.#buffer.length) this.#flush();
    return { key: page.firstKey, page: number };
  }

  #flush(): void {
    const at = this.#nextPage * PAGE_BYTES - this.#buffered;
    this.#file.writeAt(this.#buffer.subarray(0, this.#buffered), at);
    this.#buffered = 0;
  }
}

/** One page: offsets from its begin, nodes from its end. */
class PageBuilder {
  readonly #bytes = new Uint8Array(PAGE_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #kind: number;
  #lower = HEADER_BYTES;
  #upper = PAGE_BYTES;
  #firstKey: Uint8Array | undefined;

  constructor(kind: number) {
    this.#kind = kind;
  }

  get isEmpty(): boolean {
    return this.#firstKey === undefined;
  }

  get firstKey(): Uint8Array {
    return this.#firstKey ?? new Uint8Array();
  }

  /** Whether a node with that many bytes of key and data goes in. */
  fits(bytes: number): boolean {
    return this.#upper - this.#lower >= even(NODE_BYTES + bytes) + POINTER_BYTES;
  }

  addLeaf(key: Uint8Array, data: Uint8Array, flags: number): void {
    const at = this.#add(key, data);
    this.#view.setUint16(at, data.length & 0xffff, true);
    this.#view.setUint16(at + 2, data.length >>> 16, true);
    this.#view.setUint16(at + 4, flags, true);
  }

  addBranch(key: Uint8Array, child: number): void {
    // The first key of a branch is below all: it is not written.
    const isFirst = this.isEmpty;
    this.#firstKey ??= key;
    const at = this.#add(isFirst ? new Uint8Array() : key, new Uint8Array());
    this.#view.setUint16(at, child & 0xffff, true);
    this.#view.setUint16(at + 2, Math.floor(child / 2 ** 16) & 0xffff, true);
    this.#view.setUint16(at + 4, Math.floor(child / 2 ** 32), true);
  }

  finish(number: number): Uint8Array {
    this.#view.setBigUint64(0, BigInt(number), true);
    this.#view.setUint16(10, this.#kind, true);
    this.#view.setUint16(12, this.#lower, true);
    this.#view.setUint16(14, this.#upper, true);
    return this.#bytes;
  }

  #add(key: Uint8Array, data: Uint8Array): number {
    invariant(this.fits(key.length + data.length), "a node fits its page");
    this.#firstKey ??= key;
    this.#upper -= even(NODE_BYTES + key.length + data.length);
    this.#view.setUint16(this.#lower, this.#upper, true);
    this.#lower += POINTER_BYTES;
    this.#view.setUint16(this.#upper + 6, key.length, true);
    this.#bytes.set(key, this.#upper + NODE_BYTES);
    this.#bytes.set(data, this.#upper + NODE_BYTES + key.length);
    return this.#upper;
  }
}

function metaPage(transaction: bigint, main: Tree, lastPage: number, number: number): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  const view = new DataView(page.buffer);
  view.setBigUint64(0, BigInt(number), true);
  view.setUint16(10, META, true);
  view.setUint32(16, MAGIC, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(32, BigInt((lastPage + 1) * PAGE_BYTES), true);
  page.set(recordOf(EMPTY), FREE_AT);
  // The free list's record keeps the page size where others have padding, and its keys are integers.
  view.setUint32(FREE_AT, PAGE_BYTES, true);
  view.setUint16(FREE_AT + 4, INTEGER_KEYS, true);
  page.set(recordOf(main), FREE_AT + RECORD_BYTES);
  view.setBigUint64(FREE_AT + 2 * RECORD_BYTES, BigInt(lastPage), true);
  view.setBigUint64(FREE_AT + 2 * RECORD_BYTES + 8, transaction, true);
  return page;
}

function recordOf(tree: Tree): Uint8Array {
  const record = new Uint8Array(RECORD_BYTES);
  const view = new DataView(record.buffer);
  view.setUint16(6, tree.depth, true);
  view.setBigUint64(8, BigInt(tree.branchPages), true);
  view.setBigUint64(16, BigInt(tree.leafPages), true);
  view.setBigUint64(32, BigInt(tree.entries), true);
  view.setBigUint64(40, tree.root, true);
  return record;
}

/** Nodes begin at even places. */
function even(bytes: number): number {
  return bytes + (bytes & 1);
}

const EMPTY: Tree = { depth: 0, branchPages: 0, leafPages: 0, entries: 0, root: 2n ** 64n - 1n };
const PAGE_BYTES = 4096;
/** One write for a megabyte of pages. */
const BUFFER_PAGES = 256;
const HEADER_BYTES = 16;
const RECORD_BYTES = 48;
/** lo u16, hi u16, flags u16, key size u16. */
const NODE_BYTES = 8;
const POINTER_BYTES = 2;
const FREE_AT = 40;
const MAGIC = 0xbeefc0de;
const BRANCH = 1;
const LEAF = 2;
const META = 8;
const IS_TABLE = 2;
const INTEGER_KEYS = 8;
