// Whether a download comes on. Bytes alone do not say so: liars send bad ones for ever. What counts is a piece that
// is good, and until then that one piece is nearer to whole than any was since the last good one: blocks of ever new
// pieces, or of one that failed and begins again, bring nothing.

import type { ActivePiece } from "./active_piece.ts";

export class Advance {
  #doneBytes = 0;
  /** Most blocks of any piece that is under way, since a piece became good. */
  #most = 0;

  /** @returns Whether it came on since the last look. */
  look(download: {
    readonly doneBytes: number;
    readonly picker: { readonly active: Iterable<Pick<ActivePiece, "receivedBlocks">> };
  }): boolean {
    let most = 0;
    for (const { receivedBlocks } of download.picker.active) most = Math.max(most, receivedBlocks);
    const hasMore = download.doneBytes > this.#doneBytes;
    const isNearer = most > this.#most;
    if (hasMore || isNearer) this.#most = most;
    this.#doneBytes = download.doneBytes;
    return hasMore || isNearer;
  }
}
