// Piece, block and file arithmetic: the only file that divides. All numbers are bytes or counts, exact up to 2^53;
// offsets are multiplied, never shifted, because files are larger than 2^32.
//
// The torrent's byte space has the files in order with gaps between them: in v2 and hybrid torrents each file that
// is not empty begins a piece, in v1 torrents a gap is a padding file. Gaps hold zeros and are stored nowhere.
//
// The size of a piece is what its blocks cover: in v2 and hybrid torrents the file's bytes only, in v1 torrents all
// of the byte space, padding included, as SHA-1 is over both.

import { invariant } from "../errors.ts";
import type { Info, TorrentFile } from "./info.ts";

/** Bytes of a block: what a request names and a leaf hashes (BEP 3, BEP 52). */
export const BLOCK_BYTES = 16384;

declare const brand: unique symbol;
/** A piece number known to lie inside its torrent. Only `Layout.piece` makes one. */
export type PieceIndex = number & { readonly [brand]: "PieceIndex" };

/** Some bytes of a piece that lie side by side in one file, or in none. */
export interface Span {
  /** Index in `Layout.files`; undefined for padding, which is zeros. */
  readonly file: number | undefined;
  /** Where in the file; 0 for padding. */
  readonly at: number;
  readonly length: number;
}

/** What a layout is made from. */
export interface LayoutSource extends Pick<Info, "kind" | "pieceLength" | "pieceCount" | "files"> {
  /** Where the byte space of a v1 torrent ends, padding after its last file included; unused for others. */
  readonly paddedLength?: number;
}

/** Where each piece, block and file of one torrent lies. */
export class Layout {
  readonly kind: Info["kind"];
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly files: readonly TorrentFile[];
  /** Bytes of all files, without padding. */
  readonly totalLength: number;
  /** Whether the byte space is one file and nothing else: then `offset` is the place in it. */
  readonly single: boolean;
  /** That file; in other torrents the first that is not empty. */
  readonly singleFile: number;
  /** Where the byte space ends. */
  readonly #end: number;
  /** The files that are not empty, by offset: their indices, and where they begin. */
  readonly #filled: readonly number[];
  readonly #starts: readonly number[];

