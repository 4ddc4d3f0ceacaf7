// A rate limit shared by many: bytes are spent as they pass, may go into debt by one read or block, and come back with
// time. Over any stretch much longer than the burst the rate holds exactly. The time is an argument.

/** How much may pass at once after a pause, in seconds of the rate. */
const BURST_SECONDS = 0.1;
/** At least one block passes at once, or nothing ever would. */
const LEAST_BURST_BYTES = 16_384;

export class TokenBucket {
  #perMs = 0;
  #burst = 0;
  #tokens: number;
  #filledMs: number;

  #bytesPerSec = 0;

  /** @param bytesPerSec Above 0; Infinity lets everything pass. */
  constructor(bytesPerSec: number, nowMs: number) {
    this.#set(bytesPerSec);
    this.#tokens = this.#burst;
    this.#filledMs = nowMs;
  }

  get bytesPerSec(): number {
    return this.#bytesPerSec;
  }

  /** From now on another rate holds. */
  change(bytesPerSec: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#set(bytesPerSec);
    this.#tokens = Math.min(this.#tokens, this.#burst);
  }

  /** The most that should be read or sent in one go. */
  get chunkBytes(): number {
    return this.#burst;
  }

  /** Whether anything may pass now. */
  isOpen(nowMs: number): boolean {
    this.#fill(nowMs);
    return this.#tokens > 0;
  }

  /** These bytes have passed. */
  spend(bytes: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#tokens -= bytes;
  }

  /** Milliseconds until something may pass; 0 when it may now. */
  delayMs(nowMs: number): number {
    this.#fill(nowMs);
    return this.#tokens > 0 ? 0 : Math.ceil((1 - this.#tokens) / this.#perMs);
  }

  #set(bytesPerSec: number): void {
    if (!(bytesPerSec > 0)) throw new RangeError(`a rate of ${bytesPerSec} bytes a second lets nothing pass`);
    this.#bytesPerSec = bytesPerSec;
    this.#perMs = bytesPerSec / 1000;
    this.#burst = Math.max(LEAST_BURST_BYTES, bytesPerSec * BURST_SECONDS);
  }

  /** A time that lies before one that was seen changes nothing. */
  #fill(nowMs: number): void {
    if (nowMs <= this.#filledMs) return;
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#filledMs) * this.#perMs);
    this.#filledMs = nowMs;
  }
}
