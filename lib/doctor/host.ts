// The machine itself: room, rights, clock, C library, and what a container is allowed.

import { dirname, join } from "node:path";
import { BUILD } from "../about.ts";
import { parseUtf8 } from "../bytes.ts";
import { SnapError } from "../errors.ts";
import { formatBytes, formatSeconds } from "../format.ts";
import { DataPaths } from "../mirror/data_dir.ts";
import type { Clock, Files, Programs } from "../ports.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

/** Room for the live network's archive and ledger where the data directory is, or will be. */
export function lookAtSpace(files: Files, dataDir: string): Finding {
  const free = files.freeBytes(dataDir);
  const text = `${formatBytes(free)} are free for ${dataDir}`;
  if (free < LEAST_BYTES) return fail("space", text, "make room, or name another disk with --data-dir");
  if (free >= FULL_BYTES) return ok("space", text);
  const needs = `the live network's snapshot takes about ${formatBytes(FULL_BYTES)}`;
  return free >= LOW_DISK_BYTES
    ? warn("space", `${text}; ${needs}`, `get --low-disk does with ${formatBytes(LOW_DISK_BYTES)}`)
    : warn(
      "space",
      `${text}; ${needs}, with --low-disk ${formatBytes(LOW_DISK_BYTES)}`,
      "make room, or name another disk with --data-dir; smaller streams may fit",
    );
}

/** Whether files can be made there: mode bits say little, a file that could be made is proof. It goes at once. */
export function lookAtRights(files: Files, dataDir: string): Finding {
  let folder = dataDir;
  try {
    // What an earlier run made as another user may not be ours to write to, though the folder around it is.
    for (const path of [new DataPaths(dataDir).own, dataDir]) {
      folder = nearest(files, path);
      const probe = join(folder, ".nano-snap-doctor");
      files.remove(probe);
      files.writeNew(probe, new Uint8Array());
      files.remove(probe);
    }
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    return fail(
      "permissions",
      `files cannot be made in ${folder}: ${error.message}`,
      "give the folder to this user (chown), or name another with --data-dir",
    );
  }
  const isThere = folder === dataDir;
  return ok("permissions", isThere ? `${dataDir} can be written` : `${dataDir} can be made in ${folder}`);
}

/**
 * No server is asked for the time. A clock that is behind the making of this program, or behind what was written here, is
 * wrong for certain; one that is ahead cannot be told.
 */
export function lookAtClock(files: Files, clock: Clock, dataDir: string): Finding {
  const nowMs = clock.unixMs();
  const now = new Date(nowMs).toISOString();
  const builtMs = Date.parse(BUILD?.date ?? "");
  const remedy = "set the clock: timedatectl set-ntp true";
  if (builtMs > nowMs + CLOCK_SLACK_MS) {
    return fail("clock", `it says ${now}, before this program was made (${BUILD?.date})`, remedy);
  }
  const paths = new DataPaths(dataDir);
  for (const path of [paths.mirrorState, paths.snapshotMeta, paths.installed, paths.trust]) {
    const aheadMs = (writtenMs(files, path) ?? 0) - nowMs;
    if (aheadMs > CLOCK_SLACK_MS) {
      const text = `it says ${now}, ${formatSeconds(aheadMs / 1000)} before ${path} was written`;
      return warn("clock", text, remedy);
    }
  }
  return ok("clock", `it says ${now}, which nothing here contradicts; no server was asked`);
}

/** @returns undefined on other systems than Linux. */
export async function lookAtLibrary(
  programs: Programs,
  target: string,
  signal: AbortSignal,
): Promise<Finding | undefined> {
  if (!target.includes("linux")) return undefined;
  const remedy = `use a system, or a container of one, that has glibc ${MIN_GLIBC.join(".")} or newer`;
  const version = await glibcVersion(programs, signal);
  if (version === undefined) return warn("glibc", "its version cannot be told: there is no getconf", remedy);
  const [major, minor] = version;
  const text = `glibc ${major}.${minor}`;
  const isOld = major < MIN_GLIBC[0] || (major === MIN_GLIBC[0] && minor < MIN_GLIBC[1]);
  return isOld ? fail("glibc", `${text} is too old`, remedy) : ok("glibc", text);
}

