// Whether an LMDB file is sound, from its first page to its last: the contract, for whoever asks. Who implements it
// decides how many cores work at it.

import type { Problem } from "./findings.ts";

/** What is to be examined. */
export interface ExaminationJob {
  readonly path: string;
  /**
   * "all" for the whole structure. Otherwise these tables only, for the sums that their values give: what else is in the
   * file is not looked at.
   */
  readonly tables: "all" | readonly string[];
  readonly signal: AbortSignal;
  /** Called now and then. First the trees' branches are gone through, then all pages in the file's order. */
  readonly onProgress: (progress: ExaminationProgress) => void;
}

/** How far an examination is. */
export interface ExaminationProgress {
  readonly stage: "branches" | "pages";
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** A table as it was found to be: not what its record says. */
export interface ExaminedTable {
  readonly name: string;
  readonly entries: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly problems: number;
}

/** What an examination found. */
export interface Examination {
  readonly pageSize: number;
  /** Pages that the file claims, and those of them that it holds. */
  readonly claimedPages: number;
  readonly pages: number;
  /** Named tables in the order of their names. */
  readonly tables: readonly ExaminedTable[];
  /** Pages on the free list; undefined when only some tables were asked for. */
  readonly freePages: number | undefined;
  /** Pages that are neither in use nor free: lost room, which harms no reader. undefined as above, or with any problem. */
  readonly lostPages: number | undefined;
  /** The first of them; see MAX_PROBLEMS. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** Sum of the accounts' block counts; undefined when the table was not gone through or has values of another shape. */
  readonly accountBlocks: number | undefined;
  /** Sum of the confirmation heights: blocks that are cemented. undefined as above. */
  readonly cementedCount: number | undefined;
}

/** Examines ledgers. */
export interface LedgerExaminer {
  /**
   * @throws {VerificationFailed} When it is no LMDB file, or not even its beginnings can be read.
   * @throws {OperationFailed} When it was written to meanwhile, or there is not enough memory.
   * @throws {PathUnusable} @throws The signal's reason when it aborts.
   */
  examine(job: ExaminationJob): Promise<Examination>;
}
