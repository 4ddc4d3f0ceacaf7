// Asks for the block hashes of pieces that failed (BEP 52, base 0), so that the liar among several senders is known at
// once instead of after the piece came again. Nice to have: whoever refuses or stays silent is not asked again, and
// when nobody answers, the piece's next attempt tells too.

import { equalBytes } from "../bytes.ts";
import { WireFault } from "../errors.ts";
import { HASH_TIMEOUT_MS } from "./limits.ts";
import type { PieceIndex } from "./layout.ts";
import type { PeerCore } from "./peer_core.ts";
import type { PieceLayers } from "./piece_layers.ts";
import { type HashSpan, ID } from "./wire.ts";

/** Failed pieces asked about at once. */
const MAX_WANTED = 16;

interface Wanted {
  readonly piece: PieceIndex;
  readonly span: HashSpan;
  /** Peers that were asked. */
  readonly asked: Set<number>;
  waitingFor: number | undefined;
  sinceMs: number;
}

export class LeafFetch {
  readonly #layers: PieceLayers;
  readonly #wanted = new Map<number, Wanted>();

  constructor(layers: PieceLayers) {
    this.#layers = layers;
  }

  /** The piece failed, and it is not clear by whose fault. */
  want(piece: PieceIndex): void {
    const span = this.#layers.leafRequest(piece);
    if (span === undefined || this.#wanted.has(piece) || this.#wanted.size >= MAX_WANTED) return;
    this.#wanted.set(piece, { piece, span, asked: new Set(), waitingFor: undefined, sinceMs: 0 });
  }

  /** The piece is here after all. */
  forget(piece: PieceIndex): void {
    this.#wanted.delete(piece);
  }

  /** Asks one more peer about each piece that nobody is asked about just now. */
  tick(peers: Iterable<PeerCore>, nowMs: number): void {
    if (this.#wanted.size === 0) return;
    const candidates = [...peers].filter((peer) => peer.isGreeted && peer.isV2);
    for (const wanted of this.#wanted.values()) {
      if (wanted.waitingFor !== undefined && nowMs - wanted.sinceMs < HASH_TIMEOUT_MS) continue;
      const peer = candidates.find((peer) => peer.has(wanted.piece) && !wanted.asked.has(peer.number));
      wanted.waitingFor = peer?.number;
      if (peer === undefined) continue;
      wanted.asked.add(peer.number);
      wanted.sinceMs = nowMs;
      peer.out.hashSpan(ID.hashRequest, wanted.span);
    }
  }

  /**
   * An answer about leaves came.
   *
   * @returns The piece and its true block hashes; undefined when nobody had asked for it.
   * @throws {WireFault} When it is the answer to our request and proves nothing.
   */
  onHashes(
    peer: PeerCore,
    span: HashSpan,
    hashes: Uint8Array,
  ): { readonly piece: PieceIndex; readonly leaves: Uint8Array } | undefined {
    for (const { piece, waitingFor, span: asked } of this.#wanted.values()) {
      if (waitingFor !== peer.number || !isSame(asked, span)) continue;
      const leaves = this.#layers.verifyLeaves(piece, span, hashes);
      if (leaves === undefined) throw new WireFault("BEP 52", "hashes that prove nothing");
      this.#wanted.delete(piece);
      return { piece, leaves };
    }
    return undefined;
  }

  onReject(peer: PeerCore, span: HashSpan): void {
    for (const wanted of this.#wanted.values()) {
      if (wanted.waitingFor === peer.number && isSame(wanted.span, span)) {
        wanted.waitingFor = undefined;
      }
    }
  }
}

/** Files begin to count anew: the place alone does not say which piece is meant. */
function isSame(a: HashSpan, b: HashSpan): boolean {
  return a.index === b.index && equalBytes(a.root, b.root);
}
