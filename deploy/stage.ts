// The copy of the tree that is compiled. A build changes files (the commit, another authority's key), and the work tree
// must not be touched; and what lies in the copy is all that can get into the program.

import { createHash } from "node:crypto";
import { join, relative } from "node:path";

/** All that the program is made of, relative to the root. A folder with all in it. */
const SOURCES = [
  "main.ts",
  "deno.json",
  "deno.lock",
  "AUTHORITY_PUBKEY",
  "deploy/RELEASE_PUBKEY",
  "deploy/stamp.json",
  "lib",
];

export interface Stamp {
  readonly commit: string;
  readonly date: string;
  readonly modified: boolean;
}

/** What the copy has otherwise than the tree. */
export interface StageOptions {
  readonly stamp: Stamp;
  /** Text of the file that takes AUTHORITY_PUBKEY's place. */
  readonly authority?: string | undefined;
  /** The same for deploy/RELEASE_PUBKEY. Tests have a key of their own; nobody else may change this one by a word. */
  readonly releaseKey?: string | undefined;
  /** For tests of upgrades. */
  readonly version?: string | undefined;
}

/** A copy, which goes when the `using` scope ends. */
export class Stage implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "nano-snap-stage-" });

  constructor(root: string, { stamp, authority, releaseKey, version }: StageOptions) {
    for (const file of sourceFiles(root)) {
      const to = join(this.path, file);
      Deno.mkdirSync(join(to, ".."), { recursive: true });
      Deno.copyFileSync(join(root, file), to);
    }
    const write = (name: string, text: string) => Deno.writeTextFileSync(join(this.path, name), text);
    write("deploy/stamp.json", JSON.stringify(stamp) + "\n");
    if (authority !== undefined) write("AUTHORITY_PUBKEY", authority);
    if (releaseKey !== undefined) write("deploy/RELEASE_PUBKEY", releaseKey);
    if (version !== undefined) {
      const config = JSON.parse(Deno.readTextFileSync(join(this.path, "deno.json")));
      write("deno.json", JSON.stringify({ ...config, version }));
    }
  }

  /** The files that Workers begin with, relative: no import names them, so the compiler must be told. */
  workers(): string[] {
    const folder = join(this.path, "lib/io");
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
    return names.filter((name) => name.endsWith("_worker.ts")).toSorted().map((name) => `lib/io/${name}`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** The source files, relative, sorted. */
export function sourceFiles(root: string): string[] {
  return SOURCES.flatMap((path) => filesIn(join(root, path))).map((path) => relative(root, path)).toSorted();
}

/** Changes when the program would be another. */
export function hashOfSources(root: string): string {
  const hash = createHash("sha256");
  for (const file of sourceFiles(root)) {
    hash.update(`${file}\0`).update(
      createHash("sha256").update(Deno.readFileSync(join(root, file))).digest(),
    );
  }
  return hash.digest("hex");
}

/**
 * The commit that the tree is at, and whether a source differs from it.
 *
 * @returns "unknown" for both texts where there is no repository, or no git.
 */
export function stampOf(root: string): Stamp {
  const commit = git(root, "rev-parse", "HEAD");
  const seconds = git(root, "show", "--no-patch", "--format=%ct", "HEAD");
  if (commit === undefined || seconds === undefined) {
    return { commit: "unknown", date: "unknown", modified: false };
  }
  return {
    commit,
    date: new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z"),
    modified: git(root, "status", "--porcelain", "--", ...SOURCES) !== "",
  };
}

function git(root: string, ...args: string[]): string | undefined {
  try {
    const command = new Deno.Command("git", { args: ["-C", root, ...args], stderr: "null" });
    const { success, stdout } = command.outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}

function filesIn(path: string): string[] {
  if (!Deno.statSync(path).isDirectory) return [path];
  return [...Deno.readDirSync(path)].flatMap(({ name }) => filesIn(join(path, name)));
}
