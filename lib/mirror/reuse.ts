// Takes from other copies on this disk what a torrent shares with them, instead of fetching it: an older snapshot of
// which a part came before the pointer moved on, or one that was finished. They are only read: each piece is verified
// while it is copied, and the copies go when the new snapshot is whole.

import { dirname, join } from "node:path";
import { toHex } from "../bytes.ts";
import { formatBytes, shortHash } from "../format.ts";
import { expectedHash, expectedHashes, type HashedTorrent } from "../torrent/check.ts";
import { Layout, type PieceIndex } from "../torrent/layout.ts";
import { PieceLayers } from "../torrent/piece_layers.ts";
import { PieceSet } from "../torrent/piece_set.ts";
import { peekPieces, type ResumeJournal } from "../torrent/resume.ts";
import { FileStorage } from "../torrent/storage.ts";
import type { Files } from "../ports.ts";
import type { Place } from "./adopt.ts";
import { type ContentOptions, filePathsIn, nameOf, note } from "./content_options.ts";
import type { DataPaths } from "./data_dir.ts";
import { workOn } from "./suspects.ts";
import { readSavedTorrent } from "./target.ts";

/** A copy on this disk: what it is of, where it lies, and the pieces that may be good. */
export interface OldCopy extends HashedTorrent {
  readonly filePaths: readonly string[];
  /** May be gone through more than once. */
  readonly pieces: Iterable<PieceIndex>;
  /** Whether it was finished: then those are all. */
  readonly isWhole: boolean;
  /** For people. */
  readonly what: string;
}

/** Snapshots of which a part was fetched, and finished ones here or there, as far as their hashes are known. */
export function findOldCopies(options: ContentOptions, place: Place | undefined): OldCopy[] {
  const { machine: { files }, paths, info, wholes = [] } = options;
  const own = nameOf(info);
  const copies: OldCopy[] = [];
  const seen = new Set([own]);
  const add = (name: string, folder: string, isWhole: boolean) => {
    const torrent = seen.has(name) ? undefined : savedTorrent(files, paths, name);
    seen.add(name);
    if (torrent === undefined) return;
    const filePaths = filePathsIn(folder, torrent.info);
    const all = { [Symbol.iterator]: () => torrent.layout.pieces() };
    const pieces = isWhole ? all : pieceIndices(peek(options, torrent, name, filePaths));
    copies.push({ ...torrent, filePaths, pieces, isWhole, what: shortHash(name) });
  };
  if (place?.otherSnapshot !== undefined) add(place.otherSnapshot, paths.root, true);
  for (const { name, path } of wholes) add(name, dirname(path), true);
  // What a mirror served here, when this is a `get`.
  for (const path of [paths.snapshot(own), join(paths.kept(own), info.name)]) {
    for (const name of files.list(dirname(dirname(path)))) {
      const folder = join(dirname(dirname(path)), name);
      if (files.stat(join(folder, info.name)) !== undefined) add(name, folder, true);
    }
  }
  for (const name of files.list(dirname(paths.incoming(own)))) add(name, paths.incoming(name), false);
  return copies;
}

/** Whether a copy's own hashes tell all that it shares with the torrent: nobody need look at what it holds. */
export function isKnownCopy(
  { machine: { files }, paths, layout, layers }: ContentOptions,
  name: string,
): boolean {
  const copy = savedTorrent(files, paths, name);
  return copy !== undefined && isComparable(copy, { layout, layers });
}

/** What an earlier fetch of the torrent left in `incoming/`, as far as its journal can be believed. */
export function fetchedBefore(
  around: { readonly machine: { readonly files: Files }; readonly paths: DataPaths },
  torrent: HashedTorrent,
): PieceSet {
  const { machine: { files }, paths } = around;
  const name = nameOf(torrent.info);
  // Without one, whatever lies there may be anything.
  if (files.stat(paths.resume(name)) === undefined) return new PieceSet(torrent.layout.pieceCount);
  return peek(around, torrent, name, filePathsIn(paths.incoming(name), torrent.info));
}

/**
 * How many bytes a torrent still needs, by what is known without a look at its content: whole pieces, its own and those
 * that others share.
 *
 * @param here Its own, where its content is open; undefined: what an earlier fetch left counts.
 * @param copies What it may take pieces from.
 */
export function bytesToGo(
  around: { readonly machine: { readonly files: Files }; readonly paths: DataPaths },
  torrent: HashedTorrent,
  here: PieceSet | undefined,
  copies: readonly (HashedTorrent & { readonly pieces: Iterable<PieceIndex> })[],
): number {
  const { layout } = torrent;
  const have = new PieceSet(layout.pieceCount);
  for (const piece of here ?? fetchedBefore(around, torrent)) have.add(piece);
  for (const copy of copies) for (const piece of sharedPieces(copy, torrent, have).to) have.add(piece);
  let bytes = layout.totalLength;
  for (const piece of pieceIndices(have)) bytes -= layout.pieceSize(piece);
  return bytes;
}

