// What one thread does of a file's hashing: it takes shares of pieces until none is left, and writes their hashes where
// all threads write theirs. While one part is hashed the next is being read, so that disk and processor are both busy;
// a thread holds two parts, never a piece.

import { OperationFailed } from "../errors.ts";
import { leavesInto, PART_BYTES, Sha1Sum } from "../torrent/content_sums.ts";
import { BLOCK_BYTES, Layout, type PieceIndex } from "../torrent/layout.ts";
import { HASH_BYTES } from "../torrent/merkle.ts";
import { pieceRoot } from "../torrent/piece_hash.ts";
import type { FileHashes, HashJob } from "./file_hasher.ts";
import { pieceCountOf } from "./piece_length.ts";

/** An open file that is read without holding up the thread. */
export interface FileReader {
  /** Fills `into` from a position of the file; fewer bytes only at its end. */
  read(into: Uint8Array, at: number): Promise<number>;
}

/** One thread's part of a job. */
export interface HashTask extends Pick<HashJob, "path" | "size" | "pieceLength" | "kind"> {
  readonly reader: FileReader;
  /** Where the hashes go, with room for all pieces. */
  readonly hashes: FileHashes;
  /** The number of the next share that no thread has taken, from 0; numbers beyond the last end it. */
  readonly take: () => number;
  /** Called before each part is hashed; may throw to end the task. */
  readonly onPart: (bytes: number) => void;
}

/** A stretch of the file that is read at once. */
interface Part {
  readonly at: number;
  readonly length: number;
}

/** How many shares a file has: what keeps more threads than that from being any use. */
export function shareCount({ size, pieceLength }: Pick<HashJob, "size" | "pieceLength">): number {
  return Math.ceil(size / shareBytes(pieceLength));
}

/** Hashes shares until none is left. When it has settled the reader is not in use. */
export async function hashShares(task: HashTask): Promise<void> {
  const sums = new PieceSums(task);
  const parts = partsOf(task);
  let [near, far] = [new Uint8Array(PART_BYTES), new Uint8Array(PART_BYTES)];
  let part = next(parts);
  let reading = part && readPart(task, part, near);
  while (part !== undefined && reading !== undefined) {
    const bytes = await reading;
    [near, far] = [far, near];
    const following = next(parts);
    reading = following && readPart(task, following, near);
    try {
      task.onPart(bytes.length);
      sums.add(part, bytes);
    } catch (error) {
      await reading?.catch(() => {});
      throw error;
    }
    part = following;
  }
}

/** Both hashes of pieces whose bytes come in order. */
class PieceSums {
  readonly #layout: Layout;
  readonly #hashes: FileHashes;
  readonly #leaves: Uint8Array;
  readonly #zeroSums = new Map<number, Uint8Array>();
  #sha1: Sha1Sum;

  constructor({ size: length, pieceLength, kind, hashes }: HashTask) {
    const pieceCount = pieceCountOf(length, pieceLength);
    const file = { path: ["file"], length, offset: 0, piecesRoot: undefined };
    this.#layout = Layout.of({ kind, pieceLength, pieceCount, files: [file] });
    this.#hashes = hashes;
    this.#leaves = new Uint8Array(HASH_BYTES * this.#layout.blocksPerPiece);
    this.#sha1 = new Sha1Sum(this.#zeroSums);
  }

  /** Takes the next bytes of a share: the end of a piece, whole pieces, or the begin of one. */
  add({ at, length }: Part, bytes: Uint8Array): void {
    const { first, count } = this.#layout.piecesAt(0, at, length);
    for (let n = first; n < first + count; n++) {
      const piece = this.#layout.piece(n)!;
      const begin = this.#layout.offset(piece, 0);
      const end = begin + this.#layout.pieceSize(piece);
      const [from, to] = [Math.max(begin, at), Math.min(end, at + length)];
      const own = bytes.subarray(from - at, to - at);
      leavesInto(own, this.#leaves, (from - begin) / BLOCK_BYTES * HASH_BYTES);
      if (this.#hashes.piecesV1 !== undefined) this.#sha1.update(own);
      if (to === end) this.#finish(piece);
    }
  }

  #finish(piece: PieceIndex): void {
    const leaves = this.#leaves.subarray(0, HASH_BYTES * this.#layout.blockCount(piece));
    this.#hashes.pieceRoots.set(pieceRoot(this.#layout, piece, leaves), HASH_BYTES * piece);
    this.#hashes.piecesV1?.set(this.#sha1.digest(), SHA1_BYTES * piece);
    this.#sha1 = new Sha1Sum(this.#zeroSums);
  }
}

/** The parts of all shares that this thread gets. A share begins a piece; what follows in it is read in order. */
function* partsOf({ size, pieceLength, take }: HashTask): Generator<Part, undefined> {
  const share = shareBytes(pieceLength);
  for (let from = take() * share; from < size; from = take() * share) {
    const end = Math.min(from + share, size);
    for (let at = from; at < end; at += PART_BYTES) yield { at, length: Math.min(PART_BYTES, end - at) };
  }
}

function next(parts: Generator<Part, undefined>): Part | undefined {
  return parts.next().value;
}

async function readPart(
  { reader, path }: HashTask,
  { at, length }: Part,
  into: Uint8Array,
): Promise<Uint8Array> {
  const bytes = into.subarray(0, length);
  if (await reader.read(bytes, at) === length) return bytes;
  throw new OperationFailed(`Cannot make a torrent of ${path}: it became shorter while it was hashed`);
}

function shareBytes(pieceLength: number): number {
  return Math.max(pieceLength, LEAST_SHARE_BYTES);
}

/** Small pieces are taken by the dozen: a disk likes long stretches, and threads need not meet for each. */
const LEAST_SHARE_BYTES = 8 << 20;
const SHA1_BYTES = 20;
