// Who has a file open or locked. Linux tells by /proc, where only root sees other users' open files but everybody sees
// locks, and by the lock itself, which shows processes of other containers too: LMDB keeps its lock file locked for as
// long as an environment is open. macOS has lsof. Windows tells by refusing to open the file for us alone.

import type { Holder } from "../ports.ts";
import { identityOf } from "./file_identity.ts";
import { isRecordLocked } from "./record_locks.ts";

/**
 * Every process but ours that has one of these files open or locked.
 *
 * @returns undefined where the system does not tell.
 */
export function findHolders(paths: readonly string[]): Holder[] | undefined {
  const there = paths.filter((path) => identityOf(path) !== undefined);
  if (there.length === 0) return [];
  switch (Deno.build.os) {
    case "linux":
      return ofLinux(there);
    case "darwin":
      return ofLsof(run("lsof", ["-n", "-P", "-F", "pc", "--", ...there]));
    case "windows":
      return ofExclusiveOpen(
        run("powershell", ["-NoProfile", "-NonInteractive", "-Command", EXCLUSIVE_OPEN], {
          NANO_SNAP_PATHS: there.join("|"),
        }),
      );
    default:
      return undefined;
  }
}

/** How a program that was asked ended. undefined when it could not be asked. */
export interface Asked {
  readonly code: number;
  readonly stdout: string;
}

/** What `lsof -F pc` says: lines of p and a number, c and a name. It ends with 1 when nobody has the files. */
export function ofLsof(asked: Asked | undefined): Holder[] | undefined {
  if (asked === undefined || asked.code > 1) return undefined;
  const holders: Holder[] = [];
  for (const block of asked.stdout.split(/^p/m).slice(1)) {
    const pid = Number.parseInt(block);
    const name = /^c(.*)$/m.exec(block)?.[1] ?? "";
    if (Number.isInteger(pid) && pid !== Deno.pid) holders.push({ pid, name, cgroup: "" });
  }
  return holders;
}

/** 0: it opened for us alone. 3: somebody else has it. Anything else is no answer. */
export function ofExclusiveOpen(asked: Asked | undefined): Holder[] | undefined {
  if (asked?.code === 0) return [];
  return asked?.code === 3 ? [{ pid: undefined, name: "", cgroup: "" }] : undefined;
}

function ofLinux(paths: readonly string[]): Holder[] | undefined {
  const wanted = new Set(paths.map(identityOf).filter((identity) => identity !== undefined));
  const found = new Map<number, Holder>();
  try {
    for (const pid of lockersIn(Deno.readTextFileSync("/proc/locks"), wanted)) {
      if (pid !== Deno.pid) found.set(pid, holder(pid));
    }
    for (const entry of Deno.readDirSync("/proc")) {
      const pid = Number(entry.name);
      if (Number.isInteger(pid) && pid !== Deno.pid && hasOpen(pid, wanted)) found.set(pid, holder(pid));
    }
  } catch {
    return undefined;
  }
  if (found.size === 0 && paths.some((path) => isRecordLocked(path) === true)) found.set(0, holder(0));
  return [...found.values()];
}

/**
 * Processes with a lock on one of the files, by the kernel's list; 0 for those outside of our container, which the kernel
 * does not number. Filesystems without a block device of their own may give `stat` another device than they give that list:
 * of such files only the inode is compared.
 *
 * @param wanted Devices and inodes, as `stat` tells them.
 */
export function lockersIn(list: string, wanted: Iterable<string>): number[] {
  const files = new Set([...wanted].map(nameInLocks));
  return list.split("\n").flatMap((line) => {
    const match = /(\S+) +([0-9a-f]+:[0-9a-f]+):(\d+) +\d+ +\S+$/.exec(line);
    if (match === null) return [];
    const [, pid, device = "", inode] = match;
    return files.has(`${device.startsWith("00:") ? "" : device}:${inode}`) ? [Math.max(0, Number(pid))] : [];
  });
}

/** As `lockersIn` looks for it: "08:01:1234", or ":1234" on a device without a major number. */
function nameInLocks(identity: string): string {
  const [device = "", inode] = identity.split(":");
  const number = BigInt(device);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn);
  const minor = (number & 0xffn) | ((number >> 12n) & ~0xffn);
  const hex = (part: bigint) => part.toString(16).padStart(2, "0");
  return `${major === 0n ? "" : `${hex(major)}:${hex(minor)}`}:${inode}`;
}

/** Other users' processes keep what they have open to themselves. */
function hasOpen(pid: number, wanted: ReadonlySet<string>): boolean {
  for (const folder of [`/proc/${pid}/fd`, `/proc/${pid}/map_files`]) {
    try {
      for (const entry of Deno.readDirSync(folder)) {
        const identity = identityOf(`${folder}/${entry.name}`);
        if (identity !== undefined && wanted.has(identity)) return true;
      }
    } catch {
      // Gone meanwhile, or not ours to see.
    }
  }
  return false;
}

function holder(pid: number): Holder {
  if (pid === 0) return { pid: undefined, name: "", cgroup: "" };
  return { pid, name: read(`/proc/${pid}/comm`), cgroup: read(`/proc/${pid}/cgroup`) };
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return "";
  }
}

function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Asked | undefined {
  try {
    const { code, stdout } = new Deno.Command(program, { args: [...args], env, stderr: "null" }).outputSync();
    return { code, stdout: new TextDecoder().decode(stdout) };
  } catch {
    return undefined;
  }
}

/** A sharing violation (0x80070020) is somebody else; no right to open it, for example, tells nothing. */
const EXCLUSIVE_OPEN = `foreach ($path in $env:NANO_SNAP_PATHS.Split('|')) {
  try { [IO.File]::Open($path, 'Open', 'ReadWrite', 'None').Close() }
  catch { if ($_.Exception.InnerException.HResult -eq -2147024864) { exit 3 } else { exit 4 } }
}
exit 0`;
