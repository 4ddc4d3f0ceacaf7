// One program from the tree: staged, compiled, and started once where it can run here.

import { BuildFailed, reasonIn } from "./failure.ts";
import { Stage, type StageOptions } from "./stage.ts";
import { fixTimes } from "./times.ts";
import { chooseToolchain, type Toolchain } from "./toolchain.ts";

/**
 * A young generation of 1 MB instead of 16, in each thread: what we make in masses lives for a moment or lies outside the
 * heap. It saves 5 to 20 MB and costs no processor time that could be told from chance (docs/performance.md).
 */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=1";

export interface BuildOptions extends StageOptions {
  readonly root: string;
  readonly target: string;
  /** Absolute; the file is replaced. Ends in .exe for Windows. */
  readonly output: string;
}

/** @throws {BuildFailed} */
export async function build(options: BuildOptions): Promise<Toolchain> {
  const { root, target, output } = options;
  const toolchain = chooseToolchain(root, target);
  using stage = new Stage(root, options);
  fixTimes(stage.path);
  // No code cache: it would be a file in the shared folder for temporary files, believed by the next start.
  const flags = [
    "--allow-all",
    "--frozen",
    "--no-check",
    "--no-code-cache",
    "--exclude-unused-npm",
    "--quiet",
    V8_FLAGS,
  ];
  const include = stage.workers().flatMap((file) => ["--include", file]);
  await compile(toolchain, stage.path, [
    ...flags,
    ...include,
    "--target",
    target,
    "--output",
    output,
    "main.ts",
  ]);
  if (target === Deno.build.target) await mustStart(output);
  return toolchain;
}

/** `deno compile` of anything, in a folder. @throws {BuildFailed} */
export async function compile(toolchain: Toolchain, folder: string, args: readonly string[]): Promise<void> {
  const [program = "", ...words] = toolchain.command;
  let said: string;
  try {
    const { success, stderr } = await new Deno.Command(program, {
      args: [...words, "compile", ...args],
      cwd: folder,
      env: { ...toolchain.env, NO_COLOR: "1", DENO_NO_PACKAGE_JSON: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "null",
    }).output();
    if (success) return;
    said = new TextDecoder().decode(stderr);
  } catch (error) {
    said = `error: ${program}: ${error instanceof Error ? error.message : error}`;
  }
  throw new BuildFailed(reasonIn(said));
}

async function mustStart(path: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(path, { args: ["version"], stdout: "null" }).output();
  if (!success) {
    throw new BuildFailed(`${path} was made and does not start: ${new TextDecoder().decode(stderr).trim()}`);
  }
}
