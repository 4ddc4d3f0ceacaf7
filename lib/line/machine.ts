// All of the machine that a line and what is announced on it use.

import type { Clock, Files, HttpClient, HttpStreams, Net, Random, Surroundings } from "../ports.ts";

/** lib/io/machine.ts has the real one. */
export interface LineMachine {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly net: Net;
  /** Without it nobody nearby is looked for, and no router is asked for anything. */
  readonly surroundings?: Surroundings;
  readonly http: HttpClient & HttpStreams;
  /** What we call ourselves to peers: "nano-snap 0.1.0". */
  readonly client: string;
}
