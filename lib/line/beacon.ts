// When a seed tells the DHT of itself: soon again while nobody takes it, once more when our routing table has had time
// to fill, and then as often as it must be not to be forgotten. A core: it is told the time.

/** After a failure: doubled with each one in a row. */
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 60_000;
/** The first announcement may have gone to nodes that are not the nearest ones. */
const SECOND_MS = 60_000;
/** libtorrent's interval. Nodes forget an announcement after 45 minutes. */
const ANNOUNCE_MS = 900_000;

export class Beacon {
  #dueMs = -Infinity;
  #failures = 0;
  #successes = 0;

  /** Whether to announce now; at first it is. */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#dueMs;
  }

  /** @param stored Nodes that took it. */
  onAnnounce(nowMs: number, stored: number): void {
    if (stored === 0) {
      this.#dueMs = nowMs + Math.min(FIRST_RETRY_MS * 2 ** this.#failures, LONGEST_RETRY_MS);
      this.#failures++;
      return;
    }
    this.#failures = 0;
    this.#dueMs = nowMs + (this.#successes === 0 ? SECOND_MS : ANNOUNCE_MS);
    this.#successes++;
  }
}
