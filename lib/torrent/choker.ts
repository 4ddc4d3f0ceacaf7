// Whom to serve (BEP 3's tit for tat), decided every ten seconds and whenever somebody becomes interested: while we
// fetch, those who send us the most; once we have it all, those who take the most; and one more by chance, so that
// newcomers get a start. A core: the time and the chance are given to it.

/** What the choker must know of a peer. */
export interface ChokerPeer {
  readonly number: number;
  /** It wants something of us. */
  readonly wanted: boolean;
  /** It owes us blocks for too long: it gets no regular slot (BEP 3's anti-snubbing). */
  readonly snubbed: boolean;
  /** Bytes per second from it, and to it. */
  readonly downRate: number;
  readonly upRate: number;
  readonly connectedMs: number;
}

/** Peers served at once, the one by chance among them: as libtorrent. */
export const UPLOAD_SLOTS = 8;
export const RECHOKE_MS = 10_000;
const OPTIMISTIC_MS = 30_000;
/** A peer is new for this long, and then three times as likely to be the one by chance (BEP 3). */
const NEW_MS = 60_000;
const NEW_WEIGHT = 3;

export class Choker {
  readonly #random: () => number;
  #optimistic: number | undefined;
  #optimisticSinceMs = 0;
  #dueMs = 0;

  /** @param random 0 up to but not 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Whether it is time to choose again. */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#dueMs;
  }

  /** @returns The numbers of the peers to be served; all others are to be choked. */
  choose(
    peers: readonly ChokerPeer[],
    options: { readonly isSeeding: boolean; readonly nowMs: number },
  ): Set<number> {
    const { isSeeding, nowMs } = options;
    this.#dueMs = nowMs + RECHOKE_MS;
    const wanting = peers.filter((peer) => peer.wanted);
    const rate = (peer: ChokerPeer) => isSeeding ? peer.upRate : peer.downRate;
    const regular = wanting.filter((peer) => !peer.snubbed)
      .sort((a, b) => rate(b) - rate(a) || a.connectedMs - b.connectedMs)
      .slice(0, UPLOAD_SLOTS - 1);
    const served = new Set(regular.map((peer) => peer.number));
    const optimistic = this.#pickOptimistic(wanting.filter((peer) => !served.has(peer.number)), nowMs);
    if (optimistic !== undefined) served.add(optimistic);
    return served;
  }

  #pickOptimistic(others: readonly ChokerPeer[], nowMs: number): number | undefined {
    const isFresh = nowMs - this.#optimisticSinceMs < OPTIMISTIC_MS;
    const current = others.find((peer) => peer.number === this.#optimistic);
    if (current !== undefined && isFresh) return current.number;
    const weights = others.map((peer) => nowMs - peer.connectedMs < NEW_MS ? NEW_WEIGHT : 1);
    let at = this.#random() * weights.reduce((sum, weight) => sum + weight, 0);
    const index = weights.findIndex((weight) => (at -= weight) < 0);
    this.#optimistic = others[index]?.number;
    this.#optimisticSinceMs = nowMs;
    return this.#optimistic;
  }
}
