// Whom to serve, decided every ten seconds and whenever a slot is free and somebody becomes interested. While we fetch,
// those who send us the most (BEP 3's tit for tat). Once we have it all, everybody in turn: whoever has a slot keeps it
// for a while, and then those come first who have waited longest. And always one more by chance, so that newcomers get
// a start. A core: the time and the chance are given to it.

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
/** How long a seed serves one peer while others wait. */
const TURN_MS = 60_000;

/** When a peer was given its slot, and when it last had it. */
interface Turn {
  sinceMs: number;
  untilMs: number;
}

export class Choker {
  readonly #random: () => number;
  readonly #turns = new Map<number, Turn>();
  #served: ReadonlySet<number> = new Set();
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

  /**
   * @param peers All that are connected.
   * @returns The numbers of the peers to be served; all others are to be choked.
   */
  choose(
    peers: readonly ChokerPeer[],
    options: { readonly isSeeding: boolean; readonly nowMs: number },
  ): Set<number> {
    const { isSeeding, nowMs } = options;
    this.#dueMs = nowMs + RECHOKE_MS;
    const wanting = peers.filter((peer) => peer.wanted);
    const candidates = wanting.filter((peer) => !peer.snubbed);
    const regular = (isSeeding ? this.#byTurn(candidates, nowMs) : byMerit(candidates))
      .slice(0, UPLOAD_SLOTS - 1);
    const served = new Set(regular.map((peer) => peer.number));
    const optimistic = this.#pickOptimistic(wanting.filter((peer) => !served.has(peer.number)), nowMs);
    if (optimistic !== undefined) served.add(optimistic);
    this.#remember(peers, served, nowMs);
    return served;
  }

  /** Those in the middle of their turn, then those who wait, then those whose turn is over. */
  #byTurn(peers: readonly ChokerPeer[], nowMs: number): ChokerPeer[] {
    const isServed = ({ number }: ChokerPeer) => this.#served.has(number);
    const isOver = ({ number }: ChokerPeer) => nowMs - this.#turns.get(number)!.sinceMs >= TURN_MS;
    const rank = (peer: ChokerPeer) => !isServed(peer) ? 1 : isOver(peer) ? 2 : 0;
    const lastMs = ({ number }: ChokerPeer) => this.#turns.get(number)?.untilMs ?? -Infinity;
    return [...peers].sort((a, b) => {
      if (rank(a) !== rank(b)) return rank(a) - rank(b);
      const first = rank(a) === 1 && lastMs(a) !== lastMs(b) ? lastMs(a) - lastMs(b) : b.upRate - a.upRate;
      return first || a.connectedMs - b.connectedMs;
    });
  }

  #remember(peers: readonly ChokerPeer[], served: ReadonlySet<number>, nowMs: number): void {
    for (const number of served) {
      const turn = this.#turns.get(number);
      const goesOn = turn !== undefined && this.#served.has(number);
      this.#turns.set(number, { sinceMs: goesOn ? turn.sinceMs : nowMs, untilMs: nowMs });
    }
    const here = new Set(peers.map((peer) => peer.number));
    for (const number of this.#turns.keys()) if (!here.has(number)) this.#turns.delete(number);
    this.#served = served;
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

function byMerit(peers: readonly ChokerPeer[]): ChokerPeer[] {
  return [...peers].sort((a, b) => b.downRate - a.downRate || a.connectedMs - b.connectedMs);
}
