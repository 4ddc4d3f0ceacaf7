// Who spoiled a piece. When one fails its hash and came from several peers, the hashes of its blocks and their
// senders are kept; once the piece is good, whoever sent a block that differed is named. (With a single sender, or
// with proven leaf hashes, there is nothing to find out.)

import type { ActivePiece } from "./active_piece.ts";
import { equalBytes } from "../bytes.ts";

/** Failed pieces remembered at once; the oldest is forgotten beyond that: 64 KiB each at 32 MiB pieces. */
const MAX_FAILED_PIECES = 64;

interface Attempt {
  readonly hashes: Uint8Array;
  readonly senders: ArrayLike<number>;
}

export class Blame {
  readonly #failed = new Map<number, Attempt[]>();

  /**
   * A piece came in whole and was wrong.
   *
   * @param hashes The hashes of its blocks as they came; asked for only when several peers sent it.
   * @returns The sender if there was only one: that one is to blame.
   */
  fail(active: ActivePiece, hashes: () => Uint8Array = () => active.hashes): number | undefined {
    const [first, ...others] = active.contributors();
    if (others.length === 0) return first;
    const attempts = this.#failed.get(active.piece) ?? [];
    attempts.push({ hashes: hashes(), senders: active.senders });
    if (attempts.length > 4) attempts.shift();
    this.#failed.set(active.piece, attempts);
    if (this.#failed.size > MAX_FAILED_PIECES) {
      const oldest = this.#failed.keys().next().value;
      if (oldest !== undefined) this.#failed.delete(oldest);
    }
    return undefined;
  }

  /** Whether the piece has failed before: it is then best fetched from one peer alone. */
  hasFailed(piece: number): boolean {
    return this.#failed.has(piece);
  }

  /** The piece's true block hashes are known. @returns Who had sent blocks that differ. */
  settle(piece: number, hashes: Uint8Array): Set<number> {
    const guilty = new Set<number>();
    for (const attempt of this.#failed.get(piece) ?? []) {
      for (let block = 0; block < attempt.senders.length; block++) {
        const at = 32 * block;
        const differs = !equalBytes(attempt.hashes.subarray(at, at + 32), hashes.subarray(at, at + 32));
        if (differs) guilty.add(attempt.senders[block]!);
      }
    }
    this.#failed.delete(piece);
    return guilty;
  }
}
