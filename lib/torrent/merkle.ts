// The merkle tree of one file (BEP 52): roots, nodes, and the answers and proofs of hash requests.
//
// Levels count from the leaves: level 0 hashes 16 KiB blocks, level j has one node for 2^j of them, the root is
// alone on its level. Hashes lie side by side in one array, 32 bytes each. Nodes beyond the data are never stored:
// on level j they all equal zeroHash(j).

import { equalBytes } from "../bytes.ts";
import { sha256 } from "../hash.ts";
import { hashPair } from "./hash_pair.ts";
import { BLOCK_BYTES } from "./layout.ts";

/** Bytes of a node. */
export const HASH_BYTES = 32;

/** Most hashes one answer may carry besides its uncles, as libtorrent (256 KiB); all leaves of a 128 MiB piece. */
export const MAX_HASHES_PER_REQUEST = 8192;

/** What a hash request (21) asks of one file's tree; all are integers from 0 to 2^32 - 1. */
export interface HashRequest {
  /** Level of the hashes asked for. */
  readonly base: number;
  /** The first one's place on that level. */
  readonly index: number;
  readonly count: number;
  /** Levels above `base` that the proof must reach; the root's children are level rootLevel - 1. */
  readonly proofLayers: number;
}

/** The least power of two that is not below n. @param n 1 to 2^52. */
export function ceil2(n: number): number {
  let power = 1;
  while (power < n) power *= 2;
  return power;
}

/** k of 2^k. @throws {RangeError} When it is not a power of two. */
export function log2Exact(powerOfTwo: number): number {
  if (!isPowerOfTwo(powerOfTwo)) throw new RangeError(`${powerOfTwo} is not a power of two`);
  return Math.log2(powerOfTwo);
}

/** Whether n is 2^k with k an integer of at least 0. */
export function isPowerOfTwo(n: number): boolean {
  return n >= 1 && 2 ** Math.round(Math.log2(n)) === n;
}

/** The hash that a level has where no data is: the root over 2^level zero leaves. A shared array: don't write. */
export function zeroHash(level: number): Uint8Array {
  while (ZERO_HASHES.length <= level) {
    const below = ZERO_HASHES[ZERO_HASHES.length - 1]!;
    const next = new Uint8Array(HASH_BYTES);
    hashPair(below, 0, below, 0, next, 0);
    ZERO_HASHES.push(next);
  }
  return ZERO_HASHES[level]!;
}

/** The leaves of some data that begins at a block: one hash per block, a short last block hashed as it is. */
export function blockHashes(data: Uint8Array): Uint8Array {
  const hashes = new Uint8Array(Math.ceil(data.length / BLOCK_BYTES) * HASH_BYTES);
  let to = 0;
  for (let at = 0; at < data.length; at += BLOCK_BYTES, to += HASH_BYTES) {
    hashes.set(sha256(data.subarray(at, at + BLOCK_BYTES)), to);
  }
  return hashes;
}

/**
 * The root over `width` nodes of one level: the hashes given, then `pad`. Takes 0.9 ms for 2048 hashes.
 *
 * @param hashes 32 bytes each; only read.
 * @param width A power of two, not below their number.
 * @returns 32 fresh bytes.
 * @throws {RangeError} When the width is not such.
 */
export function rootOf(hashes: Uint8Array, width: number, pad: Uint8Array): Uint8Array {
  let count = hashes.length >>> 5;
  if (count > width) throw new RangeError(`${count} hashes don't fit a width of ${width}`);
  let source = hashes;
  let padding = pad;
  const scratch = new Uint8Array(((count + 1) >>> 1) * HASH_BYTES);
  for (let level = log2Exact(width); level > 0; level--) {
    foldLevel(source, count, padding, scratch);
    source = scratch;
    count = (count + 1) >>> 1;
    if (count < 2 ** (level - 1)) padding = parentOf(padding, padding);
  }
  return count === 0 ? padding.slice() : source.slice(0, HASH_BYTES);
}

/** H(left | right), 32 fresh bytes. */
export function parentOf(left: Uint8Array, right: Uint8Array): Uint8Array {
  const parent = new Uint8Array(HASH_BYTES);
  hashPair(left, 0, right, 0, parent, 0);
  return parent;
}

/** Climbs from a node to where the uncles end. @param index The node's place on its level. @param uncles Lowest first. */
export function foldProof(node: Uint8Array, index: number, uncles: Uint8Array): Uint8Array {
  const folded = node.slice(0, HASH_BYTES);
  for (let at = 0, place = index; at < uncles.length; at += HASH_BYTES, place = Math.floor(place / 2)) {
    if (isRightChild(place)) hashPair(uncles, at, folded, 0, folded, 0);
    else hashPair(folded, 0, uncles, at, folded, 0);
  }
  return folded;
}

/**
 * Whether hashes of one level belong to a tree with this root.
 *
 * @param proof.layers Levels from those hashes up to `root`. A proof of another height is refused: with it, nodes of
 * one level could be passed off as another's.
 * @param proof.count A power of two; `index` a multiple of it; `hashes` has 32 bytes for each.
 * @param proof.uncles From the sibling of the subtree's root up to the child of `root`; empty when they are the tree.
 */
