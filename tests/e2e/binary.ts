// The program as users have it, compiled from this tree once, for all tests of one state of it: they lie in a folder for
// temporary files, by what they were made of, and go when nobody has used them for some hours.

import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, compile } from "../../deploy/build.ts";
import { hashOfSources, type StageOptions, type Stamp, stampOf } from "../../deploy/stage.ts";
import { chooseToolchain, type Toolchain } from "../../deploy/toolchain.ts";

export const ROOT = join(import.meta.dirname!, "..", "..");
const ENDING = Deno.build.os === "windows" ? ".exe" : "";

/** What the tests of it want to know. */
export interface TestBinary {
  readonly path: string;
  /** A program of one empty line by the same compiler: what the runtime alone takes. */
  readonly bare: string;
  readonly stamp: Stamp;
  readonly toolchain: Toolchain;
}

/** What a test may want otherwise than the tree has it. */
export type Variant = Omit<StageOptions, "stamp">;

/**
 * For `ignore`, at the head of a test file: undefined, after a line that says why, where it cannot be compiled. With
 * NANO_SNAP_NO_SKIP=1 that is an error instead.
 */
export async function testBinary(variant: Variant = {}): Promise<TestBinary | undefined> {
  try {
    return await compiled(variant);
  } catch (error) {
    if (Deno.env.get("NANO_SNAP_NO_SKIP") === "1") throw error;
    const why = error instanceof Error ? error.message : String(error);
    Deno.stderr.writeSync(new TextEncoder().encode(`binary: its tests are skipped: ${why}\n`));
    return undefined;
  }
}

async function compiled(variant: Variant): Promise<TestBinary> {
  const toolchain = chooseToolchain(ROOT, Deno.build.target);
  const stamp = stampOf(ROOT);
  const key = createHash("sha256").update(JSON.stringify([toolchain, stamp, variant])).update(
    hashOfSources(ROOT),
  );
  for (const file of ["build.ts", "stage.ts", "times.ts", "toolchain.ts"]) {
    key.update(Deno.readTextFileSync(join(ROOT, "deploy", file)));
  }
  const cache = ownFolder();
  const folder = join(cache, key.digest("hex").slice(0, 16));
  const found = {
    path: join(folder, `nano-snap${ENDING}`),
    bare: join(folder, `bare${ENDING}`),
    stamp,
    toolchain,
  };
  // One at a time: several test processes want the same.
  using lock = await Deno.open(join(cache, "lock"), { create: true, write: true });
  await lock.lock(true);
  removeUnused(cache);
  if (!exists(folder)) {
    const temporary = Deno.makeTempDirSync({ dir: cache, prefix: "making-" });
    try {
      await build({
        root: ROOT,
        target: Deno.build.target,
        output: join(temporary, `nano-snap${ENDING}`),
        stamp,
        ...variant,
      });
      await compileNothing(toolchain, join(temporary, `bare${ENDING}`));
      Deno.renameSync(temporary, folder);
    } catch (error) {
      Deno.removeSync(temporary, { recursive: true });
      throw error;
    }
  }
  Deno.utimeSync(folder, new Date(), new Date());
  return found;
}

async function compileNothing(toolchain: Toolchain, output: string): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "nano-snap-bare-" });
  try {
    Deno.writeTextFileSync(join(folder, "deno.json"), "{}");
    Deno.writeTextFileSync(join(folder, "nothing.ts"), "export {};\n");
    await compile(toolchain, folder, ["--no-code-cache", "--quiet", "--output", output, "nothing.ts"]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Nobody else may put a program there that a test would start. */
function ownFolder(): string {
  const path = join(tmpdir(), `nano-snap-test-binaries-${Deno.uid() ?? "mine"}`);
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const { isDirectory, uid, mode } = Deno.lstatSync(path);
  const isOurs = isDirectory && (Deno.build.os === "windows" || (uid === Deno.uid() && (mode! & 0o22) === 0));
  if (!isOurs) throw new Error(`${path} is not a folder of our own`);
  return path;
}

function removeUnused(cache: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(cache)) {
    const path = join(cache, name);
    const ageMs = Date.now() - (Deno.statSync(path).mtime?.getTime() ?? 0);
    if (isDirectory && ageMs > UNUSED_MS) Deno.removeSync(path, { recursive: true });
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Longer than any run of the tests; each takes 200 MB. */
const UNUSED_MS = 2 * 3600 * 1000;
