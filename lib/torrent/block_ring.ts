// Blocks on their way to the disk, in memory that two threads can share: jobs in the order in which they were put, their
// bytes side by side, and room for what each comes to. One thread puts, one does; each moves its own counter only.
//
//   slots:  ... reported <= DONE <= READY <= put ...      all count jobs since the start, modulo 2^32
//
// Nothing is locked: a slot and its bytes belong to the doer from READY on, and to the putter again from DONE on.

/** Places in `control`. */
export const CONTROL = {
  /** Jobs that may be done. */
  ready: 0,
  /** Jobs that were done. The putter may sleep on it. */
  done: 1,
  /** Not 0: the doer says when `done` has come to `wanted`. */
  wants: 2,
  wanted: 3,
  /** Not 0: the doer ends. */
  stop: 4,
  /** Another number each time the doer is to look at the others. It sleeps on it. */
  bell: 5,
} as const;

/** Places in a job's slot. */
export const JOB = { kind: 0, piece: 1, begin: 2, at: 3, length: 4, isHashed: 5 } as const;

/** What is to be done. */
export const KIND = {
  write: 0,
  /** And its SHA-256 is wanted. */
  hashAndWrite: 1,
  /** Reads a whole piece back for its hash. */
  readBack: 2,
} as const;

export const JOB_WORDS = 8;
/** Bytes for what a job comes to: SHA-256, or SHA-1 and nothing. */
export const RESULT_BYTES = 32;

export interface RingMemory {
  readonly control: Int32Array;
  /** JOB_WORDS for each slot. */
  readonly jobs: Int32Array;
  /** RESULT_BYTES for each slot. */
  readonly results: Uint8Array;
  /** Of the blocks. */
  readonly bytes: Uint8Array;
}

/** Wakes the doer. */
export function ring({ control }: RingMemory): void {
  Atomics.add(control, CONTROL.bell, 1);
  Atomics.notify(control, CONTROL.bell);
}

/** @param slots A power of two. @param isShared Whether another thread is to see it. */
export function ringMemory(slots: number, bytes: number, isShared: boolean): RingMemory {
  const Memory = isShared ? SharedArrayBuffer : ArrayBuffer;
  return {
    control: new Int32Array(new Memory(4 * Object.keys(CONTROL).length)),
    jobs: new Int32Array(new Memory(4 * JOB_WORDS * slots)),
    results: new Uint8Array(new Memory(RESULT_BYTES * slots)),
    bytes: new Uint8Array(new Memory(bytes)),
  };
}

/** Which slot the n-th job has. */
export function slotOf({ jobs }: RingMemory, n: number): number {
  return n & (jobs.length / JOB_WORDS - 1);
}
