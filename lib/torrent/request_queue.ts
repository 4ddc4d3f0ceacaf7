// The blocks that one peer is asked for, and how many it should be: enough to fill the line between us, no more.
// It grows by one per block that comes (so it doubles per round trip) until the rate stops growing; from then on it
// is twice the rate times the shortest latency seen, at least two seconds' worth up to 32.

import { MAX_REQUESTS_SENT } from "./limits.ts";
import { RateMeter } from "./rate.ts";

const BLOCK = 16_384;
const FIRST_DEPTH = 16;
const LEAST_DEPTH = 2;
const FLOOR_DEPTH = 32;
const WINDOW_MS = 500;
/** A rate that grew less than this in a window has found its line. */
const STILL_GROWING = 1.25;

export class RequestQueue {
  /** When each block was asked for, by piece * blocksPerPiece + block. */
  readonly #askedMs = new Map<number, number>();
  readonly rate = new RateMeter();
  #depth = FIRST_DEPTH;
  #mostDepth = MAX_REQUESTS_SENT;
  #growing = true;
  #windowEndsMs: number | undefined;
  #windowRate = 0;
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

  has(piece: number, block: number): boolean {
    return this.#askedMs.has(piece * this.blocksPerPiece + block);
  }

  /** How many more may be asked for now. */
  get room(): number {
    return Math.min(this.#depth, this.#mostDepth) - this.#askedMs.size;
  }

  ask(piece: number, block: number, nowMs: number): void {
    if (this.#askedMs.size === 0) this.#lastProgressMs = nowMs;
    this.#askedMs.set(piece * this.blocksPerPiece + block, nowMs);
  }

  /** A block came. @returns Whether it was asked for. */
  receive(piece: number, block: number, bytes: number, nowMs: number): boolean {
    const key = piece * this.blocksPerPiece + block;
    const askedMs = this.#askedMs.get(key);
    if (askedMs === undefined) return false;
    this.#askedMs.delete(key);
    this.#lastProgressMs = nowMs;
    this.rate.add(bytes, nowMs);
    if (nowMs - askedMs < this.#shortestMs) this.#shortestMs = nowMs - askedMs;
    if (this.#growing) this.#depth++;
    this.#windowEndsMs ??= nowMs + WINDOW_MS;
    if (nowMs >= this.#windowEndsMs) this.#closeWindow(nowMs);
    return true;
  }

  /** The peer will not send it, or is not wanted to. @returns Whether it was asked for. */
  drop(piece: number, block: number): boolean {
    return this.#askedMs.delete(piece * this.blocksPerPiece + block);
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
  }

  #closeWindow(nowMs: number): void {
    const rate = this.rate.perSecond(nowMs);
    if (this.#growing && rate < STILL_GROWING * this.#windowRate) this.#growing = false;
    if (!this.#growing) {
      const perMs = rate / BLOCK / 1000;
      const floor = Math.min(FLOOR_DEPTH, Math.ceil(perMs * 2000));
      this.#depth = Math.max(LEAST_DEPTH, floor, Math.ceil(2 * perMs * this.#shortestMs) + 4);
    }
    this.#windowRate = rate;
    this.#windowEndsMs = nowMs + WINDOW_MS;
  }
}
