// When to look for peers again: often while there are none, a few times soon after (two that begin together find each
// other only by looking again), seldom later. Every look also tells the DHT of us. A core: it is told the time.

/** While nobody is connected: doubled with each look in vain. */
const FIRST_LONELY_PAUSE_MS = 1_000;
const LONGEST_LONELY_PAUSE_MS = 60_000;
/** In company that leaves half of the room free: these after as many looks in company, and then the last one. */
const PAUSES_MS = [5_000, 5_000, 15_000, 60_000, 300_000] as const;
/** With enough peers: libtorrent's interval of announcing. Nodes forget an announcement after 45 minutes. */
const ANNOUNCE_MS = 900_000;

export class Hunt {
  #lookedMs: number | undefined;
  /** Looks in a row that left us without a connection, and all those that did not. */
  #lonely = 0;
  #inCompany = 0;

  /** A look has ended. */
  onLook(nowMs: number, connections: number): void {
    this.#lookedMs = nowMs;
    if (connections === 0) {
      this.#lonely++;
    } else {
      this.#lonely = 0;
      this.#inCompany++;
    }
  }

  /** Whether to look now; at first it is. */
  isDue(nowMs: number, connections: number, maxPeers: number): boolean {
    return this.#lookedMs === undefined || nowMs - this.#lookedMs >= this.#pauseMs(connections, maxPeers);
  }

  #pauseMs(connections: number, maxPeers: number): number {
    if (connections === 0) {
      return Math.min(FIRST_LONELY_PAUSE_MS * 2 ** Math.max(0, this.#lonely - 1), LONGEST_LONELY_PAUSE_MS);
    }
    if (connections * 2 >= maxPeers) return ANNOUNCE_MS;
    return PAUSES_MS[Math.min(this.#inCompany, PAUSES_MS.length - 1)]!;
  }
}
