// Answers hash requests (BEP 52). Piece layers and what is above them come from memory; what is below a piece's hash
// is read from the disk and hashed when somebody asks (keeping 32 bytes per block for ever would be 200 MB per
// 100 GiB), the last few pieces kept. Reading is rationed: a stranger may ask for any piece of a large file.

import type { Download } from "./download.ts";
import { equalBytes } from "../bytes.ts";
import { answerRequest, ceil2, isAnswerable, log2Exact, MerkleTree } from "./merkle.ts";
import type { PieceIndex } from "./layout.ts";
import type { PieceLayers } from "./piece_layers.ts";
import { PieceHasher } from "./piece_hash.ts";
import type { HashSpan } from "./wire.ts";

/** Trees of pieces kept: libtorrent asks for the same again every few seconds. 128 KiB each at 32 MiB pieces. */
const MAX_TREES = 8;
/** Pieces read for strangers per second, and how many may come at once: 32 MiB takes some 40 ms. */
const PIECES_PER_MS = 2 / 1000;
const MOST_PIECES_AT_ONCE = 4;

export class HashService {
  readonly #layers: PieceLayers;
  readonly #download: () => Download | undefined;
  readonly #trees = new Map<number, MerkleTree>();
  #allowance = MOST_PIECES_AT_ONCE;
  #filledMs = 0;

  /** @param download What is on disk; undefined until that is known. */
  constructor(layers: PieceLayers, download: () => Download | undefined) {
    this.#layers = layers;
    this.#download = download;
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
    if (!this.#mayRead(nowMs)) return "later";
    const { layout, storage } = download;
    const hashes = new PieceHasher(layout, storage).leavesOf(piece);
    if (hashes === undefined) return undefined;
    const isWholeFile = layout.pieceCountOf(layout.fileIndexOf(piece)) === 1;
    const rootLevel = log2Exact(isWholeFile ? ceil2(layout.blockCount(piece)) : layout.blocksPerPiece);
    const tree = new MerkleTree({ hashes, level: 0, rootLevel });
    this.#trees.set(piece, tree);
    if (this.#trees.size > MAX_TREES) this.#trees.delete(this.#trees.keys().next().value!);
    return tree;
  }

  #mayRead(nowMs: number): boolean {
    const gained = Math.max(0, nowMs - this.#filledMs) * PIECES_PER_MS;
    this.#allowance = Math.min(MOST_PIECES_AT_ONCE, this.#allowance + gained);
    this.#filledMs = Math.max(this.#filledMs, nowMs);
    if (this.#allowance < 1) return false;
    this.#allowance--;
    return true;
  }
}
