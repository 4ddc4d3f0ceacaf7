// How long nothing has come, and when that is to be said: soon where nobody is connected, which is when somebody in front
// of a terminal asks themselves whether anything happens at all; later where peers are there that may yet send.

export class Silence {
  #sinceMs: number;
  #toldMs: number | undefined;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** Something came. */
  end(nowMs: number): void {
    this.#sinceMs = nowMs;
  }

  /** Milliseconds since something came, or since the start. */
  lasts(nowMs: number): number {
    return nowMs - this.#sinceMs;
  }

  /** Whether it is to be told now; if so, it counts as told. Never more than once a minute. */
  isDue(nowMs: number, { isAlone }: { readonly isAlone: boolean }): boolean {
    if (this.lasts(nowMs) < (isAlone ? LONELY_MS : PATIENCE_MS)) return false;
    if (this.#toldMs !== undefined && nowMs - this.#toldMs < PATIENCE_MS) return false;
    this.#toldMs = nowMs;
    return true;
  }
}

/** The DHT and trackers name peers within some seconds, where there are any. */
const LONELY_MS = 15_000;
const PATIENCE_MS = 60_000;
