// The notes of a release: its section of CHANGELOG.md. A release without one is not made.
//
//   deno run --allow-read deploy/release/notes.ts v0.1.0 > notes.md
//
// It also refuses a tag that is not the version of deno.json, so a workflow asks it first.

import { join } from "node:path";

/** Why there is no release: one sentence. */
export class NoRelease extends Error {}

/**
 * The lines under `## [VERSION]`, without that heading, up to the next version or the links at the end.
 *
 * @throws {NoRelease} When there is no such section, or it is empty.
 */
export function notesOf(changelog: string, version: string): string {
  const lines = changelog.split(/\r?\n/);
  const start = lines.findIndex((line) =>
    line === `## [${version}]` || line.startsWith(`## [${version}] - `)
  );
  if (start < 0) throw new NoRelease(`CHANGELOG.md has no section ## [${version}]`);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => /^(## |\[[^\]]+\]: )/.test(line));
  const notes = (end < 0 ? rest : rest.slice(0, end)).join("\n").trim();
  if (!/^[-*] /m.test(notes)) throw new NoRelease(`CHANGELOG.md says nothing under ## [${version}]`);
  return `${notes}\n`;
}

/** @returns The version. @throws {NoRelease} When the tag is not `v` and the version that the program has. */
export function versionOfTag(tag: string, programVersion: string): string {
  if (tag !== `v${programVersion}`) {
    throw new NoRelease(
      `the tag is ${tag} and deno.json has version ${programVersion}: it must be v${programVersion}`,
    );
  }
  return programVersion;
}

if (import.meta.main) {
  const read = (name: string) => Deno.readTextFileSync(join(import.meta.dirname!, "..", "..", name));
  try {
    const version = versionOfTag(Deno.args[0] ?? "", JSON.parse(read("deno.json")).version);
    await Deno.stdout.write(new TextEncoder().encode(notesOf(read("CHANGELOG.md"), version)));
  } catch (error) {
    if (!(error instanceof NoRelease)) throw error;
    await Deno.stderr.write(new TextEncoder().encode(`notes: ${error.message}\n`));
    Deno.exit(1);
  }
}
