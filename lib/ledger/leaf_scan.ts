// Reads the leaves that the walk has marked, in the order in which they lie in the file and not in that of their keys:
// whole stretches at once, at the rate of the disk. Each is checked by itself and against the bounds of its mark; where
// those cannot tell, its keys are looked up from the root, and must lead to it.

import { VerificationFailed } from "../errors.ts";
import { type KeyOrder, orderOf } from "./key_order.ts";
import type { ExaminedFile } from "./examined_file.ts";
import { LEAF, VALUE_ON_OVERFLOW } from "./lmdb_format.ts";
import { LmdbPages } from "./lmdb_pages.ts";
import { FIRST_TABLE } from "./page_marks.ts";
import { PageView } from "./page_view.ts";

export class LeafScan {
  readonly #examined: ExaminedFile;
  readonly #view: PageView;
  readonly #pagesAtOnce: number;
  /** For looking up keys; opened when the first is. */
  #lookup: LmdbPages | undefined;
  readonly #needs;

  constructor(examined: ExaminedFile) {
    this.#examined = examined;
    const { pageSize } = examined.meta;
    this.#pagesAtOnce = Math.max(1, READ_BYTES / pageSize);
    this.#view = new PageView(pageSize, this.#pagesAtOnce);
    this.#needs = examined.tables.map(({ record }) => ({
      number: 0,
      kind: LEAF as typeof LEAF,
      order: orderOf(record.flags),
      valueFlags: VALUE_ON_OVERFLOW,
    }));
  }

  /** Checks the marked leaves among the pages from `from` up to but not `end`. */
  scan(from: number, end: number): void {
    const { marks, meta } = this.#examined;
    let page = from;
    while (page < end) {
      if (marks.markOf(page) < FIRST_TABLE) {
        page++;
        continue;
      }
      let stop = Math.min(page + this.#pagesAtOnce, end);
      while (marks.markOf(stop - 1) < FIRST_TABLE) stop--;
      const bytes = this.#view.bytes.subarray(0, (stop - page) * meta.pageSize);
      if (!this.#examined.read(marks.markOf(page) - FIRST_TABLE, page, bytes)) return;
      for (let i = page; i < stop; i++) {
        const table = marks.markOf(i) - FIRST_TABLE;
        if (table >= 0) this.#leaf(i - page, i, table);
      }
      page = stop;
    }
  }

  #leaf(place: number, page: number, table: number): void {
    const view = this.#view;
    const need = this.#needs[table]!;
    need.number = page;
    let fault = view.check(place, need);
    if (fault === undefined && view.count === 0) fault = "is empty";
    fault ??= this.#oddKey(table) ?? this.#outOfBounds(page, table, need.order);
    if (fault !== undefined) return this.#examined.problem(table, page, `page ${page} ${fault}`);
    const tally = this.#examined.findings.tallies[table]!;
    tally.leafPages++;
    tally.entries += view.count;
    if (view.hasOverflow) this.#reachValues(table);
    const { addUp } = this.#examined.tables[table]!;
    if (addUp !== undefined) tally.sum += view.sum(addUp.valueBytes, addUp.at);
  }

  /** One byte of padding may hide that a key has become longer. */
  #oddKey(table: number): string | undefined {
    const { keyBytes } = this.#examined.tables[table]!;
    return keyBytes === undefined || keyBytes === this.#view.keyBytes
      ? undefined
      : `has a key that is not ${keyBytes} bytes long`;
  }

  #outOfBounds(page: number, table: number, order: KeyOrder): string | undefined {
    const view = this.#view;
    const { marks } = this.#examined;
    // In an order other than that of bytes prefixes would say nothing.
    const ranks = order === "bytes";
    const low = ranks ? marks.compareLow(page, view.firstPrefix, view.firstFifth) : 0;
    if (low < 0) return "has keys that belong before it";
    if (low === 0 && !marks.isLow(page, view.firstHash) && !this.#leadsTo(page, table, 0)) {
      return "has keys that belong elsewhere";
    }
    const high = ranks ? marks.compareHigh(page, view.lastPrefix, view.lastFifth) : 0;
    if (high > 0) return "has keys that belong after it";
    return high < 0 || this.#leadsTo(page, table, view.count - 1)
      ? undefined
      : "has keys that belong elsewhere";
  }

  /** Whether a search for the key ends at this page. */
  #leadsTo(page: number, table: number, index: number): boolean {
    this.#lookup ??= new LmdbPages(this.#examined.file, Infinity);
    try {
      return this.#lookup.leafOf(this.#examined.tables[table]!.record, this.#view.key(index)) === page;
    } catch (error) {
      // What is broken on the way there is a problem of its own, and told by whoever walked it.
      if (error instanceof VerificationFailed) return false;
      throw error;
    }
  }

  #reachValues(table: number): void {
    const view = this.#view;
    for (let i = 0; i < view.count; i++) {
      if ((view.valueFlags(i) & VALUE_ON_OVERFLOW) === 0) continue;
      const first = Number(view.data.getBigUint64(view.valueAt(i), true));
      this.#examined.reachValue(table, first, view.valueLength(i));
    }
  }
}

/** Fits a core's own cache with room to spare: what is read is checked while it is there. */
const READ_BYTES = 256 << 10;
