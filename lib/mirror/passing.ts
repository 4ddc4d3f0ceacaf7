// The place of an archive that never lies on the disk as a whole (`--low-disk`): pieces come into segments, are unpacked,
// and go. There is no journal: what has gone cannot be gone on with, so a run that ends before the last byte begins anew,
// and peers are told of no piece.

import { join } from "node:path";
import { chanceFrom } from "../chance.ts";
import { NotEnoughSpace, OperationFailed } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { Download } from "../torrent/download.ts";
import type { Layout } from "../torrent/layout.ts";
import { PieceSet } from "../torrent/piece_set.ts";
import { segmentBytesOf, SegmentStorage } from "../torrent/segments.ts";
import { type ContentOptions, nameOf, note } from "./content_options.ts";
import { discardIncoming } from "./leftovers.ts";

export class PassingContent {
  readonly download: Download;
  /** The segments' folder. */
  readonly path: string;
  readonly segments: SegmentStorage;
  /** Pieces that may be here before they were unpacked, and the most that they and the tail take on the disk. */
  readonly most: number;
  readonly diskBytes: number;

  private constructor(options: ContentOptions) {
    const { machine, paths, info, layout, layers } = options;
    const { files, random: chance } = machine;
    this.path = paths.segments(nameOf(info));
    this.most = passingPieces(layout);
    this.diskBytes = passingBytes(layout);
    this.segments = new SegmentStorage({ files, layout, folder: this.path });
    this.download = new Download({
      info,
      layout,
      layers,
      storage: this.segments,
      here: new PieceSet(layout.pieceCount),
      random: chanceFrom(chance.bytes(16)),
      isPassing: true,
    });
  }

  /**
   * Makes the place, empty. What earlier runs fetched of this torrent goes: it would take the space that is not there.
   *
   * @throws {OperationFailed} For a torrent of several files. @throws {NotEnoughSpace}
   */
  static open(options: ContentOptions): PassingContent {
    const { machine: { files }, paths, info, layout } = options;
    if (!info.isSingleFile || !layout.single) {
      throw new OperationFailed(
        `Cannot fetch ${info.name} with --low-disk: it is a torrent of several files`,
      );
    }
    const name = nameOf(info);
    const needed = passingBytes(layout);
    const discarded = files.stat(join(paths.incoming(name), info.name))?.allocated ?? 0;
    options.examineSpace?.({
      info,
      missingBytes: Math.max(0, needed - discarded),
      folder: paths.root,
      passingBytes: needed,
    });
    if (files.stat(paths.incoming(name)) !== undefined) {
      note(options, "warning", "What was fetched without --low-disk is removed: this run begins anew");
      discardIncoming(options.machine, paths, info);
    }
    files.removeAll(paths.segments(name));
    const free = files.freeBytes(paths.own);
    if (needed > free) {
      throw new NotEnoughSpace(
        `Cannot fetch ${info.name}: even with --low-disk ${
          formatBytes(needed)
        } are needed in ${paths.root}, ${
          formatBytes(free)
        } are free; make room, or take another disk with --data-dir`,
      );
    }
    files.makeDir(paths.segments(name));
    note(
      options,
      "info",
      `--low-disk: at most ${
        formatBytes(needed)
      } of the archive are here at a time; nothing is given to others, ` +
        "and a run that is stopped begins anew",
    );
    return new PassingContent(options);
  }

  /** Nothing is recorded. */
  addPieces(): void {}

  /** Nothing is due. */
  tick(): void {}

  /** Nothing is to be settled. */
  settle(): Promise<void> {
    return Promise.resolve();
  }

  /** Nothing more comes. What is here stays until it is unpacked. */
  close(): Promise<void> {
    this.segments.close();
    return Promise.resolve();
  }
}

/** How many pieces are here at a time, besides the archive's tail: enough to keep a line busy while some are unpacked. */
function passingPieces({ pieceLength }: Layout): number {
  const least = Math.max(LEAST_PIECES, Math.ceil(LEAST_BYTES / pieceLength));
  return Math.max(2, Math.min(least, Math.floor(MOST_BYTES / pieceLength)));
}

/** The most that they take on the disk: one segment is in use, and the tail lies in one or two more. */
export function passingBytes(layout: Layout): number {
  const bytes = passingPieces(layout) * layout.pieceLength + 3 * segmentBytesOf(layout);
  return Math.min(bytes, layout.totalLength);
}

const LEAST_PIECES = 16;
const LEAST_BYTES = 16 << 20;
const MOST_BYTES = 2 ** 30;
