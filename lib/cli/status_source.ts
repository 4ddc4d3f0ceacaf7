// Where `status` and `health` learn of a run: from the directory that it holds, or from its metrics address.

import type { Command } from "commander";
import { join } from "node:path";
import { parseUtf8 } from "../bytes.ts";
import { OperationFailed, UsageError } from "../errors.ts";
import { isJsonObject } from "../json_file.ts";
import type { Look } from "../status/health.ts";
import { parseStatus, type RunStatus } from "../status/run_status.ts";
import type { CliContext } from "./context.ts";
import { type Inputs, readDataDir } from "./options.ts";
import { refused } from "./values.ts";

/** A status as it was read a moment ago. */
export interface Seen {
  readonly status: RunStatus;
  readonly look: Look;
}

/** Adds the two ways to name a run. */
export function addSourceOptions(command: Command): Command {
  return command
    .option(
      "--data-dir <dir>",
      "the run that has this directory; a producer's is its --output-dir (env DATA_DIR; default: ./nano-data)",
    )
    .option("--url <url>", "the run whose metrics are here, http://HOST:PORT");
}

/**
 * Reads what the named run says of itself.
 *
 * @throws {OperationFailed} When there is no such run, or it says nothing that can be understood.
 * @throws {PathUnusable} When the file cannot be read. @throws {UsageError}
 */
export async function readSeen(inputs: Inputs, context: CliContext): Promise<Seen> {
  const url = inputs.text("--url");
  if (url === undefined) return await readFile(readDataDir(inputs), context);
  if (inputs.text("--data-dir") !== undefined) {
    throw new UsageError("--data-dir and --url exclude each other");
  }
  const parsed = URL.parse(url.text);
  if (parsed?.protocol !== "http:" && parsed?.protocol !== "https:") {
    throw refused(url, "an http or https URL");
  }
  return await readUrl(new URL("/status", parsed), context);
}

async function readFile(dataDir: string, context: CliContext): Promise<Seen> {
  const { files, programs, hostName } = await context.machine();
  const path = join(dataDir, ".nano-snap", "status.json");
  const bytes = files.read(path, MAX_STATUS_BYTES);
  if (bytes === undefined) {
    throw new OperationFailed(`Nothing has run in ${dataDir} yet: there is no ${path}`);
  }
  const status = parse(parseUtf8(bytes), path);
  const isHere = status.hostName === hostName;
  const isAlive = isHere ? programs.isRunning(status.pid) : undefined;
  return { status, look: { nowUnixMs: context.clock.unixMs(), isAlive } };
}

async function readUrl(url: URL, context: CliContext): Promise<Seen> {
  const { http } = await context.machine();
  const { status: code, body } = await http.get(url.href, {
    timeoutMs: URL_TIMEOUT_MS,
    maxBytes: MAX_STATUS_BYTES,
    signal: context.signal,
  });
  if (code !== 200) throw new OperationFailed(`Cannot read ${url.href}: the server says ${code}`);
  const status = parse(parseUtf8(body), url.href);
  // It answered: that is fresher than any time in it, and its clock is not ours.
  return { status, look: { nowUnixMs: status.updatedUnixMs, isAlive: true } };
}

function parse(text: string | undefined, where: string): RunStatus {
  try {
    const json: unknown = JSON.parse(text ?? "");
    const status = isJsonObject(json) ? parseStatus(json) : undefined;
    if (status !== undefined) return status;
  } catch {
    // Told below.
  }
  throw new OperationFailed(`Cannot understand ${where}: it is not the status of a run`);
}

/** Ours are below 2 KiB. */
const MAX_STATUS_BYTES = 64 << 10;
/** A health check is given 30 s by default, and this is a local call mostly. */
const URL_TIMEOUT_MS = 5_000;
