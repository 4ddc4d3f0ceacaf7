// Which entry of an archive may be written: one plain file named data.ldb. Names in an archive are a stranger's, so
// nothing is ever written under one: the output's path is ours, and this only decides whether the entry is meant.

import { BadArchive } from "./archive.ts";

/** The one member that an archive may hold. */
export const LEDGER_NAME = "data.ldb";

/** What an archive says an entry is. "special" is a device, a pipe, a socket or something nobody knows. */
export type EntryKind = "file" | "directory" | "link" | "special";

/**
 * Lets an entry pass only if it is the ledger: a plain file `data.ldb`, or `./data.ldb` as tar writes it.
 *
 * @throws {BadArchive} Naming the entry and what is wrong with it.
 */
export function checkEntry(entry: { readonly name: string; readonly kind: EntryKind }): void {
  const shown = showName(entry.name);
  const wrong = faultInName(entry.name);
  if (wrong !== undefined) throw new BadArchive(`its entry ${shown} ${wrong}`);
  if (entry.kind !== "file") throw new BadArchive(`its entry ${shown} is a ${entry.kind}, not a plain file`);
}

/** For messages: quoted, control characters escaped, cut after 80 characters. */
export function showName(name: string): string {
  const shown = name.length > 80 ? name.slice(0, 80) + "…" : name;
  // JSON escapes what is below U+0020; what is above U+007E could still steer a terminal or reverse its text.
  return JSON.stringify(shown).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function faultInName(name: string): string | undefined {
  if (/^[/\\]|^[A-Za-z]:/.test(name)) return "has an absolute name";
  if (name.split(/[/\\]/).includes("..")) return "leads out of its folder";
  const plain = name.startsWith("./") ? name.slice(2) : name;
  return plain === LEDGER_NAME ? undefined : `is not ${LEDGER_NAME}`;
}
