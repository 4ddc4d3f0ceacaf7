// How many bytes a second, over the last few seconds. The time is an argument.

/** How many slots a rate looks back, and how long each is when nothing else is asked for: three seconds together. */
const SLOTS = 6;
const SLOT_MS = 500;

export class RateMeter {
  readonly #slotMs: number;
  readonly #slots = new Float64Array(SLOTS);
  #slot = 0;
  #startedMs: number | undefined;
  #total = 0;

  /** @param slotMs A sixth of the time that the rate looks back. */
  constructor(slotMs = SLOT_MS) {
    this.#slotMs = slotMs;
  }

  /** All bytes ever added. */
  get total(): number {
    return this.#total;
  }

  add(bytes: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#slots[this.#slot % SLOTS]! += bytes;
    this.#total += bytes;
  }

  /** Bytes per second over that time, or since the first byte. */
  perSecond(nowMs: number): number {
    if (this.#startedMs === undefined) return 0;
    this.#advance(nowMs);
    let sum = 0;
    for (const bytes of this.#slots) sum += bytes;
    const currentMs = nowMs - this.#startedMs - this.#slot * this.#slotMs;
    const spanMs = Math.min(this.#slot, SLOTS - 1) * this.#slotMs + currentMs;
    return sum * 1000 / Math.max(spanMs, this.#slotMs / 2);
  }

  #advance(nowMs: number): void {
    this.#startedMs ??= nowMs;
    const slot = Math.floor((nowMs - this.#startedMs) / this.#slotMs);
    if (slot <= this.#slot) return;
    if (slot - this.#slot >= SLOTS) this.#slots.fill(0);
    else for (let next = this.#slot + 1; next <= slot; next++) this.#slots[next % SLOTS] = 0;
    this.#slot = slot;
  }
}
