// The job of `nano-snap get`, from the authority's key to a file on disk.

import { OperationFailed } from "../errors.ts";
import type { Report } from "../events.ts";
import { DataDir } from "./data_dir.ts";
import type { Machine } from "./machine.ts";
import type { GetOptions, GetResult } from "./options.ts";

// deno-lint-ignore require-await
export async function get(
  options: GetOptions,
  machine: Machine,
  _report: Report,
  _signal: AbortSignal,
): Promise<GetResult> {
  using _dir = DataDir.open(options.dataDir, machine.files, { role: "get", ...machine });
  throw new OperationFailed("Cannot get a snapshot: this build has no downloader");
}
