// What a piece's hash is over the bytes that lie on disk: the merkle root of its blocks (BEP 52) or, in a v1 torrent,
// SHA-1 (BEP 3). One buffer for all pieces. Zeros are compared instead of hashed, some ten times faster: what was
// never written to is a hole in a sparse file, and reads as zeros.

import { equalBytes } from "../bytes.ts";
import { SnapError, VerificationFailed } from "../errors.ts";
import { leavesInto, PART_BYTES, Sha1Sum } from "./content_sums.ts";
import { BLOCK_BYTES, type Layout, type PieceIndex } from "./layout.ts";
import { ceil2, HASH_BYTES, rootOf, zeroHash } from "./merkle.ts";
import type { Storage } from "./storage.ts";

/** Takes each part of a piece as it is read; the bytes are good until it returns. */
export type Tee = (begin: number, bytes: Uint8Array) => void;

/**
 * The merkle root that stands for a piece: over all its blocks' places when its file has a piece layer, over the
 * file's own blocks when the file is one piece.
 *
 * @param blockHashes 32 bytes per block of the piece.
 */
export function pieceRoot(layout: Layout, piece: PieceIndex, blockHashes: Uint8Array): Uint8Array {
  const isWholeFile = layout.pieceCountOf(layout.fileIndexOf(piece)) === 1;
  const width = isWholeFile ? ceil2(layout.blockCount(piece)) : layout.blocksPerPiece;
  return rootOf(blockHashes, width, zeroHash(0));
}

/** Whether a piece of those blocks has that hash. Of a piece that is one block nothing is computed. */
export function hasRoot(
  layout: Layout,
  piece: PieceIndex,
  blockHashes: Uint8Array,
  root: Uint8Array,
): boolean {
  const isOneBlock = layout.blocksPerPiece === 1;
  return equalBytes(isOneBlock ? blockHashes : pieceRoot(layout, piece, blockHashes), root);
}

export class PieceHasher {
  readonly #layout: Layout;
  readonly #storage: Storage;
  readonly #beforeRead: () => void;
  readonly #buffer: Uint8Array;
  readonly #zeroSums = new Map<number, Uint8Array>();

  /** @param beforeRead Called every MiB or so; may throw to end a hash in its middle. */
  constructor(layout: Layout, storage: Storage, beforeRead: () => void = () => {}) {
    this.#layout = layout;
    this.#storage = storage;
    this.#beforeRead = beforeRead;
    this.#buffer = new Uint8Array(
      Math.min(Math.ceil(layout.pieceLength / BLOCK_BYTES) * BLOCK_BYTES, PART_BYTES),
    );
  }

  /** 32 bytes, or 20 in a v1 torrent; undefined when the piece is not all there. */
  hashOf(piece: PieceIndex, tee?: Tee): Uint8Array | undefined {
    try {
      return this.#layout.kind === "v1" ? this.#sha1Of(piece, tee) : this.#rootOf(piece, tee);
    } catch (error) {
      if (error instanceof VerificationFailed) return undefined;
      throw error;
    }
  }

  /** SHA-256 of each of a v2 piece's blocks, 32 bytes each; undefined when the piece is not all there. */
  leavesOf(piece: PieceIndex): Uint8Array | undefined {
    try {
      return this.#blockHashes(piece, undefined);
    } catch (error) {
      // A stranger asked: a disk that does not give it must not end the run.
      if (error instanceof SnapError) return undefined;
      throw error;
    }
  }

  /** A hybrid's piece by its v1 side, 20 bytes: without padding, so only of pieces that end with data. */
  sha1Of(piece: PieceIndex): Uint8Array {
    return this.#sha1Of(piece, undefined);
  }

  #rootOf(piece: PieceIndex, tee: Tee | undefined): Uint8Array {
    return pieceRoot(this.#layout, piece, this.#blockHashes(piece, tee));
  }

  #blockHashes(piece: PieceIndex, tee: Tee | undefined): Uint8Array {
    const hashes = new Uint8Array(HASH_BYTES * this.#layout.blockCount(piece));
    for (const { begin, bytes } of this.#parts(piece)) {
      leavesInto(bytes, hashes, begin / BLOCK_BYTES * HASH_BYTES);
      tee?.(begin, bytes);
    }
    return hashes;
  }

  #sha1Of(piece: PieceIndex, tee: Tee | undefined): Uint8Array {
    const sum = new Sha1Sum(this.#zeroSums);
    for (const { begin, bytes } of this.#parts(piece)) {
      tee?.(begin, bytes);
      sum.update(bytes);
    }
    return sum.digest();
  }

  *#parts(piece: PieceIndex): Generator<{ begin: number; bytes: Uint8Array }> {
    const size = this.#layout.pieceSize(piece);
    for (let begin = 0; begin < size; begin += this.#buffer.length) {
      this.#beforeRead();
      const bytes = this.#buffer.subarray(0, Math.min(this.#buffer.length, size - begin));
      this.#storage.read(piece, begin, bytes);
      yield { begin, bytes };
    }
  }
}
