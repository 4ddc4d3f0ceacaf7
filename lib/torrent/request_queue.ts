// The blocks that one peer is asked for, and how many it should be: enough to fill the line between us, no more.
// It grows by one per block that comes (so it doubles per round trip) until the rate stops growing; from then on it
// is twice the rate times the shortest latency seen, at least two seconds' worth up to 32, and as much as comes while
// a busy machine lets one of us wait. Where that proves too little, because the shortest latency is not the usual one,
// the rate falls, and the factor grows until it is back.

import { MAX_REQUESTS_SENT } from "./limits.ts";
import { RateMeter } from "./rate.ts";

const BLOCK = 16_384;
const FIRST_DEPTH = 16;
const LEAST_DEPTH = 2;
const FLOOR_DEPTH = 32;
const WINDOW_MS = 500;
/** A rate that grew less than this in a window has found its line. */
const STILL_GROWING = 1.25;
/** Times rate and latency: enough for the line and for waiting on us to ask again. */
const LEAST_FACTOR = 2;
/** Never more than this is on the way, so that a line that became slow for good is not filled up for ever. */
const MOST_MS = 1000;
/** How long a program waits for its turn where more of them run than there are cores: a few turns of each. */
const BUSY_MS = 20;
/** As exact as a clock is that may stand still between two events. */
const LEAST_LATENCY_MS = 0.1;
/** A rate below this share of the best one of late is a loss. */
const LOSS = 0.8;
/**
 * Short pieces are asked for in runs that take no longer than this: others who begin with us are not to have the same
 * ones, nor to lack the same. And no longer than what one write gains from.
 */
const RUN_MS = 50;
const MOST_RUN_BYTES = 512 << 10;
/** What each window leaves of the best rate, and of the factor. */
const FADE = 0.95;

export class RequestQueue {
  /** When each block was asked for, by piece * blocksPerPiece + block. */
  readonly #askedMs = new Map<number, number>();
  readonly rate = new RateMeter();
  #depth = FIRST_DEPTH;
  #mostDepth = MAX_REQUESTS_SENT;
  #growing = true;
  #windowEndsMs: number | undefined;
  #windowRate = 0;
  #bestRate = 0;
  #factor = LEAST_FACTOR;
  #shortestMs = Infinity;
  /** When a block last came, or when the queue last became non-empty. */
  #lastProgressMs = 0;

  constructor(readonly blocksPerPiece: number) {}

  get size(): number {
    return this.#askedMs.size;
  }

  /** The peer keeps only so many requests (`reqq`). */
  limit(most: number): void {
    this.#mostDepth = Math.min(Math.max(most, 1), MAX_REQUESTS_SENT);
  }

  /** How much the peer sends in a moment: what it may be asked for side by side, though it be many short pieces. */
  runBytes(nowMs: number): number {
    return Math.min(MOST_RUN_BYTES, this.rate.perSecond(nowMs) * RUN_MS / 1000);
  }

  has(piece: number, block: number): boolean {
    return this.#askedMs.has(this.#key(piece, block));
  }

  /** How many more may be asked for now. */
  get room(): number {
    return Math.min(this.#depth, this.#mostDepth) - this.#askedMs.size;
  }

  ask(piece: number, block: number, nowMs: number): void {
    if (this.#askedMs.size === 0) this.#lastProgressMs = nowMs;
    this.#askedMs.set(this.#key(piece, block), nowMs);
  }

  /** A block came. @returns Whether it was asked for. */
  receive(piece: number, block: number, bytes: number, nowMs: number): boolean {
    const key = this.#key(piece, block);
    const askedMs = this.#askedMs.get(key);
    if (askedMs === undefined) return false;
    this.#askedMs.delete(key);
    this.#lastProgressMs = nowMs;
    this.rate.add(bytes, nowMs);
    const latencyMs = Math.max(nowMs - askedMs, LEAST_LATENCY_MS);
    if (latencyMs < this.#shortestMs) this.#shortestMs = latencyMs;
    if (this.#growing) this.#depth++;
    this.#windowEndsMs ??= nowMs + WINDOW_MS;
    if (nowMs >= this.#windowEndsMs) this.#closeWindow(nowMs);
    return true;
  }

  /** The peer will not send it, or is not wanted to. @returns Whether it was asked for. */
  drop(piece: number, block: number): boolean {
    return this.#askedMs.delete(this.#key(piece, block));
  }

  /** Drops everything, telling of each block. */
  clear(dropped: (piece: number, block: number) => void): void {
    const keys = [...this.#askedMs.keys()];
    this.#askedMs.clear();
    for (const key of keys) {
      const block = key % this.blocksPerPiece;
      dropped((key - block) / this.blocksPerPiece, block);
    }
  }

  /** How long the peer has owed blocks without sending one; 0 when it owes none. */
  silentMs(nowMs: number): number {
    return this.#askedMs.size === 0 ? 0 : nowMs - this.#lastProgressMs;
  }

  /** Start over carefully: the peer let us wait. */
  shrink(): void {
    this.#depth = LEAST_DEPTH;
    this.#growing = true;
    this.#windowRate = 0;
    this.#bestRate = 0;
    this.#factor = LEAST_FACTOR;
  }

  /** A block that no piece has, as a stranger may name one, is like no other. */
  #key(piece: number, block: number): number {
    return block < this.blocksPerPiece ? piece * this.blocksPerPiece + block : -1;
  }

  #closeWindow(nowMs: number): void {
    const rate = this.rate.perSecond(nowMs);
    if (this.#growing && rate < STILL_GROWING * this.#windowRate) this.#growing = false;
    if (!this.#growing) {
      const perMs = rate / BLOCK / 1000;
      this.#factor = rate < LOSS * this.#bestRate
        ? 2 * this.#factor
        : Math.max(LEAST_FACTOR, FADE * this.#factor);
      const floor = Math.min(FLOOR_DEPTH, Math.ceil(perMs * 2000));
      const wanted = Math.min(
        Math.max(this.#factor * this.#shortestMs, BUSY_MS),
        Math.max(MOST_MS, LEAST_FACTOR * this.#shortestMs),
      );
      this.#depth = Math.max(LEAST_DEPTH, floor, Math.ceil(perMs * wanted) + 4);
    }
    this.#bestRate = Math.max(rate, FADE * this.#bestRate);
    this.#windowRate = rate;
    this.#windowEndsMs = nowMs + WINDOW_MS;
  }
}
