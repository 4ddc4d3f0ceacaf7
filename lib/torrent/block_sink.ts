// Where blocks go: they are copied side by side, hashed, and written in runs, in the order in which they came. With a
// second thread that happens there, as soon as there is enough of it; without one, and for the few blocks of a slow
// line, here. When much waits for the second thread, this one hashes too. The one copy, 0.4 µs a block, frees the
// receive buffer and is what makes one write of many blocks.
//
//   put -> (collect) -> ready -> hashed and written -> (collect) -> a piece whose blocks are all written
//
// Order holds: of two blocks for one place the later one stays. Nothing is told of before it is written. What waits is
// bounded: who reads from sockets waits for `room` while the sink is behind, and `put` itself waits when it is full.

import { sha256Into } from "../hash.ts";
import type { ActivePiece } from "./active_piece.ts";
import { BlockMill } from "./block_mill.ts";
import {
  CONTROL,
  JOB,
  JOB_WORDS,
  KIND,
  RESULT_BYTES,
  ring,
  type RingMemory,
  ringMemory,
  slotOf,
} from "./block_ring.ts";
import { BLOCK_BYTES, type Layout } from "./layout.ts";
import type { Storage } from "./storage.ts";

/** Another thread that does a ring's jobs. */
export interface MillThread {
  /** Ends it, after all that is ready is done, and its files are closed. */
  end(): Promise<void>;
}

/** What such a thread tells, never from inside `start`. */
export interface MillEvents {
  /** It takes jobs from now on. */
  onReady(): void;
  /** Something is done, and whoever put it may be asleep; or what was wanted is done. */
  onWake(): void;
  /** It does no more: a write failed, or the thread itself. */
  onFailed(error: Error): void;
}

/** Starts such threads. lib/io has the real ones. */
export interface MillThreads {
  /**
   * Has one come up on another core, for a job that is likely to follow soon: that takes some 50 ms, and longer in the
   * rush of the first blocks.
   *
   * @returns To be disposed of when none follows any more.
   */
  prepare?(): Disposable;
  /** @returns undefined where a second thread is no gain. */
  start(
    job: { readonly memory: RingMemory; readonly layout: Layout; readonly paths: readonly string[] },
    events: MillEvents,
  ): MillThread | undefined;
}

export class BlockSink {
  /** Told when `collect` or `room` has something that it had not before. */
  onWake: () => void = () => {};
  readonly #layout: Layout;
  readonly #storage: Storage;
  #memory: RingMemory | undefined;
  #mill: BlockMill | undefined;
  #thread: MillThread | undefined;
  /** Whether the thread takes jobs. */
  #isShared = false;
  /** Whose job is in which slot. */
  readonly #actives: (ActivePiece | undefined)[] = [];
  /** Jobs since the start: put, made ready, and those whose outcome was read. */
  #put = 0;
  #ready = 0;
  #reported = 0;
  /** Where the next block's bytes go, and how many bytes wait. */
  #at = 0;
  #waitingBytes = 0;
  #staging: Uint8Array | undefined;
  #stagedAt = 0;
  #stagedBytes = 0;
  /** Whether there is a job that only the thread should do, where there is one. */
  #hasLongJob = false;
  #whole: ActivePiece[] = [];
  readonly #toReadBack: ActivePiece[] = [];
  #failure: Error | undefined;
  #isBroken = false;
  #waiters: { readonly upTo: number; readonly resolve: () => void }[] = [];

  constructor(layout: Layout, storage: Storage) {
    this.#layout = layout;
    this.#storage = storage;
  }

