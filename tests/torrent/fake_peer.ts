// A peer as the picker sees it: what it has, and what it is asked for.

import type { PieceIndex } from "../../lib/torrent/layout.ts";
import type { Picker, PickerPeer } from "../../lib/torrent/picker.ts";
import type { PieceSet } from "../../lib/torrent/piece_set.ts";

export class FakePeer implements PickerPeer {
  readonly pieces: PieceSet | undefined;
  readonly #asked = new Set<string>();

  /** @param pieces undefined for a seed. */
  suggested: number[] = [];
  runBytes?: number;

  constructor(readonly number: number, pieces?: PieceSet) {
    this.pieces = pieces;
  }

  get askedCount(): number {
    return this.#asked.size;
  }

  isAskedFor(piece: number, block: number): boolean {
    return this.#asked.has(`${piece}/${block}`);
  }

  /** Is asked for up to `most` blocks more. */
  pick(picker: Picker, most: number): [piece: PieceIndex, block: number][] {
    const picked: [PieceIndex, number][] = [];
    picker.pick(this, most, (piece, block) => {
      this.#asked.add(`${piece}/${block}`);
      picked.push([piece, block]);
    });
    return picked;
  }

  /** Owes the block no longer. @returns Whether it did. */
  settle(piece: number, block: number): boolean {
    return this.#asked.delete(`${piece}/${block}`);
  }

  /** Everything that it owes, oldest first. */
  get owes(): [piece: number, block: number][] {
    return [...this.#asked].map((key) => key.split("/").map(Number) as [number, number]);
  }
}
