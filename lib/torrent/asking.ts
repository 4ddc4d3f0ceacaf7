// What one torrent's peers are asked for, and what becomes of that: kept up to what their lines take, given to others
// when they go, choke, refuse or fall silent, and taken back where somebody else was faster. Which block is the picker's
// to say, how many the peer's own queue's.

import { WireFault } from "../errors.ts";
import { AloneWatch } from "./alone_watch.ts";
import type { Company } from "./company.ts";
import type { Download } from "./download.ts";
import type { Justice } from "./justice.ts";
import { BLOCK_BYTES, type PieceIndex } from "./layout.ts";
import {
  MAX_SNUBS,
  MAX_UNASKED_BYTES,
  REJECT_REST_MS,
  SEND_HIGH_WATER_BYTES,
  SNUB_MS,
  SNUB_REST_MS,
} from "./limits.ts";
import type { PeerCore } from "./peer_core.ts";
import { ID } from "./wire.ts";

export class Asking {
  /** Whose blocks are asked for; nothing is before it is known. */
  download: Download | undefined;
  readonly #company: Company;
  readonly #justice: Justice;
  readonly #aloneWatch = new AloneWatch();
  /** Bytes that nobody asked for, by a peer's number. */
  readonly #unasked = new Map<number, number>();

  constructor(company: Company, justice: Justice) {
    this.#company = company;
    this.#justice = justice;
  }

  /** Each tick of the session. */
  tick(nowMs: number): void {
    for (const peer of this.#company.peers) {
      if (peer.requests.silentMs(nowMs) > SNUB_MS) this.#snub(peer, nowMs);
      else if (peer.snubbed && nowMs >= peer.restUntilMs) peer.snubbed = false;
    }
    const slow = this.#aloneWatch.dawdlers(this.download?.picker, this.#company.peers, nowMs);
    for (const peer of slow) this.#snub(peer, nowMs);
    this.refillAll();
  }

  /** Asks the peer for as much as its line takes. To be called after each batch of received bytes. */
  refill(peer: PeerCore): void {
    const { download } = this;
    if (download === undefined || peer.choked || !peer.interested || peer.snubbed) return;
    if (peer.nowMs < peer.restUntilMs) return;
    // One read of ours may hold thousands of its chokes and unchokes: each pair, a few bytes, would have us ask anew.
    if (peer.out.pending > SEND_HIGH_WATER_BYTES) return;
    // A few at a time would be a system call each: wait until a quarter of the room is free.
    const { room, size } = peer.requests;
    if (room <= 0 || room * 4 < size) return;
    download.picker.pick(peer, room, (piece, block) => {
      peer.requests.ask(piece, block, peer.nowMs);
      const length = download.layout.blockSize(piece, block);
      peer.out.blockwise(ID.request, piece, block * BLOCK_BYTES, length);
    });
  }

  /** Those first who gave the most: what a slow one had is not for the next slow one. */
  refillAll(): void {
    const given = ({ requests }: PeerCore) => requests.rate.total;
    for (const peer of [...this.#company.peers].sort((a, b) => given(b) - given(a))) this.refill(peer);
  }

  /**
   * A block came.
   *
   * @returns Whether the peer had been asked for it.
   * @throws {WireFault} When the peer goes on sending what it was not asked for.
   */
  onBlock(peer: PeerCore, piece: PieceIndex, block: number, data: Uint8Array): boolean {
    const { download } = this;
    if (download === undefined || !peer.requests.receive(piece, block, data.length, peer.nowMs)) {
      this.#countUnasked(peer, data.length);
      return false;
    }
    peer.snubbed = false;
    peer.snubs = 0;
    const active = download.picker.activePiece(piece);
    const wasShared = active !== undefined && active.askers[block]! > 1;
    download.receive(piece, block, data, peer.number);
    if (peer.choked) this.#disownIfDone(peer);
    if (wasShared) this.#cancelElsewhere(download, peer, piece, block);
    return true;
  }

  onChoked(peer: PeerCore): void {
    // With the fast extension what is not rejected still comes (BEP 6).
    if (!peer.isFast) this.#release(peer);
    this.#disownIfDone(peer);
  }

  onRejected(peer: PeerCore, piece: number, block: number): void {
    if (!peer.requests.drop(piece, block)) return;
    this.download?.picker.release(piece, block);
    this.#disownIfDone(peer);
    if (peer.choked) return;
    // It has nothing against us and still refuses: asking at once again would be a loop at the line's speed.
    peer.requests.shrink();
    peer.restUntilMs = peer.nowMs + REJECT_REST_MS;
  }

  /** The peer is gone; what it owed is asked of others. */
  leave(peer: PeerCore): void {
    this.#unasked.delete(peer.number);
    this.#release(peer);
    this.download?.picker.onPeerGone(peer);
    this.refillAll();
  }

  /** What it owes is asked of others. After a rest it may try again, with little; it is closed when it never sends. */
  #snub(peer: PeerCore, nowMs: number): void {
    this.#release(peer);
    this.download?.picker.disown(peer.number);
    if (++peer.snubs > MAX_SNUBS) {
      return this.#justice.condemn(peer, `sent nothing of what it was asked for, ${peer.snubs} times`);
    }
    peer.snubbed = true;
    peer.restUntilMs = nowMs + SNUB_REST_MS;
    peer.requests.shrink();
  }

  /** It sends no more and owes nothing: others may go on with its pieces. */
  #disownIfDone(peer: PeerCore): void {
    if (peer.requests.size === 0) this.download?.picker.disown(peer.number);
  }

  #release(peer: PeerCore): void {
    peer.requests.clear((piece, block) => this.download?.picker.release(piece, block));
  }

  #cancelElsewhere(download: Download, from: PeerCore, piece: PieceIndex, block: number): void {
    for (const peer of this.#company.peers) {
      if (peer === from || !peer.requests.drop(piece, block)) continue;
      peer.out.blockwise(ID.cancel, piece, block * BLOCK_BYTES, download.layout.blockSize(piece, block));
    }
  }

  #countUnasked(peer: PeerCore, bytes: number): void {
    const total = (this.#unasked.get(peer.number) ?? 0) + bytes;
    if (total > MAX_UNASKED_BYTES) throw new WireFault("BEP 3", "sends blocks that nobody asked for");
    this.#unasked.set(peer.number, total);
  }
}
