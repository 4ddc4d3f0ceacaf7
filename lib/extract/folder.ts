// Which file of a torrent of several the ledger comes from: `data.ldb` at its top, otherwise the only archive or
// ledger in it, by content. Where that leaves a choice nothing is guessed: the user is told what is there.

import { join } from "node:path";
import { VerificationFailed } from "../errors.ts";
import type { Files } from "../ports.ts";
import { headOf, sourceOf } from "./archive.ts";
import { LEDGER_NAME, showName } from "./safe_path.ts";
import { sniff, SNIFF_BYTES } from "./sniff.ts";

/** A folder of files that were verified; nothing else in it is looked at. */
export interface Folder {
  /** For messages. */
  readonly name: string;
  readonly path: string;
  /** The files' paths below it, in parts that are safe as names. */
  readonly members: readonly (readonly string[])[];
}

/**
 * Finds the file to give to `Extractor.extract`.
 *
 * @returns Its path.
 * @throws {VerificationFailed} When no file or more than one could be meant.
 */
export function findArchive(files: Files, folder: Folder): string {
  const ledger = folder.members.find((parts) => parts.length === 1 && parts[0] === LEDGER_NAME);
  if (ledger !== undefined) return join(folder.path, LEDGER_NAME);
  const [only, ...others] = folder.members.filter((parts) => isArchive(files, folder, parts));
  if (only === undefined) {
    throw new VerificationFailed(
      `Cannot extract ${folder.name}: none of its files is a ledger or an archive that we know, it holds ` +
        listed(folder.members),
    );
  }
  if (others.length > 0) {
    throw new VerificationFailed(
      `Cannot extract ${folder.name}: it has no ${LEDGER_NAME} at its top, and which of these is meant nobody can tell: ` +
        listed([only, ...others]),
    );
  }
  return join(folder.path, ...only);
}

function isArchive(files: Files, folder: Folder, parts: readonly string[]): boolean {
  // LMDB too, but never a ledger, and never opened.
  if (/^wallets\.ldb$/i.test(parts.at(-1) ?? "")) return false;
  const file = files.open(join(folder.path, ...parts), "read");
  try {
    return sniff(headOf(sourceOf(file), SNIFF_BYTES)) !== undefined;
  } finally {
    file.close();
  }
}

/** `"a.txt", "sub/b.txt" and 7 more`. */
function listed(members: readonly (readonly string[])[]): string {
  const shown = members.slice(0, MAX_LISTED).map((parts) => showName(parts.join("/")));
  const more = members.length - shown.length;
  return more > 0 ? `${shown.join(", ")} and ${more} more` : shown.join(", ");
}

/** What still fits a sentence. */
const MAX_LISTED = 8;
