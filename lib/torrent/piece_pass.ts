// One pass of one thread over pieces that lie on disk, for their hashes: of a torrent that is being made, of content that
// is being checked. Reads are large and in order, and while one stretch is hashed the next is being read, so that disk and
// processor are both busy; a thread holds two stretches, never a piece. What the file system says is a hole is not read,
// and a piece that is nothing else is not even hashed.

import { nextTurn } from "../turn.ts";
import { leavesInto, PART_BYTES, Sha1Sum } from "./content_sums.ts";
import { BLOCK_BYTES, type Layout, type PieceIndex } from "./layout.ts";
import { HASH_BYTES } from "./merkle.ts";
import { pieceRoot } from "./piece_hash.ts";

/**
 * Most bytes that are read at once, twice of which each thread holds: enough that a disk which seeks between the reads of
 * two threads spends about half of its time on reading.
 */
export const STRETCH_BYTES = 2 << 20;

/** An open file that is read without holding up the thread. */
export interface FileReader {
  /** Fills `into` from a position of the file; fewer bytes only at its end. */
  read(into: Uint8Array, at: number): Promise<number>;
  /** Whether that stretch lies in the file and was never written: it reads as zeros. False where nobody can tell. */
  isHole?(at: number, length: number): boolean;
}

/** The hashes of one piece. */
export interface PieceSums {
  /** As `pieceRoot` gives it, 32 bytes. */
  readonly root: Uint8Array | undefined;
  /** 20 bytes. */
  readonly sha1: Uint8Array | undefined;
}

/** What is to be hashed, and who is told. */
export interface Pass {
  readonly layout: Layout;
  /** One per file of the layout; undefined for one that is not there. */
  readonly readers: readonly (FileReader | undefined)[];
  /** Taken when their turn to be read comes; `place` is the caller's. */
  readonly pieces: Iterable<{ readonly piece: PieceIndex; readonly place: number }>;
  /** Which hashes are wanted. */
  readonly v1: boolean;
  readonly v2: boolean;
  /** Awaited before so many bytes are hashed, each byte once, those of holes too; may throw to end the pass. */
  readonly onRead: (bytes: number) => void | Promise<void>;
  /** Called for each piece, in their order; without sums when it is not all there. */
  readonly onPiece: (place: number, sums: PieceSums | undefined) => void;
  /** Most bytes that are read at once, when that is to be less than STRETCH_BYTES. */
  readonly stretchBytes?: number | undefined;
  /** Takes every byte of the pieces, in their order. The bytes are good until it returns. */
  readonly tee?: ((bytes: Uint8Array) => void) | undefined;
}

/** Part of a piece, in a stretch's buffer. */
interface Part {
  readonly wanted: Wanted;
  readonly begin: number;
  readonly length: number;
}

/** A piece on its way. */
interface Wanted {
  readonly piece: PieceIndex;
  readonly place: number;
  /** A file ended before it did. */
  isShort: boolean;
}

/** A piece that is a hole, or what is read at once. */
type Stretch = { readonly hole: Wanted } | { readonly parts: readonly Part[] };

/** Makes the pass. When it has settled no reader is in use. */
export async function passOver(pass: Pass): Promise<void> {
  const hasher = new Hasher(pass);
  const stretchBytes = pass.stretchBytes ?? STRETCH_BYTES;
  const stretches = stretchesOf(pass, stretchBytes);
  let [near, far] = [new Uint8Array(stretchBytes), new Uint8Array(stretchBytes)];
  let stretch = next(stretches);
  let reading = stretch && read(pass, stretch, near);
  while (stretch !== undefined) {
    await reading;
    [near, far] = [far, near];
    const following = next(stretches);
    reading = following && read(pass, following, near);
    // It may fail before its turn to be waited for has come.
    reading?.catch(() => {});
    try {
      await pass.onRead(bytesOf(pass.layout, stretch));
      if ("hole" in stretch) hasher.takeHole(stretch.hole);
      else hasher.take(stretch.parts, far);
    } catch (error) {
      await reading?.catch(() => {});
      throw error;
    }
    stretch = following;
  }
}

/** Both hashes of pieces whose parts come in order. */
class Hasher {
  readonly #pass: Pass;
  readonly #leaves: Uint8Array;
  /** What is known of zeros: SHA-1 by their number, the sums of pieces that are holes by what makes them differ. */
  readonly #zeroSums = new Map<number, Uint8Array>();
  readonly #holes = new Map<string, PieceSums>();
  #sha1: Sha1Sum;

  constructor(pass: Pass) {
    this.#pass = pass;
    this.#leaves = new Uint8Array(HASH_BYTES * pass.layout.blocksPerPiece);
    this.#sha1 = new Sha1Sum(this.#zeroSums);
  }

