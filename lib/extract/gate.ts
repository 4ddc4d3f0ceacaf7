// Lets an unpacker read an archive that is still coming: in shared memory stands which of its pieces are whole, verified
// and written, and a read waits until those under it are. One thread opens pieces and never waits; the other, a
// Worker, reads and waits (`Atomics.wait`), and tells by the same memory how far it is and what it waits for. There may
// be several readers, each with a stretch of its own; who is furthest back says how far they are.
//
//   piece:  closed ── open() ──> open ── drop() ──> closed for ever (only behind the reader)

import { invariant, OperationFailed } from "../errors.ts";
import type { ArchiveSource } from "./archive.ts";

/** Plain data and shared memory: what both threads make their gate of. */
export interface GateMemory {
  /** Bytes of the whole archive, and of each of its pieces but the last. */
  readonly size: number;
  readonly pieceLength: number;
  /** From here on lies what is read out of turn: a .7z's directory. Bytes. */
  readonly tailFrom: number;
  /** Pieces that are here at a time; 0 where all that came stay. */
  readonly most: number;
  /** What they take on the disk at most. Bytes. */
  readonly diskBytes: number;
  readonly words: Int32Array<SharedArrayBuffer>;
}

export class PieceGate {
  readonly memory: GateMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(memory: GateMemory) {
    this.memory = memory;
    this.#words = memory.words;
  }

  /**
   * A gate with all pieces closed.
   *
   * @param options.passing Only so many pieces are here at a time, the tail aside, and take so many bytes.
   */
  static make(
    options: {
      readonly size: number;
      readonly pieceLength: number;
      readonly tailFrom: number;
      readonly passing?: { readonly most: number; readonly diskBytes: number } | undefined;
    },
  ): PieceGate {
    const { size, pieceLength, tailFrom, passing } = options;
    const count = FIRST_BITS + Math.ceil(size / pieceLength / 32);
    const words = new Int32Array(new SharedArrayBuffer(4 * count));
    words.fill(NOTHING, FIRST_WAITING, FIRST_WAITING + MAX_READERS);
    words.fill(NOWHERE, FIRST_POSITION + 1, FIRST_POSITION + MAX_READERS);
    const { most, diskBytes } = passing ?? { most: 0, diskBytes: size };
    return new PieceGate({ size, pieceLength, tailFrom, most, diskBytes, words });
  }

