// The content of one torrent while it is fetched: takes blocks, which the sink hashes once and writes once, and says of
// every piece that is whole on disk whether it is good. It owns what is here, the picker, the sink, and the storage
// that it writes to; it knows peers only by number.
//
// v2 and hybrid: a piece is good when the merkle root of its blocks' hashes is the piece layer's hash; nothing is
// read back. v1: the piece is read back once and checked by SHA-1.

import { type ActivePiece, BLOCK_RECEIVED } from "./active_piece.ts";
import { Blame } from "./blame.ts";
import { BlockReuse, type OldBlocks } from "./block_reuse.ts";
import { BlockSink, type MillThreads } from "./block_sink.ts";
import { equalBytes } from "../bytes.ts";
import { MetainfoInvalid } from "../errors.ts";
import { expectedHash } from "./check.ts";
import { sha256Into } from "../hash.ts";
import { BLOCK_BYTES, type Layout, type PieceIndex } from "./layout.ts";
import { HASH_BYTES } from "./merkle.ts";
import type { Info } from "./metainfo.ts";
import { Picker } from "./picker.ts";
import { hasRoot, PieceHasher } from "./piece_hash.ts";
import type { PieceLayers } from "./piece_layers.ts";
import { PieceSet } from "./piece_set.ts";
import type { Storage } from "./storage.ts";

/** What became of a piece. */
export interface Verdict {
  readonly isGood: boolean;
  readonly piece: PieceIndex;
  /** Who sent what was wrong: of a bad piece known at once when one peer sent it all. */
  readonly guilty: ReadonlySet<number>;
  /** Who sent its last block. */
  readonly lastSender: number;
}

export class Download {
  readonly info: Info;
  readonly layout: Layout;
  /** undefined for a v1 torrent. */
  readonly layers: PieceLayers | undefined;
  readonly storage: Storage;
  /** Pieces that are here and good. */
  readonly here: PieceSet;
  /** Those among them that peers are told of and may have: all, or none where they do not stay. */
  readonly shown: PieceSet;
  readonly picker: Picker;
  readonly sink: BlockSink;
  /** What spares the line an older copy's blocks; undefined where there is none. */
  readonly reuse: BlockReuse | undefined;
  /** Pieces of which every block was found in one. */
  #adopted: ActivePiece[] = [];
  readonly #blame = new Blame();
  /** Reads back a hybrid's pieces that failed. */
  #hasher: PieceHasher | undefined;
  #doneBytes = 0;
  #wastedBytes = 0;

  constructor(options: {
    readonly info: Info;
    readonly layout: Layout;
    readonly layers: PieceLayers | undefined;
    readonly storage: Storage;
    readonly here: PieceSet;
    readonly random: () => number;
    /** Pieces do not stay once they were used: peers are told of none. */
    readonly isPassing?: boolean;
    /** Hashes and writes in another thread, where that is a gain; `paths` are the storage's. */
    readonly sharing?: { readonly threads: MillThreads; readonly paths: readonly string[] } | undefined;
    /** Not of a v1 torrent. */
    readonly old?: OldBlocks | undefined;
  }) {
    this.info = options.info;
    this.layout = options.layout;
    this.layers = options.layers;
    this.storage = options.storage;
    this.here = options.here;
    this.shown = options.isPassing === true ? new PieceSet(options.here.size) : options.here;
    const { layers } = options;
    this.picker = new Picker({
      layout: options.layout,
      here: options.here,
      random: options.random,
      isReady: layers === undefined ? () => true : (piece) => layers.knows(piece),
      keepHashes: layers !== undefined,
    });
    for (const piece of options.here) this.#doneBytes += this.#sizeOf(piece);
    const { layout, random, old } = options;
    if (old !== undefined && layers !== undefined) {
      const begin = this.#begin.bind(this);
      this.reuse = new BlockReuse({ layout, layers, picker: this.picker, random, begin, old });
    }
    this.sink = new BlockSink(options.layout, options.storage);
    const leftBytes = options.layout.totalLength - this.#doneBytes;
    if (options.sharing === undefined || leftBytes < WORTH_A_THREAD_BYTES) return;
    this.sink.share(options.sharing.threads, options.sharing.paths);
  }

  /** Bytes of pieces that are here and good. */
  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** Bytes that came for nothing: twice, or in a piece that failed. */
  get wastedBytes(): number {
    return this.#wastedBytes;
  }

  get isComplete(): boolean {
    return this.here.isFull;
  }

