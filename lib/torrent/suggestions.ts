// What a seed suggests to those whom it serves (BEP 6): to each other pieces, and only such as none of its peers has yet.
// Left to chance, many who begin at once ask a seed for the same pieces before they can tell one another what they have,
// and while it sends those again, the others wait for what is still nowhere. Who does not heed a suggestion loses
// nothing by it.

import { MAX_SUGGESTED } from "./limits.ts";

/** What must be known of a peer. */
export interface SuggestedTo {
  readonly number: number;
  has(piece: number): boolean;
}

/** Suggested, begun or not. It ends when somebody says that he has the piece. */
interface Suggestion {
  readonly piece: number;
  readonly to: number;
  isBegun: boolean;
}

export class Suggestions {
  readonly #pieceCount: number;
  /** How many of our peers have a piece. */
  readonly #availability: (piece: number) => number;
  /** How many that were not begun one peer may have. */
  readonly #ahead: number;
  readonly #byPiece = new Map<number, Suggestion>();
  readonly #byPeer = new Map<number, Set<Suggestion>>();
  /** Where the next piece is looked for, and how many in a row were not to be suggested. */
  #next: number;
  #passed = 0;

  /** @param options.availability How many peers have a piece, without those who have all. */
  constructor(options: {
    readonly pieceCount: number;
    readonly pieceLength: number;
    readonly availability: (piece: number) => number;
    /** 0 up to but not 1: two seeds should not begin at the same piece. */
    readonly random: () => number;
  }) {
    this.#pieceCount = options.pieceCount;
    this.#availability = options.availability;
    this.#ahead = Math.min(Math.ceil(AHEAD_BYTES / options.pieceLength), MAX_SUGGESTED);
    this.#next = Math.floor(options.random() * options.pieceCount);
  }

  /** Pieces to be suggested to the peer now, as many as it can begin before it hears of more. */
  *more(peer: SuggestedTo): Generator<number> {
    let ahead = 0;
    const begun: Suggestion[] = [];
    for (const suggestion of this.#byPeer.get(peer.number) ?? []) {
      if (this.#availability(suggestion.piece) > 0) this.#end(suggestion);
      else if (suggestion.isBegun) begun.push(suggestion);
      else ahead++;
    }
    // What it never ends is not kept from others.
    if (begun.length > MAX_BEGUN) this.#end(begun[0]!);
    for (; ahead < this.#ahead; ahead++) {
      const piece = this.#find(peer);
      if (piece === undefined) return;
      const suggestion = { piece, to: peer.number, isBegun: false };
      this.#byPiece.set(piece, suggestion);
      const its = this.#byPeer.get(peer.number);
      if (its === undefined) this.#byPeer.set(peer.number, new Set([suggestion]));
      else its.add(suggestion);
      yield piece;
    }
  }

  /** The peer asks for blocks of the piece. */
  begin(peer: SuggestedTo, piece: number): void {
    const suggestion = this.#byPiece.get(piece);
    if (suggestion?.to === peer.number) suggestion.isBegun = true;
  }

  /** The peer is served no longer: what it has begun it goes on with at its next turn, the rest is for others. */
  pause(peer: SuggestedTo): void {
    for (const suggestion of this.#byPeer.get(peer.number) ?? []) {
      if (!suggestion.isBegun) this.#end(suggestion);
    }
  }

  /** The peer is gone. */
  leave(peer: SuggestedTo): void {
    for (const suggestion of this.#byPeer.get(peer.number) ?? []) this.#end(suggestion);
    this.#byPeer.delete(peer.number);
  }

  /** More pieces may be looked at: to be called each tick of the session. */
  lookAgain(): void {
    this.#passed = 0;
  }

  #end(suggestion: Suggestion): void {
    this.#byPiece.delete(suggestion.piece);
    this.#byPeer.get(suggestion.to)!.delete(suggestion);
  }

  /** Looks at a bounded number in vain until `lookAgain`: towards the end there are few to be found. */
  #find(peer: SuggestedTo): number | undefined {
    while (this.#passed < Math.min(this.#pieceCount, MAX_PASSED)) {
      const piece = this.#next;
      this.#next = (piece + 1) % this.#pieceCount;
      if (this.#availability(piece) === 0 && !this.#byPiece.has(piece) && !peer.has(piece)) {
        this.#passed = 0;
        return piece;
      }
      this.#passed++;
    }
    return undefined;
  }
}

/** As much as is asked of a peer before anything came from it (request_queue.ts). */
const AHEAD_BYTES = 256 << 10;
/** Pieces that one peer may have begun and not ended before others may have them. */
const MAX_BEGUN = 32;
/** Some ten microseconds of looking; a torrent of the most pieces is gone through in some minutes. */
const MAX_PASSED = 4096;
