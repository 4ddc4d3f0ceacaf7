// The whole program for tests that only read it, and its words against no machine at all.

import { makeProgram, runCli } from "../../lib/cli/program.ts";
import type { CliContext } from "../../lib/cli/context.ts";
import { type CommandNode, treeOf } from "../../lib/cli/command_tree.ts";
import { PathUnusable } from "../../lib/errors.ts";
import { notOnWindows } from "../windows.ts";

/** A context without anything behind it, except what is given; what is said ends up in `heard`. */
export function emptyContext(
  heard = { stdout: "", stderr: "" },
  given: Partial<CliContext> = {},
): CliContext {
  return {
    env: {},
    stdout: (text) => heard.stdout += text,
    stderr: (text) => heard.stderr += text,
    stderrIsTerminal: false,
    onHangup: () => {},
    columns: () => 80,
    clock: { nowMs: () => 0, unixMs: () => 0, sleep: () => Promise.resolve() },
    machine: () => Promise.reject(new PathUnusable("Cannot use this machine: it is a test")),
    signal: new AbortController().signal,
    runtime: "deno 0.0.0",
    v8: "1.1",
    target: "test",
    ...given,
  };
}

export async function wholeTree(): Promise<CommandNode> {
  return treeOf(await makeProgram(emptyContext()));
}

/** What these words write to stdout. They must end well. */
export async function written(...words: string[]): Promise<string> {
  const heard = { stdout: "", stderr: "" };
  const exitCode = await runCli(words, emptyContext(heard));
  if (exitCode !== 0) throw new Error(`exit ${exitCode}: ${heard.stderr}`);
  return heard.stdout;
}

/** Whether a program is installed. */
export async function isHere(program: string): Promise<boolean> {
  if (notOnWindows("its shells are others")) return false;
  try {
    const { success } = await new Deno.Command(program, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    })
      .output();
    return success;
  } catch {
    return false;
  }
}

/** Runs a program with a text on stdin, in an environment of its own. */
export async function pipe(program: string, args: string[], stdin = "", env: Record<string, string> = {}) {
  const child = new Deno.Command(program, {
    args,
    env: { PATH: Deno.env.get("PATH") ?? "", ...env },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}
