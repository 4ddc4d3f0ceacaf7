// Fetches missing piece layers from peers (BEP 52): which peer is asked for which span, at most two at a time each.
// A span that lets us wait is asked of more peers, twice as many with each second, so that the silent ones among many
// cost seconds and not a timeout each. What is proven is kept by PieceLayers.

import { WireFault } from "../errors.ts";
import { HASH_PATIENCE_MS, HASH_TIMEOUT_MS, MAX_HASH_REQUESTS_SENT, REJECT_PAUSE_MS } from "./limits.ts";
import type { PieceLayers } from "./piece_layers.ts";
import type { HashSpan } from "./wire.ts";

/** A peer on a v2 connection that has announced pieces: libtorrent without metadata may hang up on a request. */
export interface HashPeer {
  readonly number: number;
  request(span: HashSpan): void;
}

/** A span that was asked for and is not known yet. */
interface Asked {
  readonly firstMs: number;
  /** When each peer that still owes it was asked. */
  readonly askers: Map<number, number>;
}

export class HashFetch {
  readonly #layers: PieceLayers;
  readonly #peers = new Map<number, { peer: HashPeer; waiting: number; notBeforeMs: number }>();
  readonly #asked = new Map<HashSpan, Asked>();

  constructor(layers: PieceLayers) {
    this.#layers = layers;
  }

  addPeer(peer: HashPeer, nowMs: number): void {
    if (this.#layers.isComplete || this.#peers.has(peer.number)) return;
    this.#peers.set(peer.number, { peer, waiting: 0, notBeforeMs: nowMs });
    this.tick(nowMs);
  }

  removePeer(number: number): void {
    this.#peers.delete(number);
    for (const { askers } of this.#asked.values()) askers.delete(number);
  }

  /** Takes back what was not answered in time, and asks for what is missing. */
  tick(nowMs: number): void {
    if (this.#layers.isComplete) return;
    for (const asked of this.#asked.values()) {
      for (const [number, sinceMs] of asked.askers) {
        if (nowMs - sinceMs > HASH_TIMEOUT_MS) this.#giveUp(asked, number, nowMs);
      }
    }
    for (const [number, known] of this.#peers) {
      if (known.notBeforeMs > nowMs) continue;
      const room = MAX_HASH_REQUESTS_SENT - known.waiting;
      for (const span of this.#layers.nextRequests(room, (span) => !this.#mayAsk(span, number, nowMs))) {
        known.waiting++;
        this.#askersOf(span, nowMs).set(number, nowMs);
        known.peer.request(span);
      }
    }
  }

  /**
   * An answer came.
   *
   * @returns Whether it brought hashes that were missing.
   * @throws {WireFault} When it is the answer to our request and proves nothing.
   */
  onHashes(number: number, span: HashSpan, hashes: Uint8Array, nowMs: number): boolean {
    const request = this.#layers.requestOf(span);
    const asked = request && this.#asked.get(request);
    if (request === undefined || asked === undefined || !asked.askers.has(number)) return false;
    this.#settle(asked, number);
    if (!this.#layers.onHashes(span, hashes)) throw new WireFault("BEP 52", "hashes that prove nothing");
    // Whoever else was asked may answer too: nobody waits for it.
    for (const other of asked.askers.keys()) this.#settle(asked, other);
    this.#asked.delete(request);
    this.tick(nowMs);
    return true;
  }

  /** The peer refuses: it is left alone for a while. */
  onReject(number: number, span: HashSpan, nowMs: number): void {
    const request = this.#layers.requestOf(span);
    const asked = request && this.#asked.get(request);
    if (asked?.askers.has(number) === true) this.#giveUp(asked, number, nowMs);
    this.tick(nowMs);
  }

  #mayAsk(span: HashSpan, number: number, nowMs: number): boolean {
    const asked = this.#asked.get(span);
    if (asked === undefined) return true;
    const { firstMs, askers } = asked;
    return !askers.has(number) && askers.size < 2 ** Math.floor((nowMs - firstMs) / HASH_PATIENCE_MS);
  }

  #askersOf(span: HashSpan, nowMs: number): Map<number, number> {
    const asked = this.#asked.get(span) ?? { firstMs: nowMs, askers: new Map<number, number>() };
    this.#asked.set(span, asked);
    return asked.askers;
  }

  /** The peer owes this span no more. */
  #settle({ askers }: Asked, number: number): void {
    const known = this.#peers.get(number);
    if (askers.delete(number) && known !== undefined) known.waiting--;
  }

  #giveUp(asked: Asked, number: number, nowMs: number): void {
    this.#settle(asked, number);
    const known = this.#peers.get(number);
    if (known !== undefined) known.notBeforeMs = nowMs + REJECT_PAUSE_MS;
  }
}