export function verifyProof(
  proof: {
    readonly root: Uint8Array;
    readonly layers: number;
    readonly index: number;
    readonly count: number;
    readonly hashes: Uint8Array;
    readonly uncles: Uint8Array;
  },
): boolean {
  const { root, layers, index, count, hashes, uncles } = proof;
  if (!isAlignedSpan(index, count) || index + count > 2 ** layers) return false;
  if (hashes.length !== count * HASH_BYTES) return false;
  if (uncles.length !== (layers - log2Exact(count)) * HASH_BYTES) return false;
  const subtree = rootOf(hashes, count, hashes);
  return equalBytes(foldProof(subtree, index / count, uncles), root);
}

/**
 * Whether a valid answer to a request exists in a tree of this height: a span that is one subtree, a proof that
 * ends below the root.
 *
 * @see BEP 52, "hash request"; a count of 1 is libtorrent's.
 */
export function isAnswerable(request: HashRequest, rootLevel: number): boolean {
  const { base, index, count, proofLayers } = request;
  return base < rootLevel && proofLayers < rootLevel - base && count <= MAX_HASHES_PER_REQUEST &&
    isAlignedSpan(index, count) && index + count <= 2 ** (rootLevel - base);
}

/** How many uncles follow the hashes in the answer. A lone hash (count 1) brings its own sibling too. */
export function uncleCount(request: HashRequest): number {
  return Math.max(0, request.proofLayers + 1 - log2Exact(request.count));
}

/**
 * The hashes that answer a request (22): `count` of them, then the uncles from the bottom up.
 *
 * @param node Looks a node up, padding included; undefined when it is not known.
 * @returns Fresh bytes; undefined when no answer exists or a node is missing.
 * @see BEP 52, "hash request"
 */
export function answerRequest(
  request: HashRequest,
  rootLevel: number,
  node: (level: number, index: number) => Uint8Array | undefined,
): Uint8Array | undefined {
  if (!isAnswerable(request, rootLevel)) return undefined;
  const { base, index, count } = request;
  const uncles = uncleCount(request);
  const answer = new Uint8Array((count + uncles) * HASH_BYTES);
  for (let i = 0; i < count; i++) {
    const hash = node(base, index + i);
    if (hash === undefined) return undefined;
    answer.set(hash, i * HASH_BYTES);
  }
  const level = base + log2Exact(count);
  for (let i = 0, place = index / count; i < uncles; i++, place = Math.floor(place / 2)) {
    const hash = node(level + i, isRightChild(place) ? place - 1 : place + 1);
    if (hash === undefined) return undefined;
    answer.set(hash, (count + i) * HASH_BYTES);
  }
  return answer;
}

/** A whole tree, or the part of one above a level, with every node that covers data in memory: 64 bytes per hash. */
export class MerkleTree {
  /** Level of the hashes it was made from. */
  readonly level: number;
  readonly rootLevel: number;
  /** One array per level from `level` up, data only. */
  readonly #levels: Uint8Array[];

  /**
   * @param options.hashes At least one; kept, not copied.
   * @param options.rootLevel Default: as low as the hashes allow. Higher pads: a piece is as high as its length.
   */
  constructor(
    options: { readonly hashes: Uint8Array; readonly level?: number; readonly rootLevel?: number },
  ) {
    const { hashes, level = 0 } = options;
    let count = hashes.length >>> 5;
    if (count === 0 || hashes.length % HASH_BYTES !== 0) {
      throw new RangeError(`${hashes.length} bytes are not one hash or more`);
    }
    this.level = level;
    this.rootLevel = options.rootLevel ?? level + log2Exact(ceil2(count));
    if (count > 2 ** (this.rootLevel - level)) throw new RangeError(`${count} hashes are too many`);
    this.#levels = [hashes];
    for (let at = level, below = hashes; at < this.rootLevel; at++) {
      const next = new Uint8Array(((count + 1) >>> 1) * HASH_BYTES);
      foldLevel(below, count, zeroHash(at), next);
      this.#levels.push(next);
      below = next;
      count = (count + 1) >>> 1;
    }
  }

  /** 32 bytes, a view. */
  get root(): Uint8Array {
    return this.#levels[this.#levels.length - 1]!;
  }

  /** A node as a view, padding included; undefined below the tree's own level or outside it. */
  node(level: number, index: number): Uint8Array | undefined {
    if (level < this.level || level > this.rootLevel || index >= 2 ** (this.rootLevel - level)) {
      return undefined;
    }
    const hashes = this.#levels[level - this.level]!;
    const at = index * HASH_BYTES;
    return at < hashes.length ? hashes.subarray(at, at + HASH_BYTES) : zeroHash(level);
  }

  /** What a request for this tree gets; see answerRequest(). */
  answer(request: HashRequest): Uint8Array | undefined {
    return answerRequest(request, this.rootLevel, (level, index) => this.node(level, index));
  }
}

/** The level above `count` hashes; a last one without a sibling is paired with the padding. */
function foldLevel(hashes: Uint8Array, count: number, padding: Uint8Array, into: Uint8Array): void {
  const pairs = count >>> 1;
  for (let i = 0; i < pairs; i++) {
    hashPair(hashes, 2 * i * HASH_BYTES, hashes, (2 * i + 1) * HASH_BYTES, into, i * HASH_BYTES);
  }
  if ((count & 1) === 1) {
    hashPair(hashes, (count - 1) * HASH_BYTES, padding, 0, into, pairs * HASH_BYTES);
  }
}

/** Whether a span covers exactly one subtree: a power of two, at a multiple of itself. */
function isAlignedSpan(index: number, count: number): boolean {
  return isPowerOfTwo(count) && index % count === 0;
}

function isRightChild(index: number): boolean {
  return (index & 1) === 1;
}

const ZERO_HASHES: Uint8Array[] = [new Uint8Array(HASH_BYTES)];
