// Hashes of content in the order it is read: SHA-256 of its blocks, SHA-1 of any stretch of it. Zeros are compared
// instead of hashed, some ten times faster: what was never written to is a hole in a sparse file, and reads as zeros.

import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { sha256, sha256Into } from "../hash.ts";
import { BLOCK_BYTES } from "./layout.ts";
import { HASH_BYTES } from "./merkle.ts";

/** Most bytes that are hashed at once: a multiple of the block, large enough for a disk to read ahead. */
export const PART_BYTES = 1 << 20;

/**
 * Writes the leaf of each block (BEP 52) to `into` from `at` on, 32 bytes each.
 *
 * @param bytes At most PART_BYTES that begin at a block; a short last block is hashed as it is.
 */
export function leavesInto(bytes: Uint8Array, into: Uint8Array, at: number): void {
  for (let from = 0, to = at; from < bytes.length; from += BLOCK_BYTES, to += HASH_BYTES) {
    const block = bytes.subarray(from, from + BLOCK_BYTES);
    if (block.length === BLOCK_BYTES && isZero(block)) into.set(ZERO_LEAF, to);
    else sha256Into(block, into, to);
  }
}

/** SHA-1 of some bytes in order. */
export class Sha1Sum {
  readonly #known: Map<number, Uint8Array>;
  #sum: Hash | undefined;
  /** Zeros at the begin that were not given to the sum. */
  #zeros = 0;

  /** @param known What was learnt of zeros, by their number: one map for many sums. */
  constructor(known: Map<number, Uint8Array>) {
    this.#known = known;
  }

  /** @param bytes At most PART_BYTES. */
  update(bytes: Uint8Array): void {
    if (this.#sum === undefined && isZero(bytes)) this.#zeros += bytes.length;
    else (this.#sum ??= sumOfZeros(this.#zeros)).update(bytes);
  }

  /** 20 bytes, only to be read. To be called once. */
  digest(): Uint8Array {
    if (this.#sum !== undefined) return this.#sum.digest();
    const digest = this.#known.get(this.#zeros) ?? sumOfZeros(this.#zeros).digest();
    this.#known.set(this.#zeros, digest);
    return digest;
  }
}

function sumOfZeros(count: number): Hash {
  const sum = createHash("sha1");
  for (let left = count; left > 0; left -= Math.min(left, PART_BYTES)) sum.update(ZEROS.subarray(0, left));
  return sum;
}

/** The comparison is native; the first byte spares it where there is data. */
function isZero(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;
}

const ZEROS = new Uint8Array(PART_BYTES);
const ZERO_LEAF = sha256(ZEROS.subarray(0, BLOCK_BYTES));
