// What one thread does of a file's hashing: it takes shares of pieces until none is left, and writes their hashes where
// all threads write theirs; or it takes the whole file in order, for the one hash that cannot be shared.

import { createHash } from "node:crypto";
import { OperationFailed } from "../errors.ts";
import { Layout, type PieceIndex } from "../torrent/layout.ts";
import { HASH_BYTES } from "../torrent/merkle.ts";
import { type FileReader, passOver } from "../torrent/piece_pass.ts";
import type { HashJob, PieceHashes } from "./file_hasher.ts";
import { pieceCountOf } from "./piece_length.ts";

export type { FileReader } from "../torrent/piece_pass.ts";

/** One thread's part of a job. */
export interface HashTask extends Pick<HashJob, "path" | "size" | "pieceLength" | "kind"> {
  readonly reader: FileReader;
  /** Awaited before each stretch is hashed; may throw to end the task. */
  readonly onRead: (bytes: number) => void | Promise<void>;
}

/** Shares of the pieces' hashes. */
export interface ShareTask extends HashTask {
  /** Where the hashes go, with room for all pieces. */
  readonly hashes: PieceHashes;
  /** The number of the next share that no thread has taken, from 0; numbers beyond the last end it. */
  readonly take: () => number;
  /** Takes every byte of the shares, in their order. The bytes are good until it returns. */
  readonly tee?: ((bytes: Uint8Array) => void) | undefined;
}

/** How many shares a file has: what keeps more threads than that from being any use. */
export function shareCount({ size, pieceLength }: Pick<HashJob, "size" | "pieceLength">): number {
  return Math.ceil(size / shareBytes(pieceLength));
}

/** Bytes of a share, the last one's aside: whole pieces. */
export function shareBytes(pieceLength: number): number {
  return Math.max(pieceLength, LEAST_SHARE_BYTES);
}

/** Hashes shares until none is left. When it has settled the reader is not in use. */
export async function hashShares({ reader, hashes, take, tee, onRead, ...file }: ShareTask): Promise<void> {
  await passOver({
    layout: layoutOf(file),
    readers: [reader],
    pieces: piecesOf(file, take),
    v2: true,
    v1: hashes.piecesV1 !== undefined,
    tee,
    onRead,
    onPiece: (piece, sums) => {
      if (sums === undefined) throw becameShorter(file.path);
      hashes.pieceRoots.set(sums.root!, HASH_BYTES * piece);
      hashes.piecesV1?.set(sums.sha1!, SHA1_BYTES * piece);
    },
  });
}

/**
 * All that a file's hashing is, by one thread and one read of each byte.
 *
 * @param task.whole Whether SHA-256 of the whole file is wanted too, which is what it resolves with.
 */
export async function hashAlone(
  { whole, ...task }: Omit<ShareTask, "take" | "tee"> & { readonly whole: boolean },
): Promise<Uint8Array | undefined> {
  const sum = whole ? createHash("sha256") : undefined;
  let share = 0;
  await hashShares({ ...task, take: () => share++, tee: sum && ((bytes) => void sum.update(bytes)) });
  return sum?.digest();
}

/** SHA-256 of the whole file, 32 bytes, as `sha256sum` gives it. When it has settled the reader is not in use. */
export async function hashWhole({ reader, onRead, ...file }: HashTask): Promise<Uint8Array> {
  const hash = createHash("sha256");
  let share = 0;
  await passOver({
    layout: layoutOf(file),
    readers: [reader],
    pieces: piecesOf(file, () => share++),
    v2: false,
    v1: false,
    onRead,
    tee: (bytes) => hash.update(bytes),
    onPiece: (_, sums) => {
      if (sums === undefined) throw becameShorter(file.path);
    },
  });
  return hash.digest();
}

/** The pieces of all shares that this thread gets. */
function* piecesOf(
  { size, pieceLength }: Pick<HashJob, "size" | "pieceLength">,
  take: () => number,
): Generator<{ piece: PieceIndex; place: number }> {
  const perShare = shareBytes(pieceLength) / pieceLength;
  const count = pieceCountOf(size, pieceLength);
  for (let first = take() * perShare; first < count; first = take() * perShare) {
    const end = Math.min(first + perShare, count);
    for (let n = first; n < end; n++) yield { piece: n as PieceIndex, place: n };
  }
}

function layoutOf(
  { size: length, pieceLength, kind }: Pick<HashJob, "size" | "pieceLength" | "kind">,
): Layout {
  const file = { path: ["file"], length, offset: 0, piecesRoot: undefined };
  return Layout.of({ kind, pieceLength, pieceCount: pieceCountOf(length, pieceLength), files: [file] });
}

function becameShorter(path: string): OperationFailed {
  return new OperationFailed(`Cannot make a torrent of ${path}: it became shorter while it was hashed`);
}

/** Small pieces are taken by the dozen: a disk likes long stretches, and threads need not meet for each. */
const LEAST_SHARE_BYTES = 8 << 20;
const SHA1_BYTES = 20;
