// Examines a ledger: one thread's way through it, and the sum of what any number of them found. Two passes, because a
// page does not say which table it is of, and because a file is read fastest from its begin to its end:
//
//   plan -> walk subtrees, which marks their leaves -> (all of them done) -> scan shares of the file -> conclude
//
// The pool of Workers is lib/io/ledger_client.ts.

import { OperationFailed } from "../errors.ts";
import type { Files, OpenFile } from "../ports.ts";
import { nextTurn } from "../turn.ts";
import { FREE_LIST, MAIN } from "./examined_file.ts";
import type { Examination, ExaminationJob, ExaminationProgress, LedgerExaminer } from "./examination.ts";
import { addFindings, type Tally } from "./findings.ts";
import { type DbRecord, LmdbPages } from "./lmdb_pages.ts";
import { type Plan, planExamination } from "./plan.ts";
import { BRANCHES_DONE, CONTROL_WORDS, ExaminingThread, PAGES_DONE, taskOf } from "./thread.ts";

/** Examines where it is called; the event loop gets its turn after every step. */
export class InlineExaminer implements LedgerExaminer {
  constructor(readonly files: Files) {}

  async examine({ path, tables, signal, onProgress }: ExaminationJob): Promise<Examination> {
    signal.throwIfAborted();
    const file = this.files.open(path, "read");
    try {
      const plan = planExamination(file, tables);
      const control = new Int32Array(new SharedArrayBuffer(4 * CONTROL_WORDS));
      const thread = new ExaminingThread(file, taskOf(plan, 1, control));
      while (thread.step() === "more") {
        onProgress(progressOf(plan, control));
        await nextTurn();
        signal.throwIfAborted();
      }
      addFindings(plan.examined.findings, thread.findings);
      return conclude(file, plan);
    } finally {
      file.close();
    }
  }
}

/** How far all threads have come. */
export function progressOf({ examined }: Plan, control: Int32Array): ExaminationProgress {
  const { tables, marks, meta: { pageSize }, findings } = examined;
  const scanned = Atomics.load(control, PAGES_DONE);
  if (scanned > 0) {
    return { stage: "pages", doneBytes: scanned * pageSize, totalBytes: marks.pages * pageSize };
  }
  const planned = findings.tallies.reduce((sum, { branchPages }) => sum + branchPages, 0);
  const walked = planned + Atomics.load(control, BRANCHES_DONE);
  // What records claim may be anything.
  const claimed = Math.min(tables.reduce((sum, { record }) => sum + record.branchPages, 0), marks.pages);
  return {
    stage: "branches",
    doneBytes: Math.min(walked, claimed) * pageSize,
    totalBytes: claimed * pageSize,
  };
}

/**
 * Adds up what was found.
 *
 * @param plan With every thread's findings in its own.
 * @throws {OperationFailed} When the file has been written to since it was planned.
 */
export function conclude(file: OpenFile, { examined, freePages }: Plan): Examination {
  const { meta, tables, marks, findings } = examined;
  if (new LmdbPages(file).meta.transaction !== meta.transaction) {
    throw new OperationFailed(
      `Cannot check ${file.path}: it was written to meanwhile; stop the node, or check a copy`,
    );
  }
  const isWhole = freePages !== undefined;
  for (const [table, { record }] of tables.entries()) {
    const tally = findings.tallies[table]!;
    // With other problems pages are missing: then its counts say nothing new.
    if (tally.problems > 0 || (table === FREE_LIST && !isWhole)) continue;
    for (const text of miscounts(record, tally)) examined.problem(table, undefined, text);
  }
  const { tallies } = findings;
  const sumOf = (name: string) => {
    const tally = tallies.find((_, table) => table > MAIN && tables[table]!.name === name);
    return tally?.problems === 0 && Number.isSafeInteger(tally.sum) ? tally.sum : undefined;
  };
  const problemCount = tallies.reduce((sum, { problems }) => sum + problems, 0);
  return {
    pageSize: meta.pageSize,
    claimedPages: meta.lastPage + 1,
    pages: marks.pages,
    tables: tables.map(({ name, record: { depth } }, table) => {
      const { sum: _, ...counts } = tallies[table]!;
      return { name, depth, ...counts };
    }).slice(MAIN + 1),
    freePages,
    lostPages: isWhole && problemCount === 0 ? marks.countUnreached() : undefined,
    problems: findings.problems,
    problemCount,
    accountBlocks: sumOf("accounts"),
    cementedCount: sumOf("confirmation_height"),
  };
}

function miscounts(record: DbRecord, tally: Tally): string[] {
  const pairs: [what: string, claimed: number, found: number][] = [
    ["entries", record.entries, tally.entries],
    ["branch pages", record.branchPages, tally.branchPages],
    ["leaf pages", record.leafPages, tally.leafPages],
    ["overflow pages", record.overflowPages, tally.overflowPages],
  ];
  return pairs.filter(([, claimed, found]) => claimed !== found)
    .map(([what, claimed, found]) => `its record counts ${claimed} ${what}, there are ${found}`);
}
