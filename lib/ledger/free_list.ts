// The free list: for each transaction that let pages go, a list of their numbers, a count first and then from the
// highest down. Every page in it is free exactly once, and no tree needs it.

import { type ExaminedFile, FREE_LIST } from "./examined_file.ts";
import { HEADER_BYTES, VALUE_ON_OVERFLOW } from "./lmdb_format.ts";
import { FREE } from "./page_marks.ts";
import type { PageView } from "./page_view.ts";

export class FreeList {
  /** How many pages are free. */
  pages = 0;
  readonly #examined: ExaminedFile;

  constructor(examined: ExaminedFile) {
    this.#examined = examined;
  }

  /** Takes a leaf page of the list. */
  take(view: PageView): void {
    for (let i = 0; i < view.count; i++) {
      const bytes = view.valueLength(i);
      const at = view.valueAt(i);
      if ((view.valueFlags(i) & VALUE_ON_OVERFLOW) === 0) {
        this.#takeNumbers(
          bytes,
          (into, from) => into.set(view.bytes.subarray(at + from, at + from + into.length)),
        );
        continue;
      }
      const { file, meta } = this.#examined;
      const first = Number(view.data.getBigUint64(at, true));
      if (!this.#examined.reachValue(FREE_LIST, first, bytes)) continue;
      const begin = first * meta.pageSize + HEADER_BYTES;
      this.#takeNumbers(bytes, (into, from) => void file.readAt(into, begin + from));
    }
  }

  /** @param read Fills its first argument from that byte of the value on. */
  #takeNumbers(bytes: number, read: (into: Uint8Array, from: number) => void): void {
    const head = new Uint8Array(8);
    if (bytes >= head.length) read(head, 0);
    const count = u64(new DataView(head.buffer), 0);
    if (bytes < head.length || count > bytes / 8 - 1) {
      return this.#examined.problem(FREE_LIST, undefined, `it counts ${count} pages in ${bytes} bytes`);
    }
    const end = 8 * (count + 1);
    let above = Infinity;
    for (let from = 8; from < end; from += READ_BYTES) {
      const numbers = new Uint8Array(Math.min(READ_BYTES, end - from));
      read(numbers, from);
      const view = new DataView(numbers.buffer);
      for (let at = 0; at < numbers.length; at += 8) {
        const page = u64(view, at);
        if (!this.#take(page, above)) return;
        above = page;
      }
    }
  }

  /** @returns Whether what follows may be believed. */
  #take(page: number, above: number): boolean {
    const { meta: { lastPage }, marks } = this.#examined;
    if (page < 2 || page > lastPage || page >= above) {
      this.#examined.problem(FREE_LIST, undefined, `page ${page} cannot be where it is in the list`);
      return false;
    }
    this.pages++;
    // Nothing is lost with a free page that the file is too short for.
    const before = page < marks.pages ? marks.claim(page, FREE) : 0;
    if (before === FREE) this.#examined.problem(FREE_LIST, page, `page ${page} is free twice`);
    else if (before !== 0) this.#examined.reachedBefore(FREE_LIST, page, before);
    return true;
  }
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

/** A multiple of 8. */
const READ_BYTES = 64 << 10;
