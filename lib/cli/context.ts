// What a command is given besides its words: the machine, the two streams, and facts about both. main.ts makes the
// real one; a test makes its own and reads what was written.

import type { InspectMachine } from "../inspect/machine.ts";
import type { Machine } from "../mirror/machine.ts";
import type { InstallMachine } from "../mirror/node_place.ts";
import type { RunMachine } from "../producer/run.ts";
import type { Clock, OwnProgram, Programs } from "../ports.ts";
import type { WatchMachine } from "../status/watch.ts";

/** What any command may need of the machine. */
export interface CliMachine extends InstallMachine, RunMachine, WatchMachine, InspectMachine {
  readonly checker: Machine["checker"];
  readonly http: RunMachine["http"];
  readonly net: Machine["net"];
  readonly programs: Programs;
  readonly self: OwnProgram;
}

export interface CliContext {
  /** The environment's variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The result, and nothing else. */
  readonly stdout: (text: string) => void;
  /** Logs, progress, and why something failed. */
  readonly stderr: (text: string) => void;
  readonly stderrIsTerminal: boolean;
  /** Width of stderr's terminal now. */
  readonly columns: () => number;
  readonly clock: Clock;
  /** Made when a command needs it: `version` and `--help` load none of it. */
  readonly machine: () => Promise<CliMachine>;
  /** Aborts with an `Interrupted` when the user or the system wants the run to end. */
  readonly signal: AbortSignal;
  /** Calls this at each SIGHUP from now on; a program that never asked for it is ended by one. */
  readonly onHangup: (listener: () => void) => void;
  /** "deno 2.9.6", "15.0.245.2-rusty", and "x86_64-unknown-linux-gnu". */
  readonly runtime: string;
  readonly v8: string;
  readonly target: string;
}
