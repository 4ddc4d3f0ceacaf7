// Puts an unpacked ledger in its place. Until the rename the old data.ldb is untouched; after it the new one is whole:
// there is no moment at which the name holds half a ledger.

import { PathUnusable } from "../errors.ts";
import type { Files } from "../ports.ts";
import { LEDGER_NAME } from "./safe_path.ts";

/**
 * Renames a synced file to `<folder>/data.ldb` and syncs the folder.
 *
 * @param ledger.partial As `Extractor.extract` left it, on the same filesystem as `folder`.
 * @returns The final path.
 * @throws {PathUnusable} When something that is not a file has that name, or the rename fails; both files then stay.
 */
export function placeLedger(files: Files, ledger: { partial: string; folder: string }): string {
  const target = `${ledger.folder}/${LEDGER_NAME}`;
  const there = files.stat(target);
  if (there !== undefined && there.kind !== "file") {
    const what = there.kind === "directory" ? "a folder" : "no plain file";
    throw new PathUnusable(`Cannot put the ledger in its place: ${target} is ${what}`);
  }
  files.rename(ledger.partial, target);
  return target;
}
