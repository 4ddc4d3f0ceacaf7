// `deno task compile` and `deno task compile:all`: the tree as programs that need nothing else.
//
//   deno task compile                    dist/nano-snap, for this machine
//   deno task compile:all                dist/ as a release: a program for each system, packed ones, and SHA256SUMS
//
//   --authority-file FILE   the key of this file is built in instead of AUTHORITY_PUBKEY's
//   --output PATH           instead of dist/nano-snap (compile), or of dist/ (compile:all)
//   --only SYSTEM           (compile:all) this one, such as linux-x64; repeatable
//   --commit HEX --date ISO what `version` says, where there is no repository to ask (an image's build)

import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { createGzip } from "node:zlib";
import { VERSION } from "../lib/about.ts";
import { SnapError, UsageError } from "../lib/errors.ts";
import { formatBytes } from "../lib/format.ts";
import { type Asset, ASSETS } from "../lib/release/assets.ts";
import { formatSums } from "../lib/release/sums.ts";
import { parseAuthority } from "../lib/snapshot/authority.ts";
import { build } from "./build.ts";
import { BuildFailed } from "./failure.ts";
import { type Stamp, stampOf } from "./stage.ts";

const ROOT = join(import.meta.dirname!, "..");
const DIST = join(ROOT, "dist");

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    if (!(error instanceof BuildFailed || error instanceof SnapError)) throw error;
    say(`compile: ${error.message}`);
    Deno.exit(error instanceof SnapError ? error.exitCode : 1);
  }
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = readWords(args);
  const stamp = readStamp(values);
  const authority = readAuthority(values["authority-file"]);
  if (!values.all) {
    const output = resolve(
      values.output ?? join(DIST, Deno.build.os === "windows" ? "nano-snap.exe" : "nano-snap"),
    );
    await compileFor({ target: Deno.build.target, output, stamp, authority });
    say(`Next: ${output} get --extract`);
    return 0;
  }
  const wanted = ASSETS.filter(({ system }) => values.only === undefined || values.only.includes(system));
  const missing = (values.only ?? []).filter((system) => !ASSETS.some((asset) => asset.system === system));
  if (missing.length > 0) {
    throw new UsageError(`no such system: ${missing.join(", ")}; there are ${systemsOf(ASSETS)}`);
  }
  return await compileAll(wanted, resolve(values.output ?? DIST), stamp, authority);
}

function readWords(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        all: { type: "boolean", default: false },
        "authority-file": { type: "string" },
        output: { type: "string" },
        only: { type: "string", multiple: true },
        commit: { type: "string" },
        date: { type: "string" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** @throws {UsageError} For half of it, or what is none. */
function readStamp({ commit, date }: { commit?: string | undefined; date?: string | undefined }): Stamp {
  if (commit === undefined && date === undefined) return stampOf(ROOT);
  const at = new Date(date ?? "");
  if (!/^[0-9a-f]{40}$/.test(commit ?? "") || Number.isNaN(at.valueOf())) {
    throw new UsageError("--commit takes 40 hex digits and --date its date; one needs the other");
  }
  return { commit: commit!, date: at.toISOString().replace(/\.\d+Z$/, "Z"), modified: false };
}

/** The file's text, which holds a key; undefined for the tree's own. @throws {UsageError} */
function readAuthority(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${error instanceof Error ? error.message : error}`);
  }
  parseAuthority(text, path);
  return text.trim().replaceAll(":", "").toLowerCase() + "\n";
}

async function compileFor(
  options: { target: string; output: string; stamp: Stamp; authority: string | undefined },
): Promise<void> {
  Deno.mkdirSync(dirname(options.output), { recursive: true });
  const { name } = await build({ root: ROOT, ...options });
  say(`${options.output}: ${formatBytes(Deno.statSync(options.output).size)}, by ${name}`);
}

/** Makes what can be made here. @returns 1 when something is missing: a release has all or is none. */
async function compileAll(
  assets: readonly Asset[],
  folder: string,
  stamp: Stamp,
  authority: string | undefined,
): Promise<number> {
  const failed: string[] = [];
  const files = new Map<string, string>();
  for (const { name, target, system } of assets) {
    const output = join(folder, name);
    try {
      await compileFor({ target, output, stamp, authority });
    } catch (error) {
      if (!(error instanceof BuildFailed)) throw error;
      for (const stale of [output, `${output}.gz`]) removeIfThere(stale);
      failed.push(`${system}: ${error.message}`);
      continue;
    }
    await pack(output);
    for (const file of [name, `${name}.gz`]) files.set(file, await sha256(join(folder, file)));
  }
  const sums = join(folder, "SHA256SUMS");
  // Of another day, as is what signed it.
  for (const stale of [sums, `${sums}.sig`]) removeIfThere(stale);
  if (files.size > 0) Deno.writeTextFileSync(sums, formatSums({ version: VERSION, files }));
  if (files.size > 0) say(`${sums}: ${files.size} files of version ${VERSION}`);
  for (const reason of failed) say(`compile: not made: ${reason}`);
  return failed.length > 0 ? 1 : 0;
}

/** FILE.gz beside FILE, the same bytes for the same bytes. */
async function pack(path: string): Promise<void> {
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz`));
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function systemsOf(assets: readonly Asset[]): string {
  return assets.map(({ system }) => system).join(", ");
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