/** The pieces of a copy that are also the torrent's and missing there: what each is in the one and in the other. */
export function sharedPieces(
  copy: HashedTorrent & { readonly pieces: Iterable<PieceIndex> },
  torrent: HashedTorrent,
  here: PieceSet,
): { readonly from: PieceIndex[]; readonly to: PieceIndex[] } {
  const shared = { from: [] as PieceIndex[], to: [] as PieceIndex[] };
  if (!isComparable(copy, torrent)) return shared;
  const keyOf = (of: HashedTorrent, piece: PieceIndex) =>
    `${toHex(expectedHash(of, piece))}${of.layout.pieceSize(piece)}`;
  const offered = new Map<string, PieceIndex>();
  for (const piece of copy.pieces) {
    if (offered.size >= MAX_OFFERED) break;
    offered.set(keyOf(copy, piece), piece);
  }
  if (offered.size === 0) return shared;
  for (const piece of torrent.layout.pieces()) {
    if (here.has(piece)) continue;
    const from = offered.get(keyOf(torrent, piece));
    if (from === undefined) continue;
    shared.from.push(from);
    shared.to.push(piece);
  }
  return shared;
}

/**
 * Copies pieces into the torrent's own files, and records each that was good.
 *
 * @throws {NotEnoughSpace} @throws The signal's reason when it aborts; what was copied until then is kept.
 */
export async function copyPieces(
  options: ContentOptions,
  copy: {
    readonly what: string;
    readonly from: {
      readonly layout: Layout;
      readonly paths: readonly string[];
      readonly pieces: PieceIndex[];
    };
    readonly to: { readonly paths: readonly string[]; readonly pieces: PieceIndex[] };
    readonly here: PieceSet;
    readonly journal: ResumeJournal;
  },
): Promise<void> {
  const { what, from, to, here, journal } = copy;
  if (to.pieces.length === 0) return;
  const { layout, machine, signal } = options;
  const work = workOn(options, "Copying", to.pieces);
  let copiedBytes = 0;
  await machine.checker.check({
    from,
    pieces: from.pieces,
    hashes: expectedHashes(options, to.pieces),
    to: { layout, ...to },
    signal,
    onVerdicts({ good, bad }) {
      const pieces = good.map((place) => to.pieces[place]!);
      for (const piece of pieces) {
        here.add(piece);
        copiedBytes += layout.pieceSize(piece);
      }
      journal.addPieces(pieces, machine.clock.nowMs());
      work.done([...good, ...bad]);
    },
  });
  note(options, "info", `Took ${formatBytes(copiedBytes)} from ${what}: the same is in the new snapshot`);
}

function isComparable(
  a: Pick<HashedTorrent, "layout" | "layers">,
  b: Pick<HashedTorrent, "layout" | "layers">,
): boolean {
  return (a.layers === undefined) === (b.layers === undefined) &&
    a.layout.pieceLength === b.layout.pieceLength;
}

/** A torrent that an earlier run saved, with all its hashes. */
export function savedTorrent(files: Files, paths: DataPaths, name: string): HashedTorrent | undefined {
  const metainfo = readSavedTorrent(files, paths, name);
  if (metainfo === undefined || nameOf(metainfo.info) !== name) return undefined;
  const { info, pieceLayers } = metainfo;
  const layout = Layout.of(info);
  if (info.kind === "v1") return { info, layout, layers: undefined };
  const layers = new PieceLayers(layout, pieceLayers);
  return layers.isComplete ? { info, layout, layers } : undefined;
}

function peek(
  { machine: { files }, paths }: {
    readonly machine: { readonly files: Files };
    readonly paths: DataPaths;
  },
  { info, layout }: HashedTorrent,
  name: string,
  filePaths: readonly string[],
): PieceSet {
  const storage = FileStorage.open({ files, layout, paths: filePaths, mode: "read" });
  try {
    const torrent = info.infoHashV2 ?? info.infoHashV1!;
    return peekPieces({ files, path: paths.resume(name), torrent, layout, data: storage.facts() });
  } finally {
    storage.close();
  }
}

/** A set of one layout's pieces, as that layout's own numbers. */
export function pieceIndices(pieces: PieceSet): PieceIndex[] {
  return [...pieces] as PieceIndex[];
}

/** Some 100 MB of keys, and a ledger in pieces of 4 MiB seventeen times over: hostile torrents have more. */
const MAX_OFFERED = 2 ** 19;
