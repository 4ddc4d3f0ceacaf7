// Does the jobs of a ring: hashes blocks, and writes those that follow one another in a piece, or in a file of which
// pieces are nothing but parts, in one call. Where that happens, in this thread or another, is nothing to it.

import { sha256Into } from "../hash.ts";
import { CONTROL, JOB, JOB_WORDS, KIND, RESULT_BYTES, type RingMemory, slotOf } from "./block_ring.ts";
import type { Layout, PieceIndex } from "./layout.ts";
import { PieceHasher } from "./piece_hash.ts";
import type { Storage } from "./storage.ts";

export class BlockMill {
  readonly #memory: RingMemory;
  readonly #layout: Layout;
  readonly #storage: Storage;
  /** Whether a run may go on in the next piece. */
  readonly #joinsPieces: boolean;
  #hasher: PieceHasher | undefined;

  constructor(memory: RingMemory, layout: Layout, storage: Storage) {
    this.#memory = memory;
    this.#layout = layout;
    this.#storage = storage;
    this.#joinsPieces = storage.joinsPieces === true;
  }

  /**
   * Does the jobs from `from` up to but not `to`; DONE follows as they are done.
   *
   * @param onDone Told each time of what DONE is.
   * @throws {SnapError} What the storage throws. Those before DONE are done then, and none after it.
   */
  work(from: number, to: number, onDone: (done: number) => void = () => {}): void {
    for (let n = from; n !== to;) {
      n = this.#field(n, JOB.kind) === KIND.readBack ? this.#readBack(n) : this.#writeRun(n, to);
      Atomics.store(this.#memory.control, CONTROL.done, n);
      onDone(n);
    }
  }

  /** @returns The job after the last one of the run. */
  #writeRun(first: number, to: number): number {
    const { bytes, results } = this.#memory;
    const piece = this.#field(first, JOB.piece) as PieceIndex;
    const begin = this.#field(first, JOB.begin);
    const offset = this.#layout.offset(piece, begin);
    const at = this.#field(first, JOB.at);
    let length = 0;
    let n = first;
    do {
      const size = this.#field(n, JOB.length);
      if (this.#field(n, JOB.kind) === KIND.hashAndWrite) {
        const start = at + length;
        sha256Into(bytes.subarray(start, start + size), results, RESULT_BYTES * slotOf(this.#memory, n));
      }
      length += size;
      n = (n + 1) | 0;
    } while (n !== to && length < MOST_RUN_BYTES && this.#follows(n, piece, offset + length, at + length));
    this.#storage.write(piece, begin, bytes.subarray(at, at + length));
    return n;
  }

  #follows(n: number, piece: number, offset: number, at: number): boolean {
    if (this.#field(n, JOB.kind) === KIND.readBack || this.#field(n, JOB.at) !== at) return false;
    const its = this.#field(n, JOB.piece) as PieceIndex;
    return (its === piece || this.#joinsPieces) &&
      this.#layout.offset(its, this.#field(n, JOB.begin)) === offset;
  }

  #readBack(n: number): number {
    this.#hasher ??= new PieceHasher(this.#layout, this.#storage);
    const hash = this.#hasher.hashOf(this.#field(n, JOB.piece) as PieceIndex);
    const slot = slotOf(this.#memory, n);
    if (hash !== undefined) this.#memory.results.set(hash, RESULT_BYTES * slot);
    this.#memory.jobs[JOB_WORDS * slot + JOB.isHashed] = hash === undefined ? 0 : 1;
    return (n + 1) | 0;
  }

  #field(n: number, field: number): number {
    return this.#memory.jobs[JOB_WORDS * slotOf(this.#memory, n) + field]!;
  }
}

/** A call for so much costs little more than its copying, and others need not wait long for what is done. */
const MOST_RUN_BYTES = 512 << 10;