  /**
   * Takes a block that was asked for; what becomes of it `collect` tells.
   *
   * @param data A view that is not kept: exactly the block's size.
   * @returns Whether it was still missing.
   */
  receive(piece: PieceIndex, block: number, data: Uint8Array, sender: number): boolean {
    const active = this.picker.activePiece(piece);
    if (active === undefined || !this.#isNews(active, block)) {
      this.#wastedBytes += data.length;
      return false;
    }
    active.receive(block, sender);
    this.sink.put(active, block, data);
    return true;
  }

  /**
   * Tells of pieces that are whole on disk since the last call: to be called after each batch of blocks, and when the
   * sink wakes.
   *
   * @throws {NotEnoughSpace | PathUnusable} When something could not be written, after all that was; once.
   * @throws {MetainfoInvalid} When a piece shows that a hybrid's two sides are of different data.
   */
  collect(take: (verdict: Verdict) => void): void {
    for (const active of this.#adopted.splice(0)) take(this.#judge(active));
    for (const active of this.sink.collect()) take(this.#judge(active));
    const failure = this.sink.takeFailure();
    if (failure !== undefined) throw failure;
  }

  /** The true hashes of a failed piece's blocks are known. @returns Who had sent blocks that differ. */
  settle(piece: PieceIndex, leaves: Uint8Array): ReadonlySet<number> {
    return this.#blame.settle(piece, leaves);
  }

  /** Of a piece that was held: some of its blocks are on disk. */
  #begin(piece: PieceIndex, leaves: Uint8Array, found: Uint8Array): void {
    const active = this.picker.begin(piece);
    for (const [block, isFound] of found.entries()) {
      if (isFound === 1) active.adopt(block, leaves.subarray(HASH_BYTES * block, HASH_BYTES * (block + 1)));
    }
    if (active.isComplete) this.#adopted.push(active);
  }

  #isNews(active: ActivePiece, block: number): boolean {
    return active.states[block] !== undefined && active.states[block] !== BLOCK_RECEIVED;
  }

  #judge(active: ActivePiece): Verdict {
    const { piece, lastSender } = active;
    if (!this.#isGood(active)) {
      this.#wastedBytes += this.layout.pieceSize(piece);
      this.#refuseContradiction(piece);
      const guilty = this.#blame.fail(active, () => this.#hashesOf(active));
      this.picker.restart(active);
      return { isGood: false, piece, lastSender, guilty: guilty === undefined ? NOBODY : new Set([guilty]) };
    }
    this.here.add(piece);
    this.#doneBytes += this.layout.pieceSize(piece);
    const guilty = this.#blame.hasFailed(piece) ? this.#blame.settle(piece, this.#hashesOf(active)) : NOBODY;
    this.picker.finish(active);
    return { isGood: true, piece, lastSender, guilty };
  }

  /** Nobody lies who sends what a hybrid's v1 side wants, and nobody can send what both sides want. */
  #refuseContradiction(piece: PieceIndex): void {
    const { kind, piecesV1 } = this.info;
    if (kind !== "hybrid" || piecesV1 === undefined) return;
    this.#hasher ??= new PieceHasher(this.layout, this.storage);
    if (!equalBytes(this.#hasher.sha1Of(piece), piecesV1.subarray(20 * piece, 20 * piece + 20))) return;
    throw new MetainfoInvalid(`its v1 and v2 hashes disagree on piece ${piece}`);
  }

  #isGood(active: ActivePiece): boolean {
    const { piece } = active;
    if (this.layers === undefined) {
      return active.readBack !== undefined && equalBytes(active.readBack, expectedHash(this, piece));
    }
    const hash = this.layers.hashOf(piece);
    return hash !== undefined && hasRoot(this.layout, piece, active.hashes, hash);
  }

  /** Hashes of a whole piece's blocks. v1 needs them only to find who is to blame, and then reads the piece back. */
  #hashesOf(active: ActivePiece): Uint8Array {
    if (this.layers !== undefined) return active.hashes;
    const { piece, blockCount } = active;
    const hashes = new Uint8Array(HASH_BYTES * blockCount);
    const buffer = new Uint8Array(BLOCK_BYTES);
    for (let block = 0; block < blockCount; block++) {
      const data = buffer.subarray(0, this.layout.blockSize(piece, block));
      this.storage.read(piece, block * BLOCK_BYTES, data);
      sha256Into(data, hashes, block * HASH_BYTES);
    }
    return hashes;
  }

  #sizeOf(piece: number): number {
    const index = this.layout.piece(piece);
    return index === undefined ? 0 : this.layout.pieceSize(index);
  }
}

const NOBODY: ReadonlySet<number> = new Set();
/** Less is here before a thread has started. */
const WORTH_A_THREAD_BYTES = 32 << 20;