/** What a container or a service is allowed; undefined when it is all of the machine. */
export function lookAtLimits(files: Files, root = "/sys/fs/cgroup"): Finding {
  const memory = numberIn(files, join(root, "memory.max")) ??
    numberIn(files, join(root, "memory", "memory.limit_in_bytes"));
  const [quota, period] = (textOf(files, join(root, "cpu.max")) ?? "").split(" ").map(Number);
  const cores = quota !== undefined && period !== undefined && quota > 0 ? quota / period : undefined;
  const parts = [
    ...(memory !== undefined && memory < NO_LIMIT_BYTES ? [`${formatBytes(memory)} of memory`] : []),
    ...(cores !== undefined ? [`${cores.toFixed(1)} cores`] : []),
  ];
  if (parts.length === 0) return ok("limits", "no container or service limit on memory or processor");
  const text = `limited to ${parts.join(" and ")}`;
  if (memory !== undefined && memory < LEAST_MEMORY_BYTES) {
    return fail("limits", text, `allow at least ${formatBytes(GOOD_MEMORY_BYTES)} of memory`);
  }
  if (memory !== undefined && memory < GOOD_MEMORY_BYTES) {
    return warn("limits", text, `${formatBytes(GOOD_MEMORY_BYTES)} of memory leave room for unpacking`);
  }
  if (memory !== undefined && memory < INSTALL_MEMORY_BYTES) {
    const remedy = `get --install and verify look at a whole ledger in ${formatBytes(INSTALL_MEMORY_BYTES)}`;
    return warn("limits", text, `${remedy}; get --extract does with this`);
  }
  if (cores !== undefined && cores < 1) {
    return warn("limits", text, "unpacking takes one core for more than an hour: allow one");
  }
  return ok("limits", text);
}

async function glibcVersion(programs: Programs, signal: AbortSignal): Promise<[number, number] | undefined> {
  const getconf = programs.find("getconf");
  if (getconf === undefined) return undefined;
  let text = "";
  try {
    await programs.run(getconf, ["GNU_LIBC_VERSION"], { signal, onOutput: (more) => text += more });
  } catch (error) {
    if (!(error instanceof SnapError) || signal.aborted) throw error;
  }
  const match = /glibc (\d+)\.(\d+)/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

function nearest(files: Files, path: string): string {
  return files.stat(path) !== undefined || dirname(path) === path ? path : nearest(files, dirname(path));
}

/** undefined when nothing is there, or it is not ours to look at. */
function writtenMs(files: Files, path: string): number | undefined {
  try {
    return files.stat(path)?.mtimeMs;
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    return undefined;
  }
}

function numberIn(files: Files, path: string): number | undefined {
  const value = Number(textOf(files, path) || Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}

function textOf(files: Files, path: string): string | undefined {
  try {
    return parseUtf8(files.read(path, MAX_LIMIT_BYTES) ?? new Uint8Array())?.trim();
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    return undefined;
  }
}

/** The live network's, 2026: archive and ledger together, the ledger with the little that --low-disk takes besides. */
const FULL_BYTES = 182e9;
const LOW_DISK_BYTES = 122e9;
/** Less is too little for anything. */
const LEAST_BYTES = 1e9;
const CLOCK_SLACK_MS = 120_000;
/** As install.sh. */
const MIN_GLIBC = [2, 27] as const;
/** Of a run: 200 MB and the decoder's 80. */
const LEAST_MEMORY_BYTES = 256e6;
const GOOD_MEMORY_BYTES = 512e6;
/** The check of the live network's ledger has 16 bytes for each of its 30 million pages. */
const INSTALL_MEMORY_BYTES = 800e6;
/** Control groups of version 1 say "no limit" by a number of this size. */
const NO_LIMIT_BYTES = 1e18;
const MAX_LIMIT_BYTES = 1000;
