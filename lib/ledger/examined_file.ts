// The ledger under examination, as each thread of a check has it: reads within bounds, marks, findings. The file is
// untrusted: a page number is looked at before it is used, and no page is gone to twice.

import type { OpenFile } from "../ports.ts";
import { addProblem, addTally, type Findings, noFindings } from "./findings.ts";
import type { DbRecord, LmdbMeta } from "./lmdb_pages.ts";
import { HEADER_BYTES, OVERFLOW, overflowPages } from "./lmdb_format.ts";
import { FREE, type PageMarks, WALKED } from "./page_marks.ts";

/** A table, as its record names it. Plain data: it travels between threads. */
export interface TableShape {
  readonly name: string;
  readonly record: DbRecord;
  /** The length of each key, where a Nano ledger's are known. */
  readonly keyBytes: number | undefined;
  /** A number in each value that is to be added up. */
  readonly addUp: { readonly valueBytes: number; readonly at: number } | undefined;
}

/** LMDB's own two tables come first. */
export const FREE_LIST = 0;
export const MAIN = 1;

export class ExaminedFile {
  readonly file: OpenFile;
  readonly meta: LmdbMeta;
  readonly tables: TableShape[];
  readonly marks: PageMarks;
  readonly findings: Findings;
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #headerView = new DataView(this.#header.buffer);

  constructor(file: OpenFile, meta: LmdbMeta, tables: readonly TableShape[], marks: PageMarks) {
    this.file = file;
    this.meta = meta;
    this.tables = [...tables];
    this.marks = marks;
    this.findings = noFindings(tables.length);
  }

  addTable(table: TableShape): void {
    this.tables.push(table);
    addTally(this.findings);
  }

  problem(table: number, page: number | undefined, text: string): void {
    addProblem(this.findings, table, { page, table: this.tables[table]!.name, text });
  }

  /** Whether the page can be gone to; a problem when not. */
  isThere(table: number, page: number): boolean {
    const { lastPage } = this.meta;
    if (page < 2 || page > lastPage) {
      this.problem(table, page, `page ${page} is needed and is not among the file's ${lastPage + 1}`);
      return false;
    }
    if (page < this.marks.pages) return true;
    this.problem(table, page, `page ${page} is needed and lies after the end of the file`);
    return false;
  }

  /** Reaches a page. @returns false when it is not there or has been reached before, which is a problem. */
  reach(table: number, page: number): boolean {
    if (!this.isThere(table, page)) return false;
    const before = this.marks.claim(page, WALKED);
    if (before !== 0) this.reachedBefore(table, page, before);
    return before === 0;
  }

  reachedBefore(table: number, page: number, before: number): void {
    this.problem(
      table,
      page,
      `page ${page} is ${before === FREE ? "in use and on the free list" : "reached twice"}`,
    );
  }

  /** Reads whole pages. @returns false when the file has no more so many, which is a problem. */
  read(table: number, page: number, into: Uint8Array): boolean {
    if (this.file.readAt(into, page * this.meta.pageSize) === into.length) return true;
    this.problem(table, page, `page ${page} cannot be read to its end`);
    return false;
  }

  /** Reaches the overflow pages on which a value lies, and checks them. @returns Whether it is all there. */
  reachValue(table: number, first: number, bytes: number): boolean {
    if (!this.isThere(table, first) || !this.read(table, first, this.#header)) return false;
    const number = this.#headerView.getUint32(0, true) + this.#headerView.getUint32(4, true) * 2 ** 32;
    const kind = this.#headerView.getUint16(10, true);
    // A shorter value may lie where a longer one was: then there are more pages than it needs.
    const pages = this.#headerView.getUint32(12, true);
    if (number !== first || kind !== OVERFLOW || pages < overflowPages(bytes, this.meta.pageSize)) {
      this.problem(table, first, `page ${first} is not the overflow page of a value of ${bytes} bytes`);
      return false;
    }
    for (let page = first; page < first + pages; page++) if (!this.reach(table, page)) return false;
    this.findings.tallies[table]!.overflowPages += pages;
    return true;
  }
}
