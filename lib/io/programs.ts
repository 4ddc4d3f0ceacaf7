// Other programs: finding them on PATH, and running one to its end without a shell.

import { statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { kill } from "node:process";
import { OperationFailed } from "../errors.ts";
import type { Programs } from "../ports.ts";
import { findHolders } from "./holders.ts";
import { takeStartLock } from "./start_lock.ts";
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

  holders: findHolders,

  startLock: takeStartLock,

  holdersOf(paths) {
    return findHolders(paths)?.map(({ pid, name }) => {
      if (pid === undefined) return "a process that cannot be seen";
      return `process ${pid}${name === "" ? "" : ` (${name})`}`;
    });
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

/** Why a program failed stands at the end of what it says. */
const MAX_STDERR_CHARACTERS = 4000;

/** Ours without the producer's key, which is nobody else's business. */
function environment(): Record<string, string> {
  const { DHT_PRIVATE_KEY: _, ...others } = Deno.env.toObject();
  return others;
}
