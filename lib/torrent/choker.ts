// Whom to serve, decided every ten seconds; a slot that is free between is given to whoever becomes interested. While we
// fetch, those who send us the most (BEP 3's tit for tat); slots that nobody earns, and always one, are given by chance
// and not for long: otherwise whoever came first would hold them for nothing. Once we have it all, everybody in turn:
// nobody has two turns before everybody had one. A core: the time and the chance are given to it.

/** What the choker must know of a peer. */
export interface ChokerPeer {
  readonly number: number;
  /** It wants something of us. */
  readonly wanted: boolean;
  /** It owes us blocks for too long: it gets no regular slot (BEP 3's anti-snubbing). */
  readonly snubbed: boolean;
  /** Bytes per second from it. */
  readonly downRate: number;
  readonly connectedMs: number;
}

/** Peers served at once while we fetch, at least one by chance among them: as libtorrent. */
export const UPLOAD_SLOTS = 8;
/**
 * Peers that a seed serves at once. With turns of one round, up to six times as many have the same share of a minute,
 * give or take a turn; more at once would have each wait longer for its first whole piece, which it can pass on.
 */
export const SEED_SLOTS = 24;
export const RECHOKE_MS = 10_000;
/** How long a slot by chance lasts (BEP 3): long enough to give something back and to be seen doing so. */
const CHANCE_MS = 30_000;
/** A peer is new for this long, and then three times as likely to have a chance (BEP 3). */
const NEW_MS = 60_000;
const NEW_WEIGHT = 3;
export class Choker {
  readonly #random: () => number;
  /** How many turns each peer had; who did not want one for a while has as many as the least of those who did. */
  readonly #turns = new Map<number, number>();
  #wanting: ReadonlySet<number> = new Set();
  /** Who has a slot by chance, and since when. */
  readonly #byChance = new Map<number, number>();
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
    return isSeeding ? this.#byTurn(wanting) : this.#byMerit(wanting, nowMs);
  }

  /** Those first who had the fewest turns, among them those who came first. */
  #byTurn(wanting: readonly ChokerPeer[]): Set<number> {
    let least = Infinity;
    for (const { number } of wanting) {
      if (this.#wanting.has(number)) least = Math.min(least, this.#turns.get(number) ?? 0);
    }
    if (least === Infinity) least = 0;
    const order = wanting.map(({ number, connectedMs }) => {
      const turns = this.#turns.get(number) ?? 0;
      return { number, connectedMs, turns: this.#wanting.has(number) ? turns : Math.max(turns, least) };
    }).sort((a, b) => a.turns - b.turns || a.connectedMs - b.connectedMs);
    this.#turns.clear();
    for (const [place, { number, turns }] of order.entries()) {
      this.#turns.set(number, place < SEED_SLOTS ? turns + 1 : turns);
    }
    this.#wanting = new Set(this.#turns.keys());
    return new Set(order.slice(0, SEED_SLOTS).map(({ number }) => number));
  }

  /** Those who give the most, and by chance some who give nothing, one of them at least: they may begin to. */
  #byMerit(wanting: readonly ChokerPeer[], nowMs: number): Set<number> {
    const givers = wanting.filter(({ snubbed, downRate }) => !snubbed && downRate > 0)
      .sort((a, b) => b.downRate - a.downRate || a.connectedMs - b.connectedMs).slice(0, UPLOAD_SLOTS - 1);
    const served = new Set(givers.map(({ number }) => number));
    const others = wanting.filter(({ number }) => !served.has(number));
    const isHere = new Set(others.map(({ number }) => number));
    for (const [number, sinceMs] of this.#byChance) {
      if (!isHere.has(number) || nowMs - sinceMs >= CHANCE_MS) this.#byChance.delete(number);
    }
    const slots = UPLOAD_SLOTS - served.size;
    for (const number of [...this.#byChance.keys()].slice(slots)) this.#byChance.delete(number);
    while (this.#byChance.size < slots) {
      const drawn = this.#draw(others.filter(({ number }) => !this.#byChance.has(number)), nowMs);
      if (drawn === undefined) break;
      this.#byChance.set(drawn, nowMs);
    }
    for (const number of this.#byChance.keys()) served.add(number);
    return served;
  }

  /** One of them; who is snubbed only as the first. */
  #draw(others: readonly ChokerPeer[], nowMs: number): number | undefined {
    const able = this.#byChance.size === 0 ? others : others.filter(({ snubbed }) => !snubbed);
    const weights = able.map(({ connectedMs }) => nowMs - connectedMs < NEW_MS ? NEW_WEIGHT : 1);
    let at = this.#random() * weights.reduce((sum, weight) => sum + weight, 0);
    return able[weights.findIndex((weight) => (at -= weight) < 0)]?.number;
  }
}
