// Who has one of a session's places, and whose goes to somebody new when all are taken: that of who came in and has not
// said what for, or else of whoever has shared nothing for the longest time. And who goes when there are to be fewer. It
// closes nobody itself.

import { networkOf } from "./compact.ts";
import { BLOCK_BYTES } from "./layout.ts";
import { IDLE_MS, MAX_PORTS_PER_HOST, MUTE_MS } from "./limits.ts";
import type { PeerCore } from "./peer_core.ts";

/** A connection, as far as its place depends on it. */
export interface Guest {
  readonly peer: Pick<PeerCore, "number" | "endpoint" | "source" | "isGreeted" | "interested">;
  /** Whether anything can be shared with it: what we have is known. */
  readonly isStarted: boolean;
  /** Whether it has brought something, and has more that we want. */
  readonly isSource: boolean;
  /** All that ever passed between us. */
  readonly movedBytes: number;
}

interface Place<G> {
  readonly guest: G;
  readonly network: string;
  readonly sinceMs: number;
  /** When a block or more had last passed between us, and how much had passed until then. */
  activeMs: number;
  activeBytes: number;
}

export class Places<G extends Guest> {
  /** Guests at once. With fewer than before some are `surplus`. */
  most: number;
  readonly #taken = new Map<number, Place<G>>();

  constructor(most: number) {
    this.most = most;
  }

  get size(): number {
    return this.#taken.size;
  }

  get isFull(): boolean {
    return this.#taken.size >= this.most;
  }

  /** All that are here. Some may leave meanwhile. */
  *guests(): Generator<G> {
    for (const { guest } of this.#taken.values()) yield guest;
  }

  /** Who has that number; undefined when it is gone. */
  get(number: number): G | undefined {
    return this.#taken.get(number)?.guest;
  }

  /** Also where all places are taken: to be asked before. */
  enter(guest: G, nowMs: number): void {
    const network = networkOf(guest.peer.endpoint.host);
    this.#taken.set(guest.peer.number, { guest, network, sinceMs: nowMs, activeMs: nowMs, activeBytes: 0 });
  }

  leave(guest: G): void {
    this.#taken.delete(guest.peer.number);
  }

  /** Whether one host has as many as it may have. @param shares For how many torrents it may come. */
  isCrowded(host: string, shares: number): boolean {
    const network = networkOf(host);
    let fromHost = 0;
    for (const place of this.#taken.values()) if (place.network === network) fromHost++;
    return fromHost >= MAX_PORTS_PER_HOST * shares;
  }

  /** Looks who has shared a block or more since that was last so. How often this is done matters little: each tick. */
  look(nowMs: number): void {
    for (const place of this.#taken.values()) {
      const { movedBytes, isStarted } = place.guest;
      if (isStarted && movedBytes - place.activeBytes < BLOCK_BYTES) continue;
      place.activeBytes = movedBytes;
      place.activeMs = nowMs;
    }
  }

  /** Whose place somebody new may have, and what is wrong with who has it; undefined when each is needed. */
  toLeave(nowMs: number): { readonly guest: G; readonly is: "mute" | "idle" } | undefined {
    const mute = longestOf(this.#mute(nowMs));
    if (mute !== undefined) return { guest: mute, is: "mute" };
    const idle = longestOf(this.#idle(nowMs));
    return idle && { guest: idle, is: "idle" };
  }

  /**
   * As many as are more than may be, the least useful first: who has not said who it is, who is idle, who has nothing
   * that we want, who has brought nothing yet, who has moved the least, who came last. Those that the user named only
   * when there is nobody else.
   */
  surplus(nowMs: number): G[] {
    const count = this.#taken.size - this.most;
    if (count <= 0) return [];
    const ranked = [...this.#taken.values()].map((place) => ({ place, rank: rankOf(place, nowMs) }));
    return ranked.toSorted((a, b) => compareRanks(a.rank, b.rank)).slice(0, count).map(({ place }) =>
      place.guest
    );
  }

  /** How many places new ones may have of those who share nothing. */
  idleCount(nowMs: number): number {
    let count = 0;
    for (const _ of this.#idle(nowMs)) count++;
    return count;
  }

  /** Those who came in and might never say what for. */
  *#mute(nowMs: number): Generator<Place<G>> {
    for (const place of this.#taken.values()) {
      const { source, isGreeted } = place.guest.peer;
      if (source === "incoming" && !isGreeted && nowMs - place.sinceMs > MUTE_MS) yield place;
    }
  }

  /** Those with whom nothing was shared for long, though something could be: they may only be here to be here. */
  *#idle(nowMs: number): Generator<Place<G>> {
    for (const place of this.#taken.values()) {
      if (place.guest.peer.source !== "user" && nowMs - place.activeMs > IDLE_MS) yield place;
    }
  }
}

/** The higher each number, the more useful; those before count for more. */
function rankOf({ guest, sinceMs, activeMs }: Place<Guest>, nowMs: number): number[] {
  const { source, isGreeted, interested } = guest.peer;
  return [
    Number(source === "user"),
    Number(isGreeted),
    // Among those who are not idle, when it was says nothing.
    Math.min(activeMs, nowMs - IDLE_MS),
    Number(interested),
    Number(guest.isSource),
    guest.movedBytes,
    -sinceMs,
  ];
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}

/** The one with whom nothing was shared for the longest time. */
function longestOf<G>(places: Iterable<Place<G>>): G | undefined {
  let longest: Place<G> | undefined;
  for (const place of places) if (longest === undefined || place.activeMs < longest.activeMs) longest = place;
  return longest?.guest;
}
