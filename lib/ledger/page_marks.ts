// What a walk over the trees leaves for the scan of the file: for each page what it must be and between which keys its
// own must lie, in 16 bytes of memory that Workers share. A page has one mark for good: who comes second to a page is
// told what it is already. Marks of different pages may be set on several threads at once.
//
//   nothing -> free | walked | a table's leaf
//
// The bounds are stood in for (wasm/page_code.ts): five bytes of each, and a hash of the lower one, which in an honest
// file is the leaf's first key or just below it. The first four bytes are a number with a sign, 2^31 less than without,
// because that is what a word of memory is here.

import { OperationFailed } from "../errors.ts";

/** On the free list. */
export const FREE = 1;
/** Reached, and checked where it was reached: branch and overflow pages, the leaves of the tables' names and the free list. */
export const WALKED = 2;
/** From here on: a leaf of the table with that number less this. */
export const FIRST_TABLE = 3;
/** A mark is one byte. A Nano ledger has a dozen tables. */
export const MAX_TABLES = 250;

/** The words of a leaf in a tree that has no branch: every key lies between them. */
export const NO_BOUNDS = Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0, 0xff << 16);

export class PageMarks {
  /** Four words a page: prefix of the lower bound, of the upper one, hash of the lower one, mark and both fifth bytes. */
  readonly words: Int32Array;

  private constructor(words: Int32Array) {
    this.words = words;
  }

  /** @param pages Those that lie in the file. @throws {OperationFailed} When there is no memory for them. */
  static for(pages: number, path: string): PageMarks {
    const bytes = pages * WORDS * 4;
    try {
      if (pages > MAX_PAGES) throw new RangeError(`more than ${MAX_PAGES} pages`);
      return new PageMarks(new Int32Array(new SharedArrayBuffer(bytes)));
    } catch (error) {
      throw new OperationFailed(
        `Cannot check ${path}: its ${pages} pages would take ${bytes} bytes of memory`,
        {
          cause: error,
        },
      );
    }
  }

  /** On another thread. @param words What `words` was on the first. */
  static over(words: Int32Array): PageMarks {
    return new PageMarks(words);
  }

  /** How many pages have a place here. */
  get pages(): number {
    return this.words.length / WORDS;
  }

  /** What a page is so far; 0 for nothing. */
  markOf(page: number): number {
    return this.words[page * WORDS + MARK]! & 0xff;
  }

  /** Marks a page. @returns What it was before: only when that is 0 the mark was set. */
  claim(page: number, mark: number): number {
    return Atomics.compareExchange(this.words, page * WORDS + MARK, 0, mark) & 0xff;
  }

  /**
   * The same for a leaf that the scan is to check.
   *
   * @param from Where its four words begin in `bounds`: those of PageMarks, but without a mark.
   */
  claimLeaf(page: number, mark: number, bounds: Int32Array, from: number): number {
    const { words } = this;
    const at = page * WORDS;
    const before = Atomics.compareExchange(words, at + MARK, 0, mark | bounds[from + MARK]!) & 0xff;
    if (before !== 0) return before;
    words[at + LOW] = bounds[from + LOW]!;
    words[at + HIGH] = bounds[from + HIGH]!;
    words[at + HASH] = bounds[from + HASH]!;
    return 0;
  }

  /** How a key's five bytes stand to the lower bound: negative when below, 0 when only the whole keys can tell. */
  compareLow(page: number, prefix: number, fifth: number): number {
    const at = page * WORDS;
    return (prefix - this.words[at + LOW]!) * 256 + fifth - ((this.words[at + MARK]! >>> 8) & 0xff);
  }

  /** The same for the upper bound. */
  compareHigh(page: number, prefix: number, fifth: number): number {
    const at = page * WORDS;
    return (prefix - this.words[at + HIGH]!) * 256 + fifth - ((this.words[at + MARK]! >>> 16) & 0xff);
  }

  /** Whether a key of that hash is, as far as that tells, the lower bound itself. */
  isLow(page: number, hash: number): boolean {
    return this.words[page * WORDS + HASH] === hash;
  }

  /** How many pages from 2 on nobody reached. */
  countUnreached(): number {
    let count = 0;
    for (let page = 2; page < this.pages; page++) if (this.markOf(page) === 0) count++;
    return count;
  }
}

/** What `bounds` of a PageView has for each node. */
export const WORDS = 4;
const LOW = 0;
const HIGH = 1;
const HASH = 2;
const MARK = 3;
/** 512 GiB of ledger in pages of 4 KiB, whose marks take 2 GiB: four times today's is checked within a server's memory. */
const MAX_PAGES = 2 ** 27;
