// Time that stands still until nobody has anything left to do, and then jumps to the next timer. Whatever waits on this
// clock alone is replayed exactly; hours of it take milliseconds.

import { setImmediate } from "node:timers";
import type { Clock } from "../../lib/ports.ts";

interface Timer {
  readonly atMs: number;
  /** Of those due at once, the one set first is the first. */
  readonly order: number;
  /** undefined once it was taken back. */
  fire: (() => void) | undefined;
}

export class VirtualClock implements Clock {
  #nowMs = 0;
  /** A heap: the next one first, each before the two at twice its place and one and two more. */
  readonly #timers: Timer[] = [];
  #order = 0;

  /** @param stepMs Time goes on in such steps, so that much happens at once where very much does; 0 for exactly. */
  constructor(readonly stepMs = 0) {}

  nowMs(): number {
    return this.#nowMs;
  }

  unixMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#nowMs);
  }

  /** Calls `fire` once, at a time that is not before now. @returns What takes it back. */
  at(atMs: number, fire: () => void): () => void {
    const step = this.stepMs;
    const dueMs = step === 0 ? atMs : step * Math.ceil(atMs / step);
    const timer: Timer = { atMs: Math.max(dueMs, this.#nowMs), order: this.#order++, fire };
    this.#push(timer);
    return () => timer.fire = undefined;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const takeBack = this.at(this.#nowMs + ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      const onAbort = () => {
        takeBack();
        resolve();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /**
   * Lets the time run until `isOver`, which is asked whenever everybody waits.
   *
   * @returns Whether it was over before `limitMs`.
   */
  async run(isOver: () => boolean, limitMs: number): Promise<boolean> {
    for (;;) {
      // Promises that are settled are all carried on before this comes back.
      await new Promise<void>((resolve) => void setImmediate(resolve));
      if (isOver()) return true;
      const next = this.#next();
      if (next === undefined || next.atMs > limitMs) return false;
      this.#nowMs = next.atMs;
      for (let due = this.#next(); due?.atMs === this.#nowMs; due = this.#next()) {
        this.#pop();
        due.fire!();
      }
    }
  }

  /** The first that was not taken back. */
  #next(): Timer | undefined {
    while (this.#timers.length > 0 && this.#timers[0]!.fire === undefined) this.#pop();
    return this.#timers[0];
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (isBefore(heap[above]!, timer)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = timer;
  }

  /** Takes the first away: the last one goes down from its place. */
  #pop(): void {
    const heap = this.#timers;
    const timer = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (isBefore(timer, heap[below]!)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = timer;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
