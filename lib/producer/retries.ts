// Trying again: with longer and longer pauses, as often as there is progress, and not for ever without any.

import { NetworkStalled } from "../errors.ts";
import type { Clock } from "../ports.ts";
import { isPassing, nameIn } from "./remote_file.ts";

export interface RetryLimits {
  /** Failures in a row, without progress between them. */
  readonly tries: number;
  /** Before the second try; doubled before each further one, up to a minute. */
  readonly firstPauseMs: number;
}

/** How often one may fail: tries in a row in which next to nothing came. */
export class Retries {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #limits: RetryLimits;
  readonly #signal: AbortSignal;
  #failures = 0;
  #movedBytes = 0;

  constructor(url: string, clock: Clock, limits: RetryLimits, signal: AbortSignal) {
    this.#url = url;
    this.#clock = clock;
    this.#limits = limits;
    this.#signal = signal;
  }

  /** Something came. A server that cuts each connection after a byte makes no progress. */
  moved(bytes: number): void {
    this.#movedBytes += bytes;
    if (this.#movedBytes < PROGRESS_BYTES) return;
    this.#movedBytes = 0;
    this.#failures = 0;
  }

  /** Until it succeeds, or fails for good. */
  async retry<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        this.#signal.throwIfAborted();
        if (!isPassing(error)) throw error;
        this.#failures++;
        if (this.#failures >= this.#limits.tries) throw this.#spent(error);
        const pause = Math.min(this.#limits.firstPauseMs * 2 ** (this.#failures - 1), MAX_PAUSE_MS);
        await this.#clock.sleep(pause, this.#signal);
      }
    }
  }

  #spent(error: unknown): NetworkStalled {
    const why = error instanceof Error ? error.message : String(error);
    return new NetworkStalled(
      `Cannot fetch ${nameIn(this.#url)}: ${this.#failures} tries in a row failed, the last so: ${why}`,
      { cause: error },
    );
  }
}

/** What a connection must bring for its end to be no failure: two packets would otherwise do for ever. */
const PROGRESS_BYTES = 64 << 10;
const MAX_PAUSE_MS = 60_000;
