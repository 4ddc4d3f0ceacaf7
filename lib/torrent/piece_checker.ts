// The contract of checking what lies on disk: pieces of some files against their hashes, and the good ones copied to
// other files if that is wanted. Who implements it decides how many cores work at it.

import type { Layout, PieceIndex } from "./layout.ts";

/** Some files and how a torrent cuts them. */
export interface PieceFiles {
  readonly layout: Layout;
  /** One per file of the layout, in its order. */
  readonly paths: readonly string[];
}

/** What is to be checked. */
export interface CheckJob {
  /** What is read. A file that is not there holds nothing. */
  readonly from: PieceFiles;
  /** What is looked at. */
  readonly pieces: readonly PieceIndex[];
  /** The hash of each, side by side and in the same order: 32 bytes, or 20 in a v1 torrent. */
  readonly hashes: Uint8Array;
  /**
   * Where the good ones are copied, each to the piece that stands at its place in `pieces`. The files are there. A
   * piece counts as good only when what was written has its hash too.
   */
  readonly to?: (PieceFiles & { readonly pieces: readonly PieceIndex[] }) | undefined;
  readonly signal: AbortSignal;
  /** Called soon after, for each piece once, in any order. What it throws ends the job. */
  readonly onVerdicts: (verdicts: Verdicts) => void;
}

/** Places in `CheckJob.pieces`. */
export interface Verdicts {
  readonly good: readonly number[];
  /** Also those that are not all there. */
  readonly bad: readonly number[];
}

/** Checks pieces on disk. */
export interface PieceChecker {
  /**
   * Resolves when every piece has its verdict. Nothing reads or writes the files any more once it has settled.
   *
   * @throws {NotEnoughSpace | PathUnusable | OperationFailed} @throws The signal's reason when it aborts.
   */
  check(job: CheckJob): Promise<void>;
}
