// Which names a torrent may have here. Its name is a stranger's word: it becomes a file in the data directory.

import { MetainfoInvalid, PathUnusable } from "../errors.ts";
import type { Info } from "../torrent/metainfo.ts";

/** @throws {MetainfoInvalid} For a name that is a path. @throws {PathUnusable} For one that has another meaning here. */
export function refuseName({ name, rawName }: Info): void {
  if (isPath(rawName)) {
    throw new MetainfoInvalid(`its name "${rawName.slice(0, MAX_QUOTED)}" is a path, not a file name`);
  }
  if (RESERVED_NAMES.has(name.toLowerCase())) {
    throw new PathUnusable(`Cannot fetch ${name}: a file of that name has another meaning here`);
  }
}

/** What a snapshot is never called: here it would be made harmless, but somebody who writes that means harm. */
function isPath(name: string): boolean {
  return /[/\\]/.test(name) || name === "." || name === "..";
}

/** Characters of a stranger's name in a message. */
const MAX_QUOTED = 100;

/** What upstream's programs, ours and the node keep beside an archive. */
const RESERVED_NAMES = new Set([
  ".nano-snap",
  ".dht_state",
  ".resume",
  "mirror_state.json",
  "snapshot-meta.json",
  "publisher_state.json",
  "seeder-stats.json",
  "data.ldb.partial",
  "data.ldb-lock",
  "wallets.ldb",
  "wallets.ldb-lock",
]);