  /** These pieces are whole, verified and written. */
  open(pieces: Iterable<number>): void {
    for (const piece of pieces) Atomics.or(this.#words, FIRST_BITS + (piece >> 5), 1 << (piece & 31));
    this.wake();
  }

  /** The piece is not there any more; the reader has passed it. */
  drop(piece: number): void {
    Atomics.and(this.#words, FIRST_BITS + (piece >> 5), ~(1 << (piece & 31)));
  }

  isOpen(piece: number): boolean {
    return (Atomics.load(this.#words, FIRST_BITS + (piece >> 5)) & (1 << (piece & 31))) !== 0;
  }

  /** Lets a waiting reader look again, also whether it is to stop. */
  wake(): void {
    Atomics.add(this.#words, VERSION, 1);
    Atomics.notify(this.#words, VERSION);
  }

  /** The piece that the reader goes on with, reading from the start to the end; of several, who is furthest back. */
  get position(): number {
    let least = Math.ceil(this.memory.size / this.memory.pieceLength);
    for (let reader = 0; reader < MAX_READERS; reader++) {
      least = Math.min(least, Atomics.load(this.#words, FIRST_POSITION + reader));
    }
    return least;
  }

  /** The piece that a reader waits for, wherever it is; of several the first. */
  get waitingFor(): number | undefined {
    return this.#awaited()[0];
  }

  /** What readers wait for besides. */
  get othersWaitFor(): readonly number[] {
    return this.#awaited().slice(1);
  }

  /** The reader is at its end. */
  leave(reader: number): void {
    Atomics.store(this.#words, FIRST_POSITION + reader, NOWHERE);
  }

  /**
   * The reading side. A read gives what is here, up to the first piece that is closed, and waits only when that is
   * nothing.
   *
   * @param read Reads bytes that are there.
   * @param hooks.checkStopped Called whenever a wait may be over; ends the read by throwing.
   * @param hooks.onMoved Told when the reader has come to another piece, each MiB or so, and before each wait.
   * @param hooks.reader Which of several, 0 to 7; 0 is there from the beginning, at the start.
   * @param hooks.isLook Only looks ahead: its reads are no way on.
   */
  source(
    read: ArchiveSource["readAt"],
    hooks: {
      readonly checkStopped: () => void;
      readonly onMoved?: () => void;
      readonly reader?: number;
      readonly isLook?: boolean;
    },
  ): ArchiveSource {
    const { size, pieceLength, tailFrom } = this.memory;
    const { reader = 0, isLook = false } = hooks;
    invariant(reader >= 0 && reader < MAX_READERS, `there is no reader ${reader}`);
    let passed = 0;
    let told = 0;
    const tell = () => {
      if (told === passed) return;
      told = passed;
      hooks.onMoved?.();
    };
    const wait = (piece: number) => {
      tell();
      this.#refuseNever(piece);
      Atomics.store(this.#words, FIRST_WAITING + reader, piece);
      try {
        for (;;) {
          const version = Atomics.load(this.#words, VERSION);
          if (this.isOpen(piece)) return;
          hooks.checkStopped();
          Atomics.wait(this.#words, VERSION, version);
        }
      } finally {
        Atomics.store(this.#words, FIRST_WAITING + reader, NOTHING);
      }
    };
    const readAt = (into: Uint8Array, at: number): number => {
      const wanted = Math.min(into.length, size - at);
      if (wanted <= 0) return 0;
      let piece = Math.floor(at / pieceLength);
      if (!this.isOpen(piece)) wait(piece);
      while ((piece + 1) * pieceLength < at + wanted && this.isOpen(piece + 1)) piece++;
      const here = Math.min(wanted, (piece + 1) * pieceLength - at);
      const count = read(here === into.length ? into : into.subarray(0, here), at);
      // A look at the tail is no way on; all other reading is, also where it begins behind a gap.
      if (!isLook && at + count > passed && (at <= passed || at < tailFrom)) {
        passed = at + count;
        Atomics.store(this.#words, FIRST_POSITION + reader, Math.floor(passed / pieceLength));
        if (passed - told >= TOLD_BYTES) tell();
      }
      return count;
    };
    return { size, readAt };
  }

  #awaited(): number[] {
    const pieces = new Set<number>();
    for (let reader = 0; reader < MAX_READERS; reader++) {
      const piece = Atomics.load(this.#words, FIRST_WAITING + reader);
      if (piece !== NOTHING) pieces.add(piece);
    }
    return [...pieces].sort((a, b) => a - b);
  }

  /** Where pieces go again, not every order of reading comes to an end. */
  #refuseNever(piece: number): void {
    const { most, tailFrom, pieceLength } = this.memory;
    if (most === 0 || piece >= Math.floor(tailFrom / pieceLength)) return;
    const { position } = this;
    if (piece >= position && piece < position + most) return;
    throw new OperationFailed(
      `Cannot unpack the archive with --low-disk: it is not read from its start to its end (piece ${piece} after ${position})`,
    );
  }
}

/** Threads that may read one archive. */
export const MAX_READERS = 8;
/** Words of the memory: a count of changes, which is what is waited on; each reader's place; then a bit per piece. */
const VERSION = 0;
const FIRST_POSITION = 1;
const FIRST_WAITING = FIRST_POSITION + MAX_READERS;
const FIRST_BITS = FIRST_WAITING + MAX_READERS;
const NOTHING = -1;
/** Holds nobody back. */
const NOWHERE = 0x7fffffff;
const TOLD_BYTES = 1 << 20;
