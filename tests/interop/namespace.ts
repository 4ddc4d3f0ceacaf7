// Network namespaces of a test's own: machines that share a network nobody else is on. What is in one goes with it.

import { need, type Program, say, startProgram } from "./support.ts";

/** For `ignore`: what such a test needs, and a system that lets us have namespaces. */
export function needNamespace(...programs: Program[]): boolean {
  if (need("ip", ...programs)) return true;
  const { success } = new Deno.Command("unshare", { args: [...UNSHARE, "true"], stderr: "null" })
    .outputSync();
  if (!success) say("interop: a test is skipped: this system allows no network namespaces");
  return !success;
}

/**
 * Runs a shell script in a namespace without any network, as its root, to its end or the deadline.
 *
 * @returns What it wrote; it has ended well.
 */
export async function inNamespace(
  script: string,
  deadlineMs = 90_000,
): Promise<{ stdout: string; stderr: string }> {
  const inside = `set -e\nmount -t tmpfs none /run\nmkdir /run/netns\nip link set lo up\n${script}`;
  await using program = startProgram("unshare", [...UNSHARE, "sh", "-c", inside], { deadlineMs });
  const { code, stdout, stderr } = await program.finished();
  if (code !== 0) throw new Error(`the namespace's script ended with ${code}\n${stdout}\n${stderr}`);
  return { stdout, stderr };
}

/** Runs a file of this folder with our runtime, as words of such a script. */
export function scriptOf(name: string): string {
  return `'${Deno.execPath()}' run -A --no-check --quiet '${new URL(name, import.meta.url).pathname}'`;
}

/** All that was started goes when the first process does. */
const UNSHARE = ["--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
