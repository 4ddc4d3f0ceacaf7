// Answers hash requests (BEP 52). Piece layers and what is above them come from memory; what is below a piece's hash
// is read from the disk and hashed when somebody asks (keeping 32 bytes per block for ever would be 200 MB per
// 100 GiB), the last few pieces kept. Reading is rationed: a stranger may ask for any piece of a large file.

import type { Download } from "./download.ts";
import { equalBytes } from "../bytes.ts";
import { answerRequest, ceil2, HASH_BYTES, isAnswerable, log2Exact, MerkleTree } from "./merkle.ts";
import type { PieceIndex } from "./layout.ts";
import type { PieceLayers } from "./piece_layers.ts";
import { PieceHasher } from "./piece_hash.ts";
import type { HashSpan } from "./wire.ts";

/**
 * Memory for trees of pieces that were read: libtorrent asks for the same again every few seconds, and mirrors that go
 * from one snapshot to the next ask for the same pieces. 128 KiB each at 32 MiB pieces, 16 KiB at 4 MiB.
 */
const TREES_BYTES = 2 << 20;
/**
 * What is read for strangers per second, and how much may come at once. 128 MiB take some 100 ms of one core, and are
 * what a ledger of 4 MiB pieces is compared at by one who asks nobody else.
 */
const READING: Reading = { bytesPerSecond: 128 << 20, bytesAtOnce: 128 << 20 };

/** How much may be read for those who ask for what is below a piece's hash. */
export interface Reading {
  readonly bytesPerSecond: number;
  readonly bytesAtOnce: number;
}

export class HashService {
  readonly #layers: PieceLayers;
  readonly #download: () => Download | undefined;
  readonly #trees = new Map<number, MerkleTree>();
  readonly #reading: Reading;
  #allowance: number;
  #filledMs = 0;

  /** @param download What is on disk; undefined until that is known. */
  constructor(layers: PieceLayers, download: () => Download | undefined, reading: Reading = READING) {
    this.#layers = layers;
    this.#download = download;
    this.#reading = reading;
    this.#allowance = reading.bytesAtOnce;
  }

  /**
   * @returns The hashes, fresh bytes; undefined for what cannot be answered: then reject. "later" for what would be read
   * from the disk too soon after others: then ask again.
   */
  answer(span: HashSpan, nowMs: number): Uint8Array | "later" | undefined {
    const upper = this.#layers.treeOf(span.root);
    const fromMemory = upper?.answer(span);
    if (fromMemory !== undefined) return fromMemory;
    const piece = this.#pieceOf(span);
    const tree = piece === undefined ? undefined : this.#treeOf(piece, nowMs);
    if (tree === "later") return "later";
    if (piece === undefined || tree === undefined) return undefined;
    if (upper === undefined) return tree.answer(span);
    const pieceInFile = this.#download()!.layout.pieceInFile(piece);
    return answerRequest(span, upper.rootLevel, (level, index) => {
      if (level >= upper.level) return upper.node(level, index);
      // The request lies inside one piece, and so do the uncles below the piece's own hash.
      return tree.node(level, index - pieceInFile * 2 ** (tree.rootLevel - level));
    });
  }

  /** The piece that the request lies in; undefined when it spans several, or is no request that has an answer. */
  #pieceOf(span: HashSpan): PieceIndex | undefined {
    const download = this.#download();
    if (download === undefined) return undefined;
    const { layout } = download;
    const file = layout.files.findIndex(({ piecesRoot }) =>
      piecesRoot !== undefined && equalBytes(piecesRoot, span.root)
    );
    if (file < 0) return undefined;
    const pieces = layout.pieceCountOf(file);
    const first = layout.piece(layout.firstPieceOf(file))!;
    const blocks = pieces === 1 ? ceil2(layout.blockCount(first)) : layout.blocksPerPiece;
    const rootLevel = log2Exact(blocks) + log2Exact(ceil2(pieces));
    const width = blocks / 2 ** span.base;
    if (!isAnswerable(span, rootLevel) || span.count > width) return undefined;
    const pieceInFile = Math.floor(span.index / width);
    return pieceInFile < pieces ? layout.piece(first + pieceInFile) : undefined;
  }

  #treeOf(piece: PieceIndex, nowMs: number): MerkleTree | "later" | undefined {
    const known = this.#trees.get(piece);
    if (known !== undefined) return known;
    const download = this.#download()!;
    if (!download.shown.has(piece)) return undefined;
    const { layout, storage } = download;
    if (!this.#mayRead(layout.pieceSize(piece), nowMs)) return "later";
    const hashes = new PieceHasher(layout, storage).leavesOf(piece);
    if (hashes === undefined) return undefined;
    const isWholeFile = layout.pieceCountOf(layout.fileIndexOf(piece)) === 1;
    const rootLevel = log2Exact(isWholeFile ? ceil2(layout.blockCount(piece)) : layout.blocksPerPiece);
    const tree = new MerkleTree({ hashes, level: 0, rootLevel });
    this.#trees.set(piece, tree);
    const most = Math.max(1, TREES_BYTES / (2 * HASH_BYTES * layout.blocksPerPiece));
    if (this.#trees.size > most) this.#trees.delete(this.#trees.keys().next().value!);
    return tree;
  }

  /** A piece that is larger than all that may come at once is read when nothing was for long enough. */
  #mayRead(bytes: number, nowMs: number): boolean {
    const { bytesPerSecond, bytesAtOnce } = this.#reading;
    const gained = Math.max(0, nowMs - this.#filledMs) * bytesPerSecond / 1000;
    this.#allowance = Math.min(bytesAtOnce, this.#allowance + gained);
    this.#filledMs = Math.max(this.#filledMs, nowMs);
    if (this.#allowance < Math.min(bytes, bytesAtOnce)) return false;
    this.#allowance -= bytes;
    return true;
  }
}
