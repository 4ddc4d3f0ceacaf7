// All of the machine that a mirror uses, in one value: main.ts builds the real one, tests build theirs.

import type { Extractor } from "../extract/extractor.ts";
import type { PieceChecker } from "../torrent/piece_checker.ts";
import type { Clock, Files, HttpClient, Net, Random } from "../ports.ts";

/** lib/io/machine.ts has the real one. */
export interface Machine {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly net: Net;
  readonly http: HttpClient;
  readonly extractor: Extractor;
  readonly checker: PieceChecker;
  /** What we call ourselves to peers: "nano-snap 0.1.0". */
  readonly client: string;
  /** This process's number, for whoever looks for it. */
  readonly pid: number;
}
