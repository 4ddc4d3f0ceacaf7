// Other programs: finding them on PATH, running one to its end without a shell, and seeing who has a file open. The last
// asks Linux's /proc, where only root sees other users' open files but everybody sees locks; LMDB locks its lock file
// for as long as an environment is open, so that a running node is seen either way.

import { statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { kill } from "node:process";
import { OperationFailed } from "../errors.ts";
import type { Programs } from "../ports.ts";
import { errnoOf, reasonOf } from "./os_error.ts";

export const systemPrograms: Programs = {
  find(...names) {
    const folders = (Deno.env.get("PATH") ?? "").split(delimiter).filter((folder) => folder !== "");
    const endings = Deno.build.os === "windows" ? [".exe"] : [""];
    const paths = names.flatMap((name) =>
      folders.flatMap((folder) => endings.map((ending) => join(folder, name + ending)))
    );
    return paths.find(isProgram);
  },

  async run(program, args, { cwd, env, signal, onOutput }) {
    signal.throwIfAborted();
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(program, {
        args: [...args],
        ...(cwd === undefined ? {} : { cwd }),
        clearEnv: true,
        env: { ...environment(), ...env },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    } catch (error) {
      throw new OperationFailed(`Cannot run ${program}: ${reasonOf(error)}`, { cause: error });
    }
    const kill = () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
    };
    signal.addEventListener("abort", kill);
    if (signal.aborted) kill();
    try {
      // What it started may keep its pipes open when it is gone: nobody waits for that after a kill.
      const [status, stderr] = await Promise.all([
        child.status,
        tailOf(child.stderr, signal),
        eachText(child.stdout, signal, onOutput ?? (() => {})),
      ]);
      signal.throwIfAborted();
      return { code: status.code, stderr };
    } catch (error) {
      if (!signal.aborted) throw error;
      await child.status;
      throw signal.reason;
    } finally {
      signal.removeEventListener("abort", kill);
    }
  },

  holdersOf(paths) {
    if (Deno.build.os !== "linux") return undefined;
    const wanted = new Set(paths.map(identityOf).filter((identity) => identity !== undefined));
    const found = new Map<number, string>();
    try {
      for (const pid of lockers(wanted)) found.set(pid, nameOf(pid));
      for (const entry of Deno.readDirSync("/proc")) {
        const pid = Number(entry.name);
        if (Number.isInteger(pid) && pid !== Deno.pid && hasOpen(pid, wanted)) found.set(pid, nameOf(pid));
      }
    } catch {
      return undefined;
    }
    return [...found].map(([pid, name]) =>
      pid > 0 ? `process ${pid}${name}` : "a process that cannot be seen"
    );
  },

  isRunning(pid) {
    try {
      kill(pid, 0);
      return true;
    } catch (error) {
      // Anything but "no such process" is somebody else's process.
      return errnoOf(error) !== "ESRCH";
    }
  },

  hangUp(pid) {
    try {
      Deno.kill(pid, "SIGHUP");
      return true;
    } catch {
      return false;
    }
  },
};

function isProgram(path: string): boolean {
  try {
    const stats = statSync(path);
    return stats.isFile() && (Deno.build.os === "windows" || (stats.mode & 0o111) !== 0);
  } catch {
    return false;
  }
}

async function eachText(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  take: (text: string) => void,
): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream(), { signal })) take(text);
}

async function tailOf(stream: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<string> {
  let tail = "";
  await eachText(stream, signal, (text) => tail = (tail + text).slice(-MAX_STDERR_CHARACTERS));
  return tail.trim();
}

/** Device and inode, whatever name leads there. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/**
 * Processes with a lock on one of the files; 0 for those outside of our container, which the kernel does not number.
 * By inode alone: some filesystems give `stat` another device than they give the kernel's list.
 */
function lockers(wanted: ReadonlySet<string>): number[] {
  const inodes = new Set([...wanted].map((identity) => identity.split(":")[1]));
  return Deno.readTextFileSync("/proc/locks").split("\n").flatMap((line) => {
    const match = /(\S+) +[0-9a-f]+:[0-9a-f]+:(\d+) +\d+ +\S+$/.exec(line);
    return match !== null && inodes.has(match[2]!) ? [Math.max(0, Number(match[1]))] : [];
  });
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

function nameOf(pid: number): string {
  try {
    return ` (${Deno.readTextFileSync(`/proc/${pid}/comm`).trim()})`;
  } catch {
    return "";
  }
}

/** Why a program failed stands at the end of what it says. */
const MAX_STDERR_CHARACTERS = 4000;

/** Ours without the producer's key, which is nobody else's business. */
function environment(): Record<string, string> {
  const { DHT_PRIVATE_KEY: _, ...others } = Deno.env.toObject();
  return others;
}
