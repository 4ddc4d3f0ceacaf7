// One of the threads that examine a ledger. All take from the same counters in shared memory: subtrees to walk, and when
// the last of them has been walked, shares of the file to scan. So a thread may come late or be slow: the others take
// what it does not.

import type { OpenFile } from "../ports.ts";
import { ExaminedFile, type TableShape } from "./examined_file.ts";
import type { Findings } from "./findings.ts";
import { LeafScan } from "./leaf_scan.ts";
import type { LmdbMeta } from "./lmdb_pages.ts";
import { PageMarks } from "./page_marks.ts";
import type { Plan } from "./plan.ts";
import { type Subtree, TreeWalk } from "./tree_walk.ts";

/** The same for each thread of a job. Plain data and shared memory. */
export interface ThreadTask {
  readonly meta: LmdbMeta;
  readonly tables: readonly TableShape[];
  readonly subtrees: readonly Subtree[];
  /** How many pages one step scans. */
  readonly sharePages: number;
  /** In shared memory: of all pages. */
  readonly marks: Int32Array;
  /** In shared memory: see the places below. */
  readonly control: Int32Array;
}

/** Places in `control`. Anything but 0 asks to stop. */
export const STOP = 0;
const NEXT_SUBTREE = 1;
/** How many were walked: a thread may wait for it to grow. */
export const SUBTREES_DONE = 2;
const NEXT_SHARE = 3;
/** Pages that were gone through in either pass. */
export const BRANCHES_DONE = 4;
export const PAGES_DONE = 5;
/** Whoever starts threads may have places behind these. */
export const CONTROL_WORDS = 6;

/**
 * Makes a plan into a task.
 *
 * @param threads How many may take part.
 * @param control At least CONTROL_WORDS, all 0, in shared memory.
 */
export function taskOf({ examined, subtrees }: Plan, threads: number, control: Int32Array): ThreadTask {
  const { meta, tables, marks } = examined;
  const bytes = marks.pages * meta.pageSize / (threads * SHARES_EACH);
  const sharePages = Math.ceil(Math.min(Math.max(bytes, MIN_SHARE_BYTES), MAX_SHARE_BYTES) / meta.pageSize);
  return { meta, tables, subtrees, sharePages, marks: marks.words, control };
}

export class ExaminingThread {
  readonly #task: ThreadTask;
  readonly #examined: ExaminedFile;
  readonly #walk: TreeWalk;
  readonly #scan: LeafScan;

  /** @param file The thread's own. */
  constructor(file: OpenFile, task: ThreadTask) {
    this.#task = task;
    this.#examined = new ExaminedFile(file, task.meta, task.tables, PageMarks.over(task.marks));
    this.#walk = new TreeWalk(this.#examined);
    this.#scan = new LeafScan(this.#examined);
  }

  /** What this thread has found. */
  get findings(): Findings {
    return this.#examined.findings;
  }

  /**
   * Does the next thing: some milliseconds of work.
   *
   * @returns "wait": other threads have the last subtrees; "done": nothing is left to be taken.
   */
  step(): "more" | "wait" | "done" {
    const { control, subtrees } = this.#task;
    if (Atomics.load(control, NEXT_SUBTREE) < subtrees.length) {
      const first = Atomics.add(control, NEXT_SUBTREE, SUBTREES_AT_ONCE);
      for (const subtree of subtrees.slice(first, first + SUBTREES_AT_ONCE)) this.#walkOne(subtree);
      return "more";
    }
    if (Atomics.load(control, SUBTREES_DONE) < subtrees.length) return "wait";
    return this.#scanOne() ? "more" : "done";
  }

  #walkOne(subtree: Subtree): void {
    const { control } = this.#task;
    const tally = this.#examined.findings.tallies[subtree.table]!;
    const before = tally.branchPages;
    this.#walk.walk(subtree);
    Atomics.add(control, BRANCHES_DONE, tally.branchPages - before);
    Atomics.add(control, SUBTREES_DONE, 1);
    Atomics.notify(control, SUBTREES_DONE);
  }

  #scanOne(): boolean {
    const { control, sharePages } = this.#task;
    const { pages } = this.#examined.marks;
    const from = Atomics.add(control, NEXT_SHARE, 1) * sharePages;
    if (from >= pages) return false;
    const end = Math.min(from + sharePages, pages);
    this.#scan.scan(from, end);
    Atomics.add(control, PAGES_DONE, end - from);
    return true;
  }
}

/** Each has some 75 branch pages: together about as long as a share takes. */
const SUBTREES_AT_ONCE = 8;
/** Shares for each thread, so that all end at about the same time. */
const SHARES_EACH = 8;
const MIN_SHARE_BYTES = 1 << 20;
/** Long enough for a disk to read ahead, and for a turn of the event loop after each not to count. */
const MAX_SHARE_BYTES = 32 << 20;
