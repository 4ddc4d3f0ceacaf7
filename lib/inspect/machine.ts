// All of the machine that looking at things takes.

import type { ArchiveTester } from "../extract/tester.ts";
import type { LedgerExaminer } from "../ledger/examination.ts";
import type { Clock, Files } from "../ports.ts";
import type { PieceChecker } from "../torrent/piece_checker.ts";

/** lib/io/machine.ts has the real one. */
export interface InspectMachine {
  readonly files: Files;
  readonly clock: Clock;
  readonly checker: PieceChecker;
  readonly examiner: LedgerExaminer;
  readonly tester: ArchiveTester;
}
