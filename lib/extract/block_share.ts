// What the threads that decode one LZMA2 stream share: who decodes from where to where, and how far each is. All of it
// lies in shared memory; each change is made under a lock that is held for an instant. The stream is cut where it can be
// (lzma2.ts) as the scan comes on, which follows the download as the decoders do:
//
//   0 ........ thread 1's part ........|.... thread 0's part ....|.... thread 2's: the last, its end is open
//              |decoded|               ^ cut                      ^ cut      |decoded|   ^ scan
//
// The last part goes to the stream's end until somebody who has nothing to do finds a cut ahead of its decoder and takes
// what is behind. So one thread alone is a plain decoder of the whole, and nobody waits for a cut to be found.

import { BadArchive } from "./archive.ts";
import { crcShare } from "./crc_share.ts";
import type { Lzma2Place, Lzma2Stream } from "./lzma2.ts";

/** Plain data and shared memory: what all threads make their BlockShare of. */
export interface BlockShareMemory {
  readonly stream: Lzma2Stream;
  readonly threads: number;
  /** Parts are at least so long, the last aside. */
  readonly leastBytes: number;
  readonly words: Int32Array<SharedArrayBuffer>;
  /** Read and written under the lock only. */
  readonly numbers: Float64Array<SharedArrayBuffer>;
}

/** What to write: so many bytes, there. */
export interface Reserved {
  readonly at: number;
  readonly length: number;
  /** With them the part is all there. Never of the stream's last, where the decoder says itself that it has ended. */
  readonly isCut: boolean;
}

export class BlockShare {
  readonly memory: BlockShareMemory;

  constructor(memory: BlockShareMemory) {
    this.memory = memory;
  }

  /** Thread 0 has joined, and has all of the stream. */
  static make(
    options: { readonly stream: Lzma2Stream; readonly threads: number; readonly leastBytes: number },
  ): BlockShare {
    const { stream, threads } = options;
    const words = new Int32Array(new SharedArrayBuffer(4 * (FIRST_STATE + threads)));
    const numbers = new Float64Array(new SharedArrayBuffer(8 * (FIRST_PART + PART_NUMBERS * threads)));
    const share = new BlockShare({ ...options, words, numbers });
    words[FIRST_STATE] = JOINED;
    numbers[CUT_PACKED_AT] = stream.packedAt;
    share.#setPart(0, { packedAt: stream.packedAt, at: 0 });
    return share;
  }

