// Which compiler makes a program, and from where its runtime comes: Deno's own download, or a runtime that is already
// here. The second is for machines without a way to the download; such a runtime may be older than the compiler.

import { join } from "node:path";

/** Turns a script into a program. */
export interface Toolchain {
  /** For people: "Deno 2.9.6 and its own runtime". */
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The runtime of releases. */
export const DENO_VERSION = "2.9.6";
/** The newest compiler that makes programs which the older runtime can read. */
const OLDER_COMPILER = "deno@2.8.3";
const OFFLINE_TARGET = "x86_64-unknown-linux-gnu";

/** @param root Of the repository. @param target What the program is for. */
export function chooseToolchain(root: string, target: string): Toolchain {
  const runtime = target === OFFLINE_TARGET && Deno.build.target === target ? runtimeHere(root) : undefined;
  if (runtime !== undefined) {
    return {
      name: `${OLDER_COMPILER} and the runtime ${runtime}`,
      command: ["npx", "-y", OLDER_COMPILER],
      env: { DENORT_BIN: runtime },
    };
  }
  const warning = Deno.version.deno === DENO_VERSION ? "" : ` (releases are made with ${DENO_VERSION})`;
  return {
    name: `Deno ${Deno.version.deno}${warning} and its own runtime`,
    command: [Deno.execPath()],
    env: {},
  };
}

/** NANO_SNAP_DENORT names one; otherwise a program beside the repository may know one, and prints its path. */
function runtimeHere(root: string): string | undefined {
  const named = Deno.env.get("NANO_SNAP_DENORT") ?? "";
  if (named !== "") return named;
  for (const folder of [root, repositoryOf(root)]) {
    if (folder === undefined) continue;
    const path = say(join(folder, "..", "shared", "tools", "denort"));
    if (path !== undefined) return path;
  }
  return undefined;
}

/** The folder of the first work tree, of which this may be another one. */
function repositoryOf(root: string): string | undefined {
  const folder = say("git", "-C", root, "rev-parse", "--path-format=absolute", "--git-common-dir");
  return folder === undefined ? undefined : join(folder, "..");
}

function say(program: string, ...args: string[]): string | undefined {
  try {
    const { success, stdout } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}
