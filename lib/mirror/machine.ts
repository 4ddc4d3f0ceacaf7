// All of the machine that a mirror uses, in one value: main.ts builds the real one, tests build theirs.

import type { Extractor } from "../extract/extractor.ts";
import type { BlockMatchers } from "../torrent/block_matcher.ts";
import type { MillThreads } from "../torrent/block_sink.ts";
import type { PieceChecker } from "../torrent/piece_checker.ts";
import type { LineMachine } from "../line/machine.ts";

/** lib/io/machine.ts has the real one. */
export interface Machine extends LineMachine {
  readonly extractor: Extractor;
  readonly checker: PieceChecker;
  /** Threads that hash and write what comes; without them it is done where it comes in. */
  readonly mills?: MillThreads;
  /** Threads that look for blocks in older copies; without them only whole pieces are taken from those. */
  readonly matchers?: BlockMatchers;
  /** This process's number, for whoever looks for it. */
  readonly pid: number;
}