  /** @returns Whether there may be work: not once thread 0 has closed. */
  join(thread: number): boolean {
    return this.#locked((words) => {
      if (words[CLOSED] !== 0) return false;
      words[FIRST_STATE + thread] = JOINED;
      return true;
    });
  }

  /** The thread touches nothing any more; safe twice, and for a thread that died. */
  leave(thread: number): void {
    Atomics.store(this.memory.words, FIRST_STATE + thread, LEFT);
    Atomics.add(this.memory.words, LEAVES, 1);
    Atomics.notify(this.memory.words, LEAVES);
  }

  /** Nobody joins any more. Waits until all but the caller, thread 0, have left. */
  close(): void {
    const { words, threads } = this.memory;
    this.#locked(() => words[CLOSED] = 1);
    for (;;) {
      const leaves = Atomics.load(words, LEAVES);
      const others = Array.from({ length: threads - 1 }, (_, i) => Atomics.load(words, FIRST_STATE + 1 + i));
      if (!others.includes(JOINED)) return;
      Atomics.wait(words, LEAVES, leaves);
    }
  }

  /**
   * One thread at a time looks for cuts.
   *
   * @param look Is given the last cut, and the first place for another one; answers undefined when there are no more.
   * @returns Where the thread's part begins; undefined when all are taken.
   */
  takePart(
    thread: number,
    look: (last: Lzma2Place, leastAt: number) => Lzma2Place | undefined,
  ): Lzma2Place | undefined {
    const { words, numbers, leastBytes, stream } = this.memory;
    lock(words, SCAN);
    try {
      while (Atomics.load(words, NO_MORE_CUTS) === 0) {
        const last = { packedAt: numbers[CUT_PACKED_AT]!, at: numbers[CUT_AT]! };
        const cut = look(last, Math.max(last.at + leastBytes, this.#lastPartAt()));
        if (cut === undefined || cut.at >= stream.bytes) {
          Atomics.store(words, NO_MORE_CUTS, 1);
        } else if (this.#take(thread, cut)) {
          return cut;
        }
      }
      return undefined;
    } finally {
      unlock(words, SCAN);
    }
  }

  /** Where the thread's part ends in the archive, as far as it is known. */
  packedEnd(thread: number): number {
    return this.#locked((_, numbers) => numbers[partOf(thread) + PACKED_END]!);
  }

  /** Of so many bytes that the thread has decoded, those that are its own to write. */
  reserve(thread: number, length: number): Reserved {
    const part = partOf(thread);
    return this.#locked((_, numbers) => {
      const [at, end] = [numbers[part + AT]!, numbers[part + PART_END]!];
      const own = Math.min(length, end - at);
      numbers[part + AT] = at + own;
      numbers[DECODED] = numbers[DECODED]! + own;
      return { at, length: own, isCut: at + own === end && end < this.memory.stream.bytes };
    });
  }

  /**
   * The thread's part is written.
   *
   * @param crc Of its bytes.
   * @throws {BadArchive} Bytes of it are missing.
   */
  finishPart(thread: number, crc: number, why: string): void {
    const part = partOf(thread);
    const [at, end] = this.#locked((_, numbers) => [numbers[part + AT]!, numbers[part + PART_END]!]);
    if (at !== end) throw new BadArchive(why);
    Atomics.xor(this.memory.words, CRC, crcShare(crc, this.memory.stream.bytes - end));
  }

  /** Bytes that all threads have decoded. */
  get decoded(): number {
    return this.#locked((_, numbers) => numbers[DECODED]!);
  }

  /** Of the whole, once all have left. */
  get crc(): number {
    return Atomics.load(this.memory.words, CRC) >>> 0;
  }

  #lastPartAt(): number {
    return this.#locked((words, numbers) => numbers[partOf(words[LAST]!) + AT]!);
  }

  /** The last part ends here and this one begins, if its decoder has not passed by. */
  #take(thread: number, cut: Lzma2Place): boolean {
    return this.#locked((words, numbers) => {
      numbers[CUT_PACKED_AT] = cut.packedAt;
      numbers[CUT_AT] = cut.at;
      const last = partOf(words[LAST]!);
      if (numbers[last + AT]! > cut.at) return false;
      numbers[last + PART_END] = cut.at;
      numbers[last + PACKED_END] = cut.packedAt;
      this.#setPart(thread, cut);
      return true;
    });
  }

  #setPart(thread: number, { at }: Lzma2Place): void {
    const { words, numbers, stream } = this.memory;
    words[LAST] = thread;
    numbers.set([at, stream.bytes, stream.packedEnd], partOf(thread));
  }

  #locked<T>(work: (words: Int32Array, numbers: Float64Array) => T): T {
    const { words, numbers } = this.memory;
    lock(words, MUTEX);
    try {
      return work(words, numbers);
    } finally {
      unlock(words, MUTEX);
    }
  }
}

function lock(words: Int32Array, which: number): void {
  while (Atomics.compareExchange(words, which, 0, 1) !== 0) Atomics.wait(words, which, 1);
}

function unlock(words: Int32Array, which: number): void {
  Atomics.store(words, which, 0);
  Atomics.notify(words, which, 1);
}

function partOf(thread: number): number {
  return FIRST_PART + PART_NUMBERS * thread;
}

/** Words. The CRC's is that of all finished parts; LEAVES counts, and is waited on. LAST: who has the last part. */
const MUTEX = 0;
const SCAN = 1;
const NO_MORE_CUTS = 2;
const CLOSED = 3;
const CRC = 4;
const LEAVES = 5;
const LAST = 6;
const FIRST_STATE = 7;
/** States of a thread, which begin with 0. */
const JOINED = 1;
const LEFT = 2;
/** Numbers. Of each thread's part: how far it is decoded, and where it ends. */
const CUT_PACKED_AT = 0;
const CUT_AT = 1;
const DECODED = 2;
const FIRST_PART = 3;
const PART_NUMBERS = 3;
const AT = 0;
const PART_END = 1;
const PACKED_END = 2;