  private constructor(source: LayoutSource) {
    this.kind = source.kind;
    this.pieceLength = source.pieceLength;
    this.pieceCount = source.pieceCount;
    this.files = source.files;
    this.#filled = [...source.files.keys()].filter((i) => source.files[i]!.length > 0);
    this.#starts = this.#filled.map((i) => source.files[i]!.offset);
    this.totalLength = source.files.reduce((sum, file) => sum + file.length, 0);
    const last = source.files[this.#filled.at(-1) ?? -1];
    const dataEnd = last === undefined ? 0 : last.offset + last.length;
    this.#end = source.kind === "v1" ? Math.max(dataEnd, source.paddedLength ?? 0) : dataEnd;
    this.single = this.#filled.length === 1 && this.#starts[0] === 0 && this.#end === dataEnd;
    this.singleFile = this.#filled[0] ?? 0;
  }

  /**
   * The layout of a checked info dictionary.
   *
   * @throws {InvariantBroken} When its files don't follow one another or don't make up its pieces.
   */
  static of(source: LayoutSource): Layout {
    const layout = new Layout(source);
    let end = 0;
    for (const index of layout.#filled) {
      const file = layout.files[index]!;
      invariant(file.offset >= end, `file ${index} begins after the one before`);
      invariant(
        layout.kind === "v1" || file.offset % layout.pieceLength === 0,
        `file ${index} begins a piece`,
      );
      end = file.offset + file.length;
    }
    const pieces = Math.ceil(layout.#end / layout.pieceLength);
    invariant(pieces === layout.pieceCount, `${layout.pieceCount} pieces hold ${layout.#end} bytes`);
    return layout;
  }

  /** A number from outside as a piece; undefined when the torrent has no such piece. */
  piece(n: number): PieceIndex | undefined {
    return Number.isInteger(n) && n >= 0 && n < this.pieceCount ? n as PieceIndex : undefined;
  }

  /** Plain data that makes the same layout, for another thread. */
  get source(): LayoutSource {
    const { kind, pieceLength, pieceCount, files } = this;
    return { kind, pieceLength, pieceCount, files, paddedLength: this.#end };
  }

  /** All pieces, ascending. */
  *pieces(): Generator<PieceIndex> {
    for (let n = 0; n < this.pieceCount; n++) yield n as PieceIndex;
  }

  /** Where a piece's byte lies in the byte space; with `single`, where it lies in the file. */
  offset(piece: PieceIndex, begin: number): number {
    return piece * this.pieceLength + begin;
  }

  /** Bytes of a piece that its blocks cover: 1 to `pieceLength`. */
  pieceSize(piece: PieceIndex): number {
    const end = this.kind === "v1" ? this.#end : this.#fileEnd(piece);
    return Math.min(this.pieceLength, end - piece * this.pieceLength);
  }

  /** Bytes of files in a piece: less than its size only where a v1 torrent has padding. */
  dataSize(piece: PieceIndex): number {
    const size = this.pieceSize(piece);
    if (this.kind !== "v1" || this.single) return size;
    return this.spans(piece, 0, size).reduce(
      (sum, span) => span.file === undefined ? sum : sum + span.length,
      0,
    );
  }

  /** 1 or more. */
  blockCount(piece: PieceIndex): number {
    return blocksIn(this.pieceSize(piece));
  }

  /** Bytes of a block: 16384, or fewer for the last one of a piece. */
  blockSize(piece: PieceIndex, block: number): number {
    return Math.min(BLOCK_BYTES, this.pieceSize(piece) - block * BLOCK_BYTES);
  }

  /** The block that begins there and has that length; undefined when the piece has no such block. */
  blockAt(piece: PieceIndex, begin: number, length: number): number | undefined {
    const block = begin / BLOCK_BYTES;
    if (!Number.isInteger(block) || block < 0 || length < 1) return undefined;
    return length === this.blockSize(piece, block) ? block : undefined;
  }

  /**
   * The piece of a request that can be served: one block's length at most, inside the piece. Padding counts as
   * inside: libtorrent up to 2.0.12 asks a v2 file's last block at full length and wants zeros.
   *
   * @returns undefined for one to reject (16).
   * @see BEP 3, "request"
   */
  checkRequest(piece: number, begin: number, length: number): PieceIndex | undefined {
    const known = this.piece(piece);
    if (known === undefined || begin < 0 || length < 1 || length > BLOCK_BYTES) return undefined;
    return begin + length <= this.#room(known) ? known : undefined;
  }

  /**
   * Where some bytes of a piece are stored, in order.
   *
   * @throws {RangeError} When they reach out of the piece.
   */
  spans(piece: PieceIndex, begin: number, length: number): readonly Span[] {
    if (begin < 0 || length < 0 || begin + length > this.#room(piece)) {
      throw new RangeError(`${length} bytes at ${begin} are not inside piece ${piece}`);
    }
    const spans: Span[] = [];
    let at = this.offset(piece, begin);
    const end = at + length;
    for (let i = Math.max(0, this.#before(at)); at < end; i++) {
      const index = this.#filled[i];
      const file = index === undefined ? undefined : this.files[index]!;
      if (file === undefined || file.offset >= end) {
        spans.push({ file: undefined, at: 0, length: end - at });
        break;
      }
      const fileEnd = file.offset + file.length;
      if (fileEnd <= at) continue;
      if (file.offset > at) {
        spans.push({ file: undefined, at: 0, length: file.offset - at });
        at = file.offset;
      }
      const take = Math.min(end, fileEnd) - at;
      spans.push({ file: index, at: at - file.offset, length: take });
      at += take;
    }
    return spans;
  }

  /** The file that a piece of a v2 or hybrid torrent belongs to: an index in `files`. */
  fileIndexOf(piece: PieceIndex): number {
    if (this.single) return this.singleFile;
    invariant(this.kind !== "v1", "pieces of a v1 torrent belong to no single file");
    return this.#filled[this.#before(piece * this.pieceLength)]!;
  }

  /** A piece's number counted from its file's first; v2 and hybrid. */
  pieceInFile(piece: PieceIndex): number {
    if (this.single) return piece;
    return piece - this.firstPieceOf(this.fileIndexOf(piece));
  }

  /** The number of the piece that a file begins in. An empty file has none. */
  firstPieceOf(file: number): number {
    return Math.floor(this.files[file]!.offset / this.pieceLength);
  }

  /** How many pieces a file of a v2 or hybrid torrent has; 0 for an empty one. */
  pieceCountOf(file: number): number {
    return Math.ceil(this.files[file]!.length / this.pieceLength);
  }

  /** Blocks of a whole piece; a piece length below a block's counts as one. */
  get blocksPerPiece(): number {
    return blocksIn(this.pieceLength);
  }

  /** How many pieces from the first that hold a byte of [from, from + length) of a file, and which is the first. */
  piecesAt(file: number, from: number, length: number): { readonly first: number; readonly count: number } {
    const start = this.files[file]!.offset + from;
    const first = Math.floor(start / this.pieceLength);
    if (length <= 0) return { first, count: 0 };
    return { first, count: Math.floor((start + length - 1) / this.pieceLength) - first + 1 };
  }

  /** How far requests may reach into a piece, padding included. */
  #room(piece: PieceIndex): number {
    if (this.kind !== "v1") return this.pieceLength;
    return Math.min(this.pieceLength, this.#end - piece * this.pieceLength);
  }

  /** Where the file of a v2 piece ends in the byte space. */
  #fileEnd(piece: PieceIndex): number {
    const file = this.files[this.fileIndexOf(piece)]!;
    return file.offset + file.length;
  }

  /** The last of the files that are not empty to begin at or before a place; -1 when none does. */
  #before(at: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#starts[middle]! <= at) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Blocks that some bytes take. */
export function blocksIn(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES);
}
