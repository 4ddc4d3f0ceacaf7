// Fetches missing piece layers from peers (BEP 52): which peer is asked for which span, at most two at a time each,
// again from somebody else after a refusal or when the time is up. What is proven is kept by PieceLayers.

import { WireFault } from "../errors.ts";
import { HASH_TIMEOUT_MS, MAX_HASH_REQUESTS_SENT, REJECT_PAUSE_MS } from "./limits.ts";
import type { PieceLayers } from "./piece_layers.ts";
import type { HashSpan } from "./wire.ts";

/** A peer on a v2 connection that has announced pieces: libtorrent without metadata may hang up on a request. */
export interface HashPeer {
  readonly number: number;
  request(span: HashSpan): void;
}

export class HashFetch {
  readonly #layers: PieceLayers;
  readonly #peers = new Map<number, { peer: HashPeer; waiting: number; notBeforeMs: number }>();
  readonly #underWay = new Map<HashSpan, { peer: number; sinceMs: number }>();

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
    for (const [span, { peer }] of this.#underWay) if (peer === number) this.#underWay.delete(span);
  }

  /** Takes back what was not answered in time, and asks for what is missing. */
  tick(nowMs: number): void {
    if (this.#layers.isComplete) return;
    for (const [span, { peer, sinceMs }] of this.#underWay) {
      if (nowMs - sinceMs > HASH_TIMEOUT_MS) this.#giveUp(span, peer, nowMs);
    }
    for (const [number, known] of this.#peers) {
      if (known.notBeforeMs > nowMs) continue;
      const room = MAX_HASH_REQUESTS_SENT - known.waiting;
      for (const span of this.#layers.nextRequests(room, (request) => this.#underWay.has(request))) {
        known.waiting++;
        this.#underWay.set(span, { peer: number, sinceMs: nowMs });
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
    const request = this.#take(number, span);
    if (request === undefined) return false;
    if (!this.#layers.onHashes(span, hashes)) throw new WireFault("BEP 52", "hashes that prove nothing");
    this.tick(nowMs);
    return true;
  }

  /** The peer refuses: it is left alone for a while. */
  onReject(number: number, span: HashSpan, nowMs: number): void {
    const request = this.#layers.requestOf(span);
    if (request !== undefined && this.#underWay.get(request)?.peer === number) {
      this.#giveUp(request, number, nowMs);
    }
    this.tick(nowMs);
  }

  #take(number: number, span: HashSpan): HashSpan | undefined {
    const request = this.#layers.requestOf(span);
    if (request === undefined || this.#underWay.get(request)?.peer !== number) return undefined;
    this.#underWay.delete(request);
    const known = this.#peers.get(number);
    if (known !== undefined) known.waiting--;
    return request;
  }

  #giveUp(span: HashSpan, number: number, nowMs: number): void {
    this.#underWay.delete(span);
    const known = this.#peers.get(number);
    if (known === undefined) return;
    known.waiting--;
    known.notBeforeMs = nowMs + REJECT_PAUSE_MS;
  }
}
