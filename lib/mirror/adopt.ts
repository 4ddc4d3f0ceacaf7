// What lies in the data directory under the torrent's own name: upstream's half-written archive, an older snapshot,
// something the user put there. It is checked against the torrent, and what is good of it need not be fetched.
//
//   nothing good     ──> it stays as it is, until a whole archive takes its place
//   something good   ──> it moves into `incoming/` and grows there
//   ... and it is another snapshot that we finished, the ledger of a node that may run, or `incoming/` has content
//       already ──> good pieces are copied
//
// A journal beside the torrent's own remembers the verdicts for as long as nobody touches it, so that it is checked
// once, however often a run is stopped.

import { dirname, join } from "node:path";
import { PathUnusable } from "../errors.ts";
import type { FileFacts } from "../ports.ts";
import { formatShare } from "../format.ts";
import type { PieceIndex } from "../torrent/layout.ts";
import type { PieceSet } from "../torrent/piece_set.ts";
import { ResumeJournal } from "../torrent/resume.ts";
import { FileStorage } from "../torrent/storage.ts";
import { type ContentOptions, filePathsIn, nameOf, note } from "./content_options.ts";
import type { DataPaths } from "./data_dir.ts";
import { readInstalled } from "./installed.ts";
import { checkSuspects } from "./suspects.ts";

/** What was found under the torrent's name. */
export interface Place {
  readonly path: string;
  readonly filePaths: readonly string[];
  /** The other snapshot, by its hash, that it is: it was finished, so it must stay. */
  readonly otherSnapshot: string | undefined;
  /** Whether it may grow into the torrent's content: not another snapshot, and not what a node may have open. */
  readonly mayMove: boolean;
  /** Bytes that it takes on disk. */
  readonly allocated: number;
}

/**
 * Looks whether something is there.
 *
 * @throws {PathUnusable} When it is a folder in a file's place, or a file in a folder's.
 */
export function findPlace({ machine, paths, info, wholes = [] }: ContentOptions): Place | undefined {
  const { files } = machine;
  const path = join(paths.root, info.name);
  const facts = files.stat(path);
  if (facts === undefined) return undefined;
  if (facts.kind !== (info.isSingleFile ? "file" : "directory")) {
    const isWhat = info.isSingleFile ? "is no file" : "is no folder";
    throw new PathUnusable(`Cannot fetch ${info.name}: ${path} is in its place and ${isWhat}`);
  }
  const filePaths = filePathsIn(paths.root, info);
  const allocated = filePaths.reduce((sum, path) => sum + (files.stat(path)?.allocated ?? 0), 0);
  const { value: installed } = readInstalled(files, paths.installed);
  // Not by its path: the data directory may be named in another way than then.
  const isInstalled = installed !== undefined && installed.inode === facts.inode &&
    installed.size === facts.size && installed.mtime === facts.mtimeMs;
  const known = wholes.find((whole) => whole.path === path)?.name ??
    (isInstalled ? installed.v2 : undefined);
  const otherSnapshot = known === nameOf(info) ? undefined : known;
  const mayMove = otherSnapshot === undefined && path !== paths.ledger;
  return { path, filePaths, otherSnapshot, mayMove, allocated };
}

/** Checks it against the torrent, as far as that was not done before. @returns The good pieces. */
export async function examinePlace(options: ContentOptions, place: Place): Promise<PieceSet> {
  const { machine: { files }, paths, layout, force } = options;
  const storage = FileStorage.open({ files, layout, paths: place.filePaths, mode: "read" });
  let journal: ResumeJournal | undefined;
  try {
    const known = ResumeJournal.open({
      ...journalOf(options, placeJournal(paths, nameOf(options.info)), storage.facts()),
      isForeign: true,
      distrust: force,
    });
    journal = known.journal;
    const here = known.trusted;
    const { filePaths, path } = place;
    const { suspect } = known;
    await checkSuspects(options, { what: path, filePaths, suspect, here, journal });
    if (suspect.count > 0 && here.count === 0) {
      note(
        options,
        "info",
        `Nothing in ${path} belongs to the snapshot: it is left alone until a new one of that name is whole`,
      );
    }
    if (suspect.count > 0) await journal.closeClean(storage);
    return here;
  } finally {
    await journal?.close();
    storage.close();
  }
}

/**
 * Moves it to where the torrent's content grows, with a journal of what is good.
 *
 * @returns False when it cannot be moved: it is on another disk, or a link.
 */
export async function moveIn(options: ContentOptions, place: Place, good: PieceSet): Promise<boolean> {
  const { machine: { files, clock }, paths, info, layout } = options;
  const before = files.stat(place.path);
  const name = nameOf(info);
  const target = join(paths.incoming(name), info.name);
  // First the journal, then the move: a kill in between leaves it where it was, to be found again.
  const storage = FileStorage.open({ files, layout, paths: place.filePaths });
  let journal: ResumeJournal | undefined;
  try {
    const made = ResumeJournal.open({
      ...journalOf(options, paths.resume(name), storage.facts()),
      distrust: true,
    });
    journal = made.journal;
    journal.addPieces([...good] as PieceIndex[], clock.nowMs());
    await journal.removePieces([...made.suspect].filter((piece) => !good.has(piece)) as PieceIndex[]);
    await journal.closeClean(storage);
  } finally {
    await journal?.close();
    storage.close();
  }
  try {
    files.rename(place.path, target);
  } catch (error) {
    if (!(error instanceof PathUnusable)) throw error;
    files.remove(paths.resume(name));
    return false;
  }
  if (before?.inode !== files.stat(target)?.inode) {
    // A relative link, which names nothing from there.
    files.rename(target, place.path);
    files.remove(paths.resume(name));
    return false;
  }
  files.remove(placeJournal(paths, name));
  note(options, "info", `Adopted ${place.path}: ${shareOf(options, good)} are good`);
  return true;
}

/** "7.1 of 57.6 GB". */
export function shareOf({ layout }: ContentOptions, pieces: PieceSet): string {
  let bytes = 0;
  for (const n of pieces) bytes += layout.pieceSize(layout.piece(n)!);
  return formatShare(bytes, layout.totalLength);
}

/** Where the verdicts on what lies in the data directory are. */
export function placeJournal(paths: DataPaths, name: string): string {
  return `${paths.resume(name)}.place`;
}

/** What a journal of this torrent needs. */
export function journalOf(
  { machine: { files }, info, layout }: ContentOptions,
  path: string,
  data: FileFacts[],
) {
  files.makeDir(dirname(path));
  return { files, path, torrent: info.infoHashV2 ?? info.infoHashV1!, layout, data };
}
