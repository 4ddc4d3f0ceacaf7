// What a piece's hash is over the bytes that lie on disk: the merkle root of its blocks (BEP 52) or, in a v1 torrent,
// SHA-1 (BEP 3). One buffer for all pieces. Zeros are compared instead of hashed, some ten times faster: what was
// never written to is a hole in a sparse file, and reads as zeros.

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { VerificationFailed } from "../errors.ts";
import { sha256 } from "../hash.ts";
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

export class PieceHasher {
  readonly #layout: Layout;
  readonly #storage: Storage;
  readonly #beforeRead: () => void;
  readonly #buffer: Uint8Array;
  /** SHA-1 of that many zeros. */
  readonly #zeroSums = new Map<number, Uint8Array>();

  /** @param beforeRead Called every MiB or so; may throw to end a hash in its middle. */
  constructor(layout: Layout, storage: Storage, beforeRead: () => void = () => {}) {
    this.#layout = layout;
    this.#storage = storage;
    this.#beforeRead = beforeRead;
    this.#buffer = new Uint8Array(
      Math.min(Math.ceil(layout.pieceLength / BLOCK_BYTES) * BLOCK_BYTES, READ_BYTES),
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
      if (error instanceof VerificationFailed) return undefined;
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
      let to = begin / BLOCK_BYTES * HASH_BYTES;
      for (let from = 0; from < bytes.length; from += BLOCK_BYTES, to += HASH_BYTES) {
        hashes.set(leafOf(bytes.subarray(from, from + BLOCK_BYTES)), to);
      }
      tee?.(begin, bytes);
    }
    return hashes;
  }

  #sha1Of(piece: PieceIndex, tee: Tee | undefined): Uint8Array {
    const sum = createHash("sha1");
    /** Zeros at the piece's begin that were not given to the sum. */
    let zeros = 0;
    let isAllZeros = true;
    for (const { begin, bytes } of this.#parts(piece)) {
      tee?.(begin, bytes);
      if (isAllZeros && isZero(bytes)) {
        zeros += bytes.length;
        continue;
      }
      isAllZeros = false;
      for (; zeros > 0; zeros -= Math.min(zeros, ZEROS.length)) sum.update(ZEROS.subarray(0, zeros));
      sum.update(bytes);
    }
    if (!isAllZeros) return sum.digest();
    const known = this.#zeroSums.get(zeros);
    if (known !== undefined) return known;
    const length = zeros;
    for (; zeros > 0; zeros -= Math.min(zeros, ZEROS.length)) sum.update(ZEROS.subarray(0, zeros));
    const fresh = sum.digest();
    this.#zeroSums.set(length, fresh);
    return fresh;
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

/** SHA-256 of one block. */
function leafOf(block: Uint8Array): Uint8Array {
  return block.length === BLOCK_BYTES && isZero(block) ? ZERO_LEAF : sha256(block);
}

/** The comparison is native; the first byte spares it where there is data. @param bytes At most READ_BYTES. */
function isZero(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;
}

/** A multiple of the block, large enough for a disk to read ahead. */
const READ_BYTES = 1 << 20;
const ZEROS = new Uint8Array(READ_BYTES);
const ZERO_LEAF = sha256(ZEROS.subarray(0, BLOCK_BYTES));
