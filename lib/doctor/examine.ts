// All that `doctor` looks at, in the order in which it is told.

import { join } from "node:path";
import { parseUtf8 } from "../bytes.ts";
import { SnapError } from "../errors.ts";
import { isJsonObject } from "../json_file.ts";
import type { LineMachine } from "../line/machine.ts";
import { DataPaths } from "../mirror/data_dir.ts";
import type { Access, Endpoint, Files, Programs } from "../ports.ts";
import { parseStatus } from "../status/run_status.ts";
import type { Finding } from "./finding.ts";
import { lookAtClock, lookAtLibrary, lookAtLimits, lookAtRights, lookAtSpace } from "./host.ts";
import { lookAtNetwork } from "./network.ts";
import { lookAtNode } from "./node.ts";

export interface ExamineOptions {
  readonly dataDir: string;
  readonly port: number;
  readonly bind: readonly string[];
  readonly bootstrap: readonly Endpoint[] | undefined;
  readonly isDhtEnabled: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** "x86_64-unknown-linux-gnu". */
  readonly target: string;
}

export interface ExamineMachine extends LineMachine {
  readonly access: Access;
  readonly programs: Programs;
  readonly hostName: string;
}

/** Looks at everything. Nothing is changed but one probe file, which goes at once. */
export async function examine(
  { dataDir, env, target, ...network }: ExamineOptions,
  machine: ExamineMachine,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { files, access, clock, programs } = machine;
  const library = await lookAtLibrary(programs, target, signal);
  return [
    lookAtSpace(files, dataDir),
    lookAtRights(files, dataDir),
    ...await lookAtNetwork(machine, {
      ...network,
      dhtCache: new DataPaths(dataDir).dht,
      run: runOf(files, dataDir, machine),
      signal,
    }),
    lookAtClock(files, clock, dataDir),
    ...(library === undefined ? [] : [library]),
    ...await lookAtNode({ files, env, target, access, programs, clock, signal }),
    lookAtLimits(files),
  ];
}

/** The run that has the data directory now. */
function runOf(
  files: Files,
  dataDir: string,
  { programs, hostName }: Pick<ExamineMachine, "programs" | "hostName">,
): { readonly isReachable: boolean | undefined } | undefined {
  try {
    const bytes = files.read(join(dataDir, ".nano-snap", "status.json"), MAX_STATUS_BYTES);
    const json: unknown = JSON.parse(parseUtf8(bytes ?? new Uint8Array()) ?? "");
    const status = isJsonObject(json) ? parseStatus(json) : undefined;
    if (status === undefined || status.hostName !== hostName || !programs.isRunning(status.pid)) {
      return undefined;
    }
    return { isReachable: status.isReachable };
  } catch (error) {
    // Not ours to read: that is told with the rights.
    if (!(error instanceof SyntaxError || error instanceof SnapError)) throw error;
    return undefined;
  }
}

const MAX_STATUS_BYTES = 1 << 20;
