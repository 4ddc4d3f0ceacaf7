// Failed pieces are fetched from one peer alone, so that there is no doubt who sends them. This sees to it that none
// stays with a peer that brings it by drops, which no silence gives away: after a while another gets its turn. Each
// further turn is twice as long, so that a piece that only slow peers have comes to an end too.

import type { ActivePiece } from "./active_piece.ts";
import { BLOCK_BYTES } from "./layout.ts";
import { ALONE_MS } from "./limits.ts";
import type { Picker } from "./picker.ts";

/** What must be known of a peer. */
export interface AlonePeer {
  readonly number: number;
  readonly choked: boolean;
  readonly interested: boolean;
  readonly snubbed: boolean;
  readonly requests: { readonly rate: { perSecond(nowMs: number): number } };
  has(piece: number): boolean;
}

interface Turn {
  active: ActivePiece;
  owner: number;
  sinceMs: number;
  allowedMs: number;
}

export class AloneWatch {
  readonly #turns = new Map<number, Turn>();

  /** To be called each tick of the session. @returns Peers whose turn is over: what they are asked for goes to others. */
  dawdlers<Peer extends AlonePeer>(
    picker: Picker | undefined,
    peers: Iterable<Peer>,
    nowMs: number,
  ): ReadonlySet<Peer> {
    const over = new Set<Peer>();
    if (picker === undefined) return over;
    for (const piece of this.#turns.keys()) if (!picker.isAlone(piece)) this.#turns.delete(piece);
    const all = picker.alone.length === 0 ? [] : [...peers];
    for (const piece of picker.alone) {
      const active = picker.activePiece(piece);
      const owner = all.find(({ number }) => number === active?.owner);
      if (active === undefined || owner === undefined) continue;
      const turn = this.#turnOf(active, owner.number, nowMs);
      if (nowMs - turn.sinceMs < turn.allowedMs) continue;
      const leftBytes = (active.blockCount - active.receivedBlocks) * BLOCK_BYTES;
      const leftMs = 1000 * leftBytes / owner.requests.rate.perSecond(nowMs);
      const mayTake = (peer: Peer) =>
        peer !== owner && !over.has(peer) && !peer.choked && peer.interested && !peer.snubbed &&
        peer.has(piece);
      if (leftMs <= turn.allowedMs || !all.some(mayTake)) continue;
      turn.allowedMs *= 2;
      over.add(owner);
    }
    return over;
  }

  #turnOf(active: ActivePiece, owner: number, nowMs: number): Turn {
    const known = this.#turns.get(active.piece);
    if (known?.active === active && known.owner === owner) return known;
    const turn = { active, owner, sinceMs: nowMs, allowedMs: known?.allowedMs ?? ALONE_MS };
    this.#turns.set(active.piece, turn);
    return turn;
  }
}