  /**
   * Has the work done by another thread from as soon as that can. To be called before the first block.
   *
   * @param paths The storage's files: the thread opens them itself.
   */
  share(threads: MillThreads, paths: readonly string[]): void {
    const memory = ringMemory(SHARED_SLOTS, SHARED_BYTES, true);
    this.#thread = threads.start({ memory, layout: this.#layout, paths }, {
      onReady: () => this.#isShared = true,
      onWake: () => this.#wake(memory),
      onFailed: (error) => {
        this.#break(error);
        this.#wake(memory);
      },
    });
    if (this.#thread !== undefined) this.#memory = memory;
  }

  /**
   * Takes a block of a piece.
   *
   * @param data Not kept.
   */
  put(active: ActivePiece, block: number, data: Uint8Array): void {
    const memory = this.#memory ??= ringMemory(OWN_SLOTS, OWN_BYTES, false);
    while (!this.#isBroken && !this.#hasRoom(memory, data.length)) this.#waitForRoom(memory);
    if (this.#isBroken) return;
    let kind: number = active.hashes.length > 0 ? KIND.hashAndWrite : KIND.write;
    // Here it is sooner hashed where it lies, as long as it is in the processor's cache.
    if (kind === KIND.hashAndWrite && (!this.#isShared || this.#waitingBytes > MUCH_BYTES)) {
      sha256Into(data, memory.results, RESULT_BYTES * slotOf(memory, this.#put));
      kind = KIND.write;
    }
    this.#stage(memory, data);
    this.#add(memory, active, kind, block * BLOCK_BYTES, data.length);
    this.#at += Math.ceil(data.length / WORD_BYTES) * WORD_BYTES;
    this.#waitingBytes += data.length;
  }

  /**
   * Gets on its way what was put, and tells what is done: to be called after each batch of blocks and after `onWake`.
   *
   * @returns Pieces whose blocks are all written, in that order, each once; in a v1 torrent read back as well.
   */
  collect(): readonly ActivePiece[] {
    if (this.#memory === undefined) return NONE;
    this.#advance(this.#memory);
    if (this.#whole.length === 0) return NONE;
    const whole = this.#whole;
    this.#whole = [];
    return whole;
  }

  /** What ended the writing, told once; undefined when nothing did. */
  takeFailure(): Error | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  /** Whether so much waits that no more should be read from sockets before `room`. */
  get isBehind(): boolean {
    return !this.#isBroken && this.#waitingBytes > BEHIND_BYTES;
  }

  /** Resolves when half of that is done, or nothing more will be. */
  room(): Promise<void> {
    return this.#until((this.#put - BEHIND_BYTES / 2 / BLOCK_BYTES) | 0);
  }

  /** Resolves when all that was put is done, or nothing more will be; then `collect` tells of it. */
  async drain(): Promise<void> {
    if (this.#memory === undefined) return;
    this.#advance(this.#memory);
    while (!this.#isBroken && this.#reported !== this.#put) await this.#until(this.#put);
  }

  /** Ends the thread, which first does what it has been told of. Nothing may be put any more. */
  async close(): Promise<void> {
    this.#isBroken = true;
    this.#wakeWaiters();
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.end();
  }

  #add(memory: RingMemory, active: ActivePiece, kind: number, begin: number, length: number): void {
    const slot = slotOf(memory, this.#put);
    const { jobs } = memory;
    const job = JOB_WORDS * slot;
    jobs[job + JOB.kind] = kind;
    jobs[job + JOB.piece] = active.piece;
    jobs[job + JOB.begin] = begin;
    jobs[job + JOB.at] = this.#at;
    jobs[job + JOB.length] = length;
    this.#actives[slot] = active;
    this.#put = (this.#put + 1) | 0;
  }

  /**
   * Into shared memory the runtime copies byte by byte (3 µs a block) unless both sides lie equally to a word. Blocks lie
   * anyhow in what was received, so they are put side by side in memory of our own first, and go on together (0.4 µs).
   */
  #stage(memory: RingMemory, data: Uint8Array): void {
    if (!this.#isShared) return memory.bytes.set(data, this.#at);
    this.#staging ??= new Uint8Array(STAGING_BYTES);
    const follows = this.#at === this.#stagedAt + this.#stagedBytes &&
      this.#stagedBytes + data.length <= STAGING_BYTES;
    if (!follows) {
      this.#unstage(memory);
      this.#stagedAt = this.#at;
    }
    this.#staging.set(data, this.#stagedBytes);
    this.#stagedBytes += data.length;
  }

  #unstage(memory: RingMemory): void {
    if (this.#stagedBytes === 0) return;
    memory.bytes.set(this.#staging!.subarray(0, this.#stagedBytes), this.#stagedAt);
    this.#stagedBytes = 0;
  }

  /** Bytes lie one after the other up to the end of the memory, then from its beginning on, never reaching the oldest. */
  #hasRoom(memory: RingMemory, length: number): boolean {
    const waiting = (this.#put - this.#reported) | 0;
    if (waiting === 0) {
      this.#at = 0;
      return true;
    }
    if (waiting === memory.jobs.length / JOB_WORDS) return false;
    const oldest = memory.jobs[JOB_WORDS * slotOf(memory, this.#reported) + JOB.at]!;
    if (this.#at < oldest) return this.#at + length < oldest;
    if (this.#at + length <= memory.bytes.length) return true;
    if (length >= oldest) return false;
    this.#at = 0;
    return true;
  }

  /** Everything stands until the disk has taken something: only when more came at once than `room` lets through. */
  #waitForRoom(memory: RingMemory): void {
    this.#makeReady(memory);
    if (this.#isInFlight(memory)) Atomics.wait(memory.control, CONTROL.done, this.#reported, PATIENCE_MS);
    this.#absorb(memory);
  }

  #wake(memory: RingMemory): void {
    this.#advance(memory);
    this.onWake();
  }

  #advance(memory: RingMemory): void {
    this.#makeReady(memory);
    this.#absorb(memory);
    // Pieces to be read back: done by now where there is no other thread.
    if (this.#put === this.#ready) return;
    this.#makeReady(memory);
    this.#absorb(memory);
  }

  #isInFlight({ control }: RingMemory): boolean {
    return Atomics.load(control, CONTROL.done) !== this.#ready;
  }

  #makeReady(memory: RingMemory): void {
    const count = (this.#put - this.#ready) | 0;
    if (count === 0 || this.#isBroken) return;
    const { control } = memory;
    this.#unstage(memory);
    // A few, with nothing before them, are sooner done than told of.
    const isLong = count > FEW_JOBS || this.#hasLongJob || this.#isInFlight(memory);
    if (!(this.#isShared && isLong)) {
      this.#mill ??= new BlockMill(memory, this.#layout, this.#storage);
      try {
        this.#mill.work(this.#ready, this.#put);
      } catch (error) {
        return this.#break(error as Error);
      }
    }
    this.#hasLongJob = false;
    this.#ready = this.#put;
    Atomics.store(control, CONTROL.ready, this.#ready);
    if (this.#isShared && isLong) ring(memory);
  }

  /** Reads the outcome of what is done. */
  #absorb(memory: RingMemory): void {
    const { jobs, results, control } = memory;
    const done = Atomics.load(control, CONTROL.done);
    if (done === this.#reported) return;
    for (; this.#reported !== done; this.#reported = (this.#reported + 1) | 0) {
      const slot = slotOf(memory, this.#reported);
      const active = this.#actives[slot]!;
      this.#actives[slot] = undefined;
      const [job, result] = [JOB_WORDS * slot, RESULT_BYTES * slot];
      const kind = jobs[job + JOB.kind]!;
      if (kind === KIND.readBack) {
        if (jobs[job + JOB.isHashed] === 1) active.readBack = results.slice(result, result + SHA1_BYTES);
        this.#whole.push(active);
        continue;
      }
      this.#waitingBytes -= jobs[job + JOB.length]!;
      const { hashes } = active;
      const isHashed = hashes.length > 0;
      if (isHashed) {
        const to = jobs[job + JOB.begin]! / BLOCK_BYTES * RESULT_BYTES;
        for (let i = 0; i < RESULT_BYTES; i++) hashes[to + i] = results[result + i]!;
      }
      if (!active.store()) continue;
      if (isHashed) this.#whole.push(active);
      else this.#toReadBack.push(active);
    }
    this.#putReadBacks(memory);
    this.#wakeWaiters();
  }

  /** Each takes the slot that its last block has left. */
  #putReadBacks(memory: RingMemory): void {
    for (const active of this.#toReadBack) {
      this.#add(memory, active, KIND.readBack, 0, 0);
      this.#hasLongJob = true;
    }
    this.#toReadBack.length = 0;
  }

  #break(error: Error): void {
    this.#failure ??= error;
    this.#isBroken = true;
    this.#wakeWaiters();
  }

  #until(upTo: number): Promise<void> {
    if (this.#isBroken || this.#thread === undefined || ((this.#reported - upTo) | 0) >= 0) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#waiters.push({ upTo, resolve });
      this.#askToBeWoken();
    });
  }

  #wakeWaiters(): void {
    if (this.#waiters.length === 0) return;
    const isOver = (upTo: number) => this.#isBroken || ((this.#reported - upTo) | 0) >= 0;
    for (const { upTo, resolve } of this.#waiters) if (isOver(upTo)) resolve();
    this.#waiters = this.#waiters.filter(({ upTo }) => !isOver(upTo));
    this.#askToBeWoken();
  }

  /** At the first of what is waited for. A thread that has just passed it says so when it has nothing to do. */
  #askToBeWoken(): void {
    const [first] = this.#waiters;
    if (first === undefined || this.#memory === undefined) return;
    const { control } = this.#memory;
    Atomics.store(control, CONTROL.wanted, first.upTo);
    Atomics.store(control, CONTROL.wants, 1);
  }
}

const NONE: readonly ActivePiece[] = [];
const SHA1_BYTES = 20;
/** Memory of both kinds: what one call writes, and what a thread needs so as not to run dry. */
const OWN_SLOTS = 64;
const OWN_BYTES = 1 << 20;
const SHARED_SLOTS = 1024;
const SHARED_BYTES = 8 << 20;
/** Some milliseconds of the second thread's time. */
const BEHIND_BYTES = 4 << 20;
/** More than this waits: the other thread has more to do than this one, which then hashes what it brings. */
const MUCH_BYTES = 1 << 20;
const STAGING_BYTES = 128 << 10;
const WORD_BYTES = 8;
const FEW_JOBS = 4;
const PATIENCE_MS = 100;
