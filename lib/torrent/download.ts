// The content of one torrent while it is fetched: takes blocks, hashes each once, writes each once, and says of every
// whole piece whether it is good. It owns what is here, the picker, and the storage it writes to; it knows peers
// only by number.
//
// v2 and hybrid: a piece is good when the merkle root of its blocks' hashes is the piece layer's hash; nothing is
// read back. v1: the piece is read back once and checked by SHA-1.

import { type ActivePiece, BLOCK_RECEIVED } from "./active_piece.ts";
import { Blame } from "./blame.ts";
import { equalBytes } from "../bytes.ts";
import { MetainfoInvalid } from "../errors.ts";
import { expectedHash } from "./check.ts";
import { sha256Into } from "../hash.ts";
import { BLOCK_BYTES, type Layout, type PieceIndex } from "./layout.ts";
import { HASH_BYTES } from "./merkle.ts";
import type { Info } from "./metainfo.ts";
import { Picker } from "./picker.ts";
import { PieceHasher, pieceRoot } from "./piece_hash.ts";
import type { PieceLayers } from "./piece_layers.ts";
import { PieceSet } from "./piece_set.ts";
import type { Storage } from "./storage.ts";

/** What became of a block. */
export type BlockOutcome =
  | { readonly kind: "taken" | "duplicate" }
  | { readonly kind: "good"; readonly piece: PieceIndex; readonly guilty: ReadonlySet<number> }
  /** The piece failed its hash. `guilty` is known at once when one peer sent it all. */
  | { readonly kind: "bad"; readonly piece: PieceIndex; readonly guilty: ReadonlySet<number> };

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
  readonly #blame = new Blame();
  /** Reads pieces back: a v1 torrent's all, a hybrid's that failed. */
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
      isReady: layers === undefined ? () => true : (piece) => layers.hashOf(piece) !== undefined,
      keepHashes: layers !== undefined,
    });
    for (const piece of options.here) this.#doneBytes += this.#sizeOf(piece);
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
   * Takes a block that was asked for.
   *
   * @param data A view that is not kept: exactly the block's size.
   * @throws {NotEnoughSpace} When it cannot be written; the block counts as not received.
   * @throws {MetainfoInvalid} When the piece shows that a hybrid's two sides are of different data.
   */
  receive(piece: PieceIndex, block: number, data: Uint8Array, sender: number): BlockOutcome {
    const active = this.picker.activePiece(piece);
    if (active === undefined || !this.#isNews(active, block)) {
      this.#wastedBytes += data.length;
      return DUPLICATE;
    }
    this.storage.write(piece, block * BLOCK_BYTES, data);
    if (active.hashes.length > 0) sha256Into(data, active.hashes, block * HASH_BYTES);
    active.receive(block, sender);
    return active.isComplete ? this.#judge(active) : TAKEN;
  }

  /** The true hashes of a failed piece's blocks are known. @returns Who had sent blocks that differ. */
  settle(piece: PieceIndex, leaves: Uint8Array): ReadonlySet<number> {
    return this.#blame.settle(piece, leaves);
  }

  #isNews(active: ActivePiece, block: number): boolean {
    return active.states[block] !== undefined && active.states[block] !== BLOCK_RECEIVED;
  }

  #judge(active: ActivePiece): BlockOutcome {
    const { piece } = active;
    if (!this.#isGood(active)) {
      this.#wastedBytes += this.layout.pieceSize(piece);
      this.#refuseContradiction(piece);
      const guilty = this.#blame.fail(active, () => this.#hashesOf(active));
      this.picker.restart(active);
      return { kind: "bad", piece, guilty: guilty === undefined ? NOBODY : new Set([guilty]) };
    }
    this.picker.finish(active);
    this.here.add(piece);
    this.#doneBytes += this.layout.pieceSize(piece);
    return {
      kind: "good",
      piece,
      guilty: this.#blame.hasFailed(piece) ? this.#blame.settle(piece, this.#hashesOf(active)) : NOBODY,
    };
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
      this.#hasher ??= new PieceHasher(this.layout, this.storage);
      const hash = this.#hasher.hashOf(piece);
      return hash !== undefined && equalBytes(hash, expectedHash(this, piece));
    }
    const hash = this.layers.hashOf(piece);
    return hash !== undefined && equalBytes(pieceRoot(this.layout, piece, active.hashes), hash);
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

const TAKEN: BlockOutcome = { kind: "taken" };
const DUPLICATE: BlockOutcome = { kind: "duplicate" };
const NOBODY: ReadonlySet<number> = new Set();
