// `deno compile` puts the time of every file into the program. So that the same source gives the same bytes, here and
// elsewhere, the files get one fixed time: those of the staged copy, and the packages' in Deno's cache, where nothing
// looks at it.

import { join } from "node:path";
import { BuildFailed } from "./failure.ts";

/** Any would do. */
const TIME = new Date("1980-01-01T00:00:00Z");

/** Sets the time of a folder's files, and of the packages that its deno.lock names. @throws {BuildFailed} */
export function fixTimes(folder: string): void {
  fixAll(folder);
  const packages = Object.keys(JSON.parse(Deno.readTextFileSync(join(folder, "deno.lock"))).npm);
  if (packagesIn(packages).length < packages.length) deno(folder, "install", "--frozen", "--quiet");
  for (const path of packagesIn(packages)) fixAll(path);
}

/** The folders of these packages ("@scope/name@1.2.3") that the cache has. */
function packagesIn(packages: readonly string[]): string[] {
  const { npmCache } = JSON.parse(deno(undefined, "info", "--json"));
  const registries = list(npmCache).map(({ name }) => join(npmCache, name));
  return packages.flatMap((text) => {
    const [, name = "", version = ""] = /^(@?[^@]+)@([^_]+)/.exec(text) ?? [];
    return registries.map((registry) => join(registry, name, version)).filter((path) =>
      list(path).length > 0
    );
  });
}

function fixAll(folder: string): void {
  for (const { name, isDirectory, isFile } of list(folder)) {
    const path = join(folder, name);
    if (isDirectory) fixAll(path);
    if (isFile) fix(path);
  }
}

function fix(path: string): void {
  try {
    if (Deno.statSync(path).mtime?.getTime() !== TIME.getTime()) Deno.utimeSync(path, TIME, TIME);
  } catch (error) {
    // A cache of somebody else's: then the program only differs in these times.
    if (!(error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable)) {
      throw error;
    }
  }
}

function list(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)];
  } catch {
    return [];
  }
}

function deno(cwd: string | undefined, ...args: string[]): string {
  const command = new Deno.Command(Deno.execPath(), { args, ...(cwd === undefined ? {} : { cwd }) });
  const { success, stdout, stderr } = command.outputSync();
  const text = new TextDecoder();
  if (!success) throw new BuildFailed(`deno ${args.join(" ")}: ${text.decode(stderr).trim()}`);
  return text.decode(stdout);
}
