// A disk that is as small as a test wants it: what happens when it is full.

import assert from "node:assert/strict";
import { runProgram, say, within } from "./support.ts";

/** Only root may mount, and not in every container. */
export function cannotMount(): boolean {
  const folder = Deno.makeTempDirSync({ prefix: "nano-snap-mount-" });
  try {
    const mounted = new Deno.Command("mount", { args: mountArgs(folder, 1 << 20), stderr: "null" })
      .outputSync();
    if (mounted.success) new Deno.Command("umount", { args: [folder] }).outputSync();
    else say("interop: a test is skipped: no disk of its own, because this user may not mount a tmpfs");
    return !mounted.success;
  } catch {
    say("interop: a test is skipped: no disk of its own, because there is no mount command");
    return true;
  } finally {
    Deno.removeSync(folder);
  }
}

/** A file system in memory that takes so many bytes. */
export async function mountSmallDisk(folder: string, bytes: number): Promise<AsyncDisposable> {
  const { code, stderr } = await runProgram("mount", mountArgs(folder, bytes));
  assert.equal(code, 0, stderr);
  return {
    [Symbol.asyncDispose]: async () => {
      const { code, stderr } = await within(runProgram("umount", [folder]), 10_000, "umount");
      assert.equal(code, 0, stderr);
    },
  };
}

function mountArgs(folder: string, bytes: number): string[] {
  return ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder];
}
