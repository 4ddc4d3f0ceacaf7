// What a verification is made of: one line for each thing that was looked at, and what it came to.

import type { Problem } from "../ledger/findings.ts";

/** "bad" decides the verdict; a warning does not. */
export type CheckResult = "good" | "warning" | "bad";

/** One thing that was looked at, and what it came to. */
export interface Check {
  /** The file or folder that it is about. */
  readonly path: string;
  /** pointer: who signed for it. pieces: its bytes against a torrent. archive: whether it unpacks. structure: an LMDB
   * file's pages. ledger: what is in them. record: whether it is as an earlier run left it. */
  readonly check: "pointer" | "pieces" | "archive" | "structure" | "ledger" | "record";
  readonly result: CheckResult;
  /** A sentence. */
  readonly detail: string;
  /** Only of "pieces": where a file differs; the first of them. */
  readonly ranges?: readonly DifferingRange[];
  /** Only of "structure": the first of them. */
  readonly problems?: readonly Problem[];
}

/** Bytes [begin, end) of a file, in pieces that are not the torrent's. */
export interface DifferingRange {
  readonly path: string;
  readonly begin: number;
  readonly end: number;
  readonly firstPiece: number;
  readonly lastPiece: number;
}
