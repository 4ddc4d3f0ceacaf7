// Somebody who gives blocks and is no peer, a web seed: picks as a peer does, and what it sends goes the same way.

import { BLOCK_BYTES, type PieceIndex } from "./layout.ts";
import type { PickerPeer } from "./picker.ts";
import type { Swarm } from "./swarm.ts";
import { ID } from "./wire.ts";

/** Numbers from here on are outsiders': sessions number their connections from 1. They must fit 32 bits. */
export const FIRST_OUTSIDER = 0xff00_0000;

export class Outsider implements PickerPeer {
  readonly pieces = undefined;
  /** All that it is asked for at once, where pieces are short: neighbours are one question, others one each. */
  runBytes = 0;
  readonly #asked = new Set<string>();

  constructor(readonly swarm: Swarm, readonly number: number) {}

  get askedCount(): number {
    return this.#asked.size;
  }

  isAskedFor(piece: number, block: number): boolean {
    return this.#asked.has(keyOf(piece, block));
  }

  /** Up to `most` blocks that it is asked for now. */
  pick(most: number): { piece: PieceIndex; block: number }[] {
    const picked: { piece: PieceIndex; block: number }[] = [];
    this.runBytes = most * BLOCK_BYTES;
    this.swarm.download?.picker.pick(this, most, (piece, block) => {
      this.#asked.add(keyOf(piece, block));
      picked.push({ piece, block });
    });
    return picked;
  }

  /** A block that it was asked for, whole. What becomes of it the swarm tells. */
  give(piece: PieceIndex, block: number, data: Uint8Array, nowMs: number): void {
    const { swarm } = this;
    const { download } = swarm;
    if (download === undefined || !this.#asked.delete(keyOf(piece, block))) return;
    swarm.downRate.add(data.length, nowMs);
    const isShared = (download.picker.activePiece(piece)?.askers[block] ?? 0) > 1;
    download.receive(piece, block, data, this.number);
    if (!isShared) return;
    for (const peer of swarm.peers) {
      if (!peer.requests.drop(piece, block)) continue;
      peer.out.blockwise(ID.cancel, piece, block * BLOCK_BYTES, data.length);
    }
  }

  /** What it owes, and the pieces that it has begun, are for others. */
  giveBack(): void {
    const picker = this.swarm.download?.picker;
    for (const key of this.#asked) {
      const [piece, block] = key.split(" ").map(Number);
      picker?.release(piece!, block!);
    }
    this.#asked.clear();
    picker?.disown(this.number);
    this.swarm.refillAll();
    this.swarm.onWake();
  }

  /** Whether it has a piece that failed before, of which nobody else may bring anything meanwhile. */
  get holdsFailedPiece(): boolean {
    const picker = this.swarm.download?.picker;
    return picker?.alone.some((piece) => picker.activePiece(piece)?.owner === this.number) ?? false;
  }
}

function keyOf(piece: number, block: number): string {
  return `${piece} ${block}`;
}
