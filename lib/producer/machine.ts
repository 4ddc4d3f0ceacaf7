// All of the machine that a producer uses, in one value: main.ts builds the real one, tests build theirs.

import type { Clock, Files, Random } from "../ports.ts";
import type { FileHasher } from "./file_hasher.ts";

/** lib/io/machine.ts has the real one. */
export interface ProducerMachine {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly hasher: FileHasher;
  /** What we call ourselves: "nano-snap 0.1.0". */
  readonly client: string;
}
