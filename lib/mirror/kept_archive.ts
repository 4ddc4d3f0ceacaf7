// The archive that is to stay beside its ledger, where a run was killed between the two: the ledger was in its place, the
// archive still in `incoming/`. The next run brings it to its place, or says what is the matter.

import { join } from "node:path";
import type { Report } from "../events.ts";
import { shellWord } from "../format.ts";
import { Layout } from "../torrent/layout.ts";
import type { Info } from "../torrent/metainfo.ts";
import { vouchedPieces } from "../torrent/resume.ts";
import { FileStorage } from "../torrent/storage.ts";
import { filePathsIn, nameOf } from "./content_options.ts";
import type { DataPaths } from "./data_dir.ts";
import { archivePlace, placeArchive } from "./finish.ts";
import { discardIncoming } from "./leftovers.ts";
import type { Machine } from "./machine.ts";
import { readSavedTorrent } from "./target.ts";

/**
 * Brings it there, as `finish` would have. Killed at any step it does the rest the next time, and tells where the archive
 * is as long as the journal is there, which goes last.
 *
 * @param name As `nameOf`: whose ledger is in its place.
 * @returns Where it is; undefined when there is none, or nobody vouches for all of it: then it stays where it is.
 */
export function bringKept(
  { machine, paths, report }: {
    readonly machine: Machine;
    readonly paths: DataPaths;
    readonly report: Report;
  },
  name: string,
): string | undefined {
  const { files } = machine;
  const folder = paths.incoming(name);
  const info = readSavedTorrent(files, paths, name)?.info;
  const isMoved = files.list(folder).length === 0;
  if (info === undefined || !isWhole(machine, paths, info)) {
    if (!isMoved) {
      const text =
        `The archive in ${folder} is not known to be whole and stays there; have it checked and brought ` +
        `to its place with: nano-snap get --data-dir ${shellWord(paths.root)}`;
      report({ kind: "note", level: "warning", logger: LOGGER, text });
    } else if (info !== undefined) discardLeftover(machine, paths, info);
    return undefined;
  }
  const archive = archivePlace(paths, info, true);
  const path = info.isSingleFile ? filePathsIn(folder, info)[0]! : join(folder, info.name);
  if (!isMoved) placeArchive(machine, paths, { info, path }, archive);
  const isNews = files.stat(folder) !== undefined;
  discardLeftover(machine, paths, info);
  if (!isNews) return archive;
  const text = `An earlier run was stopped before it kept the archive: it is ${archive}`;
  report({ kind: "note", level: "info", logger: LOGGER, text });
  return archive;
}

/** A mirror knows by the journal that its copy of a ledger is whole; of others it is only a leftover. */
function discardLeftover(machine: Machine, paths: DataPaths, info: Info): void {
  const name = nameOf(info);
  if (archivePlace(paths, info, true) === paths.snapshot(name)) machine.files.removeAll(paths.incoming(name));
  else discardIncoming(machine, paths, info);
}

/** Each file counts where it is: a run that was killed may have moved some of them, or all. */
function isWhole({ files }: Machine, paths: DataPaths, info: Info): boolean {
  const name = nameOf(info);
  const archive = archivePlace(paths, info, true);
  const places = info.isSingleFile ? [archive] : filePathsIn(paths.root, info);
  const filePaths = filePathsIn(paths.incoming(name), info).map((path, i) =>
    files.stat(path) === undefined ? places[i]! : path
  );
  if (filePaths.some((path) => files.stat(path)?.kind !== "file")) return false;
  const layout = Layout.of(info);
  const storage = FileStorage.open({ files, layout, paths: filePaths, mode: "read" });
  try {
    const torrent = info.infoHashV2 ?? info.infoHashV1!;
    return vouchedPieces({ files, path: paths.resume(name), torrent, layout, data: storage.facts() }).isFull;
  } finally {
    storage.close();
  }
}

const LOGGER = "mirror.watcher";
