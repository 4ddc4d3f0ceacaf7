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
  /** What it has of us ends within a piece, which nobody can have of it: as a seed we wait for the rest. */
  readonly isMidPiece?: boolean;
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
/** Rounds in which a peer may keep a seed's slot for the rest of a piece: it is no slower than that, or need not end. */
const MAX_ROUNDS = 6;

export class Choker {
  readonly #random: () => number;
  /** How many turns each peer had; who did not want one for a while has as many as the least of those who did. */
  readonly #turns = new Map<number, number>();
  #wanting: ReadonlySet<number> = new Set();
  /** In how many rounds each that has a slot of the seed's had it without a break. */
  #rounds: ReadonlyMap<number, number> = new Map();
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

  /**
   * Whom a seed serves between two rounds instead of somebody whose piece is whole now.
   *
   * @returns Its number; undefined when nobody waits.
   */
  instead(of: ChokerPeer, waiting: readonly ChokerPeer[]): number | undefined {
    const next = this.#inOrder(waiting.filter((peer) => peer.wanted))[0]?.number;
    if (next === undefined) return undefined;
    this.#turns.set(next, (this.#turns.get(next) ?? 0) + 1);
    const rounds = new Map(this.#rounds);
    rounds.delete(of.number);
    rounds.set(next, 1);
    this.#rounds = rounds;
    return next;
  }

  /** Whether it has its slot of the seed's only for the rest of a piece. */
  isKept(number: number): boolean {
    return (this.#rounds.get(number) ?? 0) > 1;
  }

  /** Those who are within a piece keep their slots; then those first who had the fewest turns. */
  #byTurn(wanting: readonly ChokerPeer[]): Set<number> {
    const isKept = ({ number, isMidPiece }: ChokerPeer) => {
      const rounds = this.#rounds.get(number) ?? 0;
      return isMidPiece === true && rounds > 0 && rounds < MAX_ROUNDS;
    };
    const order = this.#inOrder(wanting);
    const kept = order.filter(isKept);
    const served = [...kept, ...order.filter((peer) => !isKept(peer))].slice(0, SEED_SLOTS);
    const numbers = new Set(served.map(({ number }) => number));
    this.#turns.clear();
    for (const { number, turns } of order) this.#turns.set(number, numbers.has(number) ? turns + 1 : turns);
    this.#wanting = new Set(this.#turns.keys());
    this.#rounds = new Map(
      served.map((peer) => [peer.number, isKept(peer) ? this.#rounds.get(peer.number)! + 1 : 1]),
    );
    return numbers;
  }

  /** Those first who had the fewest turns, among them those who came first. */
  #inOrder(wanting: readonly ChokerPeer[]): (ChokerPeer & { readonly turns: number })[] {
    let least = Infinity;
    for (const { number } of wanting) {
      if (this.#wanting.has(number)) least = Math.min(least, this.#turns.get(number) ?? 0);
    }
    if (least === Infinity) least = 0;
    return wanting.map((peer) => {
      const turns = this.#turns.get(peer.number) ?? 0;
      return { ...peer, turns: this.#wanting.has(peer.number) ? turns : Math.max(turns, least) };
    }).sort((a, b) => a.turns - b.turns || a.connectedMs - b.connectedMs);
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