  take(parts: readonly Part[], buffer: Uint8Array): void {
    const { layout, onPiece, tee } = this.#pass;
    let at = 0;
    for (const { wanted, begin, length } of parts) {
      const bytes = buffer.subarray(at, at + length);
      at += length;
      const isLast = begin + length === layout.pieceSize(wanted.piece);
      if (!wanted.isShort) {
        this.#add(begin, bytes);
        tee?.(bytes);
      }
      if (!isLast) continue;
      onPiece(wanted.place, wanted.isShort ? undefined : this.#sums(wanted.piece));
      this.#sha1 = new Sha1Sum(this.#zeroSums);
    }
  }

  takeHole({ piece, place }: Wanted): void {
    const { layout, v2, onPiece } = this.#pass;
    const size = layout.pieceSize(piece);
    // The root is higher when the piece is not its whole file.
    const key = `${size} ${v2 && layout.pieceCountOf(layout.fileIndexOf(piece)) === 1}`;
    let sums = this.#holes.get(key);
    if (sums === undefined) {
      const zeros = new Uint8Array(PART_BYTES);
      for (let begin = 0; begin < size; begin += PART_BYTES) {
        this.#add(begin, zeros.subarray(0, Math.min(PART_BYTES, size - begin)));
      }
      sums = this.#sums(piece);
      this.#sha1 = new Sha1Sum(this.#zeroSums);
      this.#holes.set(key, sums);
    }
    onPiece(place, sums);
  }

  #add(begin: number, bytes: Uint8Array): void {
    const { v1, v2 } = this.#pass;
    if (v2) leavesInto(bytes, this.#leaves, begin / BLOCK_BYTES * HASH_BYTES);
    for (let at = 0; v1 && at < bytes.length; at += PART_BYTES) {
      this.#sha1.update(bytes.subarray(at, at + PART_BYTES));
    }
  }

  #sums(piece: PieceIndex): PieceSums {
    const { layout, v1, v2 } = this.#pass;
    const leaves = this.#leaves.subarray(0, HASH_BYTES * layout.blockCount(piece));
    return {
      root: v2 ? pieceRoot(layout, piece, leaves) : undefined,
      sha1: v1 ? this.#sha1.digest() : undefined,
    };
  }
}

/** Cuts large pieces and joins small ones. */
function* stretchesOf(pass: Pass, stretchBytes: number): Generator<Stretch, undefined> {
  const { layout, pieces, tee } = pass;
  let parts: Part[] = [];
  let bytes = 0;
  for (const { piece, place } of pieces) {
    const wanted: Wanted = { piece, place, isShort: false };
    const size = layout.pieceSize(piece);
    if (tee === undefined && isHole(pass, piece, 0, size)) {
      if (parts.length > 0) yield { parts };
      [parts, bytes] = [[], 0];
      yield { hole: wanted };
      continue;
    }
    for (let begin = 0; begin < size; begin += stretchBytes) {
      const length = Math.min(stretchBytes, size - begin);
      if (bytes + length > stretchBytes) {
        yield { parts };
        [parts, bytes] = [[], 0];
      }
      parts.push({ wanted, begin, length });
      bytes += length;
    }
  }
  if (parts.length > 0) yield { parts };
}

function next(stretches: Generator<Stretch, undefined>): Stretch | undefined {
  return stretches.next().value;
}

function bytesOf(layout: Layout, stretch: Stretch): number {
  if ("hole" in stretch) return layout.pieceSize(stretch.hole.piece);
  return stretch.parts.reduce((sum, { length }) => sum + length, 0);
}

/** Whether nothing was ever written where the piece's bytes lie. */
function isHole({ layout, readers }: Pass, piece: PieceIndex, begin: number, length: number): boolean {
  return layout.spans(piece, begin, length).every(({ file, at, length }) =>
    file === undefined || readers[file]?.isHole?.(at, length) === true
  );
}

/** Spans that follow one another in a file: one read. */
interface Run {
  readonly file: number;
  readonly at: number;
  /** Where in the buffer. */
  readonly from: number;
  to: number;
  /** Whose bytes they are, and where each one's end in the buffer. */
  readonly owners: { readonly wanted: Wanted; readonly to: number }[];
}

/** Fills the buffer with the parts, side by side; the pieces that a file does not have to their end are marked. */
async function read(pass: Pass, stretch: Stretch, buffer: Uint8Array): Promise<void> {
  if ("hole" in stretch) return;
  const runs = runsOf(pass, stretch.parts, buffer);
  // Others have their turn at each read, so here too, where all is zeros and there is none.
  if (runs.length === 0) await nextTurn();
  for (const run of runs) {
    const { file, at, from, to, owners } = run;
    const count = await pass.readers[file]?.read(buffer.subarray(from, to), at) ?? 0;
    for (const { wanted, to } of owners) if (to > from + count) wanted.isShort = true;
  }
}

/** What is to be read. Padding and holes are zeros in the buffer by then. */
function runsOf({ layout, readers }: Pass, parts: readonly Part[], buffer: Uint8Array): Run[] {
  const runs: Run[] = [];
  let from = 0;
  for (const { wanted, begin, length } of parts) {
    for (const span of layout.spans(wanted.piece, begin, length)) {
      const { file, at } = span;
      const to = from + span.length;
      const last = runs.at(-1);
      if (file === undefined || readers[file]?.isHole?.(at, span.length) === true) buffer.fill(0, from, to);
      else if (last?.file === file && last.to === from && last.at + from - last.from === at) {
        last.to = to;
        last.owners.push({ wanted, to });
      } else runs.push({ file, at, from, to, owners: [{ wanted, to }] });
      from = to;
    }
  }
  return runs;
}
