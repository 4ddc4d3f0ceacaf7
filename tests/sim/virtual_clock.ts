// Time that stands still until nobody has anything left to do, and then jumps to the next timer. Whatever waits on this
// clock alone is replayed exactly; hours of it take milliseconds.

import { setImmediate } from "node:timers";
import type { Clock } from "../../lib/ports.ts";

interface Timer {
  readonly atMs: number;
  readonly fire: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 0;
  /** The next one last; of those due at once, the one set first is last. */
  readonly #timers: Timer[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  unixMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#nowMs);
  }

  /** Calls `fire` once, at a time that is not before now. @returns What takes it back. */
  at(atMs: number, fire: () => void): () => void {
    const timer = { atMs: Math.max(atMs, this.#nowMs), fire };
    let [low, high] = [0, this.#timers.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#timers[middle]!.atMs > timer.atMs) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
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
      const next = this.#timers.at(-1);
      if (next === undefined || next.atMs > limitMs) return false;
      this.#nowMs = next.atMs;
      while (this.#timers.at(-1)?.atMs === next.atMs) this.#timers.pop()!.fire();
    }
  }
}
