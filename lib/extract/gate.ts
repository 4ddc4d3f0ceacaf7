// Lets an unpacker read an archive that is still coming: in shared memory stands which of its pieces are whole, verified
// and written, and a read waits until those under it are. One thread opens pieces and never waits; the other, a
// Worker, reads and waits (`Atomics.wait`), and tells by the same memory how far it is and what it waits for.
//
//   piece:  closed ── open() ──> open ── drop() ──> closed for ever (only behind the reader)

import { OperationFailed } from "../errors.ts";
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
    words[WAITING] = NOTHING;
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

  /** The piece that the reader goes on with, reading from the start to the end. */
  get position(): number {
    return Atomics.load(this.#words, POSITION);
  }

  /** The piece that the reader waits for, wherever it is. */
  get waitingFor(): number | undefined {
    const piece = Atomics.load(this.#words, WAITING);
    return piece === NOTHING ? undefined : piece;
  }

  /**
   * The reading side. A read gives what is here, up to the first piece that is closed, and waits only when that is
   * nothing.
   *
   * @param read Reads bytes that are there.
   * @param hooks.checkStopped Called whenever a wait may be over; ends the read by throwing.
   * @param hooks.onMoved Told when the reader has come to another piece, each MiB or so, and before each wait.
   */
  source(
    read: ArchiveSource["readAt"],
    hooks: { readonly checkStopped: () => void; readonly onMoved?: () => void },
  ): ArchiveSource {
    const { size, pieceLength, tailFrom } = this.memory;
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
      Atomics.store(this.#words, WAITING, piece);
      try {
        for (;;) {
          const version = Atomics.load(this.#words, VERSION);
          if (this.isOpen(piece)) return;
          hooks.checkStopped();
          Atomics.wait(this.#words, VERSION, version);
        }
      } finally {
        Atomics.store(this.#words, WAITING, NOTHING);
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
      if (at + count > passed && (at <= passed || at < tailFrom)) {
        passed = at + count;
        Atomics.store(this.#words, POSITION, Math.floor(passed / pieceLength));
        if (passed - told >= TOLD_BYTES) tell();
      }
      return count;
    };
    return { size, readAt };
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

/** Words of the memory: a count of changes, which is what is waited on; the reader's place; then a bit per piece. */
const VERSION = 0;
const POSITION = 1;
const WAITING = 2;
const FIRST_BITS = 3;
const NOTHING = -1;
const TOLD_BYTES = 1 << 20;
