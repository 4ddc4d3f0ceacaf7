// Whom the block hashes of pieces are asked of (BEP 52, base 0): who may tell them, who is asked about which piece, who
// was silent or refused and rests. It neither chooses the pieces nor believes an answer: that is block_reuse.ts's.
//
//   asked -> told: nobody is asked any more
//     |____> refused, silent: by others    gone: by anybody

import { equalBytes } from "../bytes.ts";
import type { PieceIndex } from "./layout.ts";
import { HASH_TIMEOUT_MS, MAX_LEAF_REJECTS, MAX_LEAF_REQUESTS_SENT, REJECT_PAUSE_MS } from "./limits.ts";
import type { PeerCore } from "./peer_core.ts";
import { type HashSpan, ID } from "./wire.ts";

/** What must be known of a peer. */
export type LeafPeer = Pick<PeerCore, "number" | "isV2"> & {
  readonly out: Pick<PeerCore["out"], "hashSpan">;
};

interface Asked {
  readonly span: HashSpan;
  readonly peer: number;
  readonly sinceMs: number;
}

interface Teller {
  waiting: number;
  answeredMs: number;
  /** In a row. */
  rejects: number;
  restUntilMs: number;
}

export class LeafTellers {
  readonly #asked = new Map<PieceIndex, Asked>();
  readonly #tellers = new Map<number, Teller>();
  /** Peers that could not tell, by piece. */
  readonly #refusals = new Map<PieceIndex, Set<number>>();
  #nowMs = 0;

  /** It is so late, at least. */
  advance(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
  }

  /** Pieces that somebody is asked about. */
  get askedCount(): number {
    return this.#asked.size;
  }

  isAsked(piece: PieceIndex): boolean {
    return this.#asked.has(piece);
  }

  /** Whether the peer may be asked, sooner or later. */
  canTell(peer: LeafPeer): boolean {
    return peer.isV2 && this.#teller(peer.number).restUntilMs <= this.#nowMs;
  }

  /** Whether it may be asked about one more piece now. */
  hasRoom(peer: LeafPeer): boolean {
    return this.#teller(peer.number).waiting < MAX_LEAF_REQUESTS_SENT;
  }

  hasRefused(piece: PieceIndex, peer: LeafPeer): boolean {
    return this.#refusals.get(piece)?.has(peer.number) === true;
  }

  ask(peer: LeafPeer, piece: PieceIndex, span: HashSpan): void {
    this.#teller(peer.number).waiting++;
    this.#asked.set(piece, { span, peer: peer.number, sinceMs: this.#nowMs });
    peer.out.hashSpan(ID.hashRequest, span);
  }

  /** The piece that an answer or a refusal of the peer is about: nobody is asked about it now. undefined: not asked. */
  take(peer: LeafPeer, span: HashSpan): PieceIndex | undefined {
    for (const [piece, asked] of this.#asked) {
      const { index, root } = asked.span;
      if (asked.peer !== peer.number || index !== span.index || !equalBytes(root, span.root)) continue;
      this.#takeBack(piece);
      return piece;
    }
    return undefined;
  }

  /** It told the truth. */
  onTold(peer: LeafPeer): void {
    Object.assign(this.#teller(peer.number), { rejects: 0, answeredMs: this.#nowMs });
  }

  /** It will not tell of that piece. */
  onRefused(piece: PieceIndex, peer: LeafPeer): void {
    this.#refuse(piece, peer.number, 1);
  }

  /** Who has been silent for too long is taken to refuse, and rests. Each tick of the session. */
  giveUpSilent(): void {
    for (const [piece, { peer, sinceMs }] of this.#asked) {
      // Who has much to do answers one after the other.
      if (this.#nowMs - Math.max(sinceMs, this.#teller(peer).answeredMs) < HASH_TIMEOUT_MS) continue;
      this.#takeBack(piece);
      this.#refuse(piece, peer, MAX_LEAF_REJECTS);
    }
  }

  leave(peer: Pick<LeafPeer, "number">): void {
    for (const [piece, asked] of this.#asked) if (asked.peer === peer.number) this.#takeBack(piece);
    this.#tellers.delete(peer.number);
  }

  /** Pieces that were refused and that nobody is asked about now, each with how many could not tell. */
  *refused(): Generator<[piece: PieceIndex, count: number]> {
    for (const [piece, refusals] of this.#refusals) if (!this.#asked.has(piece)) yield [piece, refusals.size];
  }

  /** Who refused the piece is of no interest any more. */
  forget(piece: PieceIndex): void {
    this.#refusals.delete(piece);
  }

  forgetAll(): void {
    this.#refusals.clear();
  }

  /** It is nobody's to answer any more. */
  #takeBack(piece: PieceIndex): void {
    const asked = this.#asked.get(piece)!;
    this.#asked.delete(piece);
    const teller = this.#tellers.get(asked.peer);
    if (teller !== undefined) teller.waiting--;
  }

  #refuse(piece: PieceIndex, number: number, times: number): void {
    const refusals = this.#refusals.get(piece) ?? new Set();
    this.#refusals.set(piece, refusals.add(number));
    const teller = this.#teller(number);
    teller.rejects += times;
    if (teller.rejects < MAX_LEAF_REJECTS) return;
    teller.rejects = 0;
    teller.restUntilMs = this.#nowMs + REJECT_PAUSE_MS;
  }

  #teller(number: number): Teller {
    const teller = this.#tellers.get(number) ?? { waiting: 0, answeredMs: 0, rejects: 0, restUntilMs: 0 };
    this.#tellers.set(number, teller);
    return teller;
  }
}
