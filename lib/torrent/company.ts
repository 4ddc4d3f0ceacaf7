// The peers that one torrent is connected with, and its address book: who is here twice, who needs nothing, and when
// whoever is gone may be dialed again. It closes nobody itself.

import { compareBytes, equalBytes } from "../bytes.ts";
import type { Endpoint } from "../ports.ts";
import { endpointKey } from "./compact.ts";
import { PeerBook } from "./peer_book.ts";
import type { PeerCore } from "./peer_core.ts";

export class Company {
  readonly book = new PeerBook();
  readonly #ownId: Uint8Array;
  readonly #peers = new Map<number, PeerCore>();
  /** The latest peers' hosts by number, those that are gone among them: bad blocks may be found out later. */
  readonly #hosts = new Map<number, string>();
  readonly #useful = new Set<number>();
  /** Peers that are closed only to be dialed again with the v2 hash. */
  readonly #reopened = new Set<number>();

  /** @param ownId Our peer id, 20 bytes. */
  constructor(ownId: Uint8Array) {
    this.#ownId = ownId;
  }

  get size(): number {
    return this.#peers.size;
  }

  get peers(): IterableIterator<PeerCore> {
    return this.#peers.values();
  }

  peer(number: number): PeerCore | undefined {
    return this.#peers.get(number);
  }

  /** Where that peer is, or was; undefined when it is forgotten. */
  hostOf(number: number): string | undefined {
    return this.#hosts.get(number);
  }

  join(peer: PeerCore): void {
    this.#peers.set(peer.number, peer);
    this.#hosts.set(peer.number, peer.endpoint.host);
    if (this.#hosts.size > MAX_HOSTS_REMEMBERED) this.#hosts.delete(this.#hosts.keys().next().value!);
    this.book.connected(peer.endpoint);
  }

  /** The connection ended. @returns false when it had ended before. */
  leave(peer: PeerCore, nowMs: number): boolean {
    if (!this.#peers.delete(peer.number)) return false;
    const wasUseful = this.#useful.delete(peer.number);
    const isReopened = this.#reopened.delete(peer.number);
    const { dialable, peerId } = peer;
    // Who came in to be dialed back was put into the book for that.
    if (dialable === undefined || (isReopened && peer.source === "incoming")) return true;
    // The other one of two connections may still be there.
    if (!this.#isHere(dialable)) this.book.ended(dialable, { wasUseful, nowMs });
    if (isReopened) this.book.redialAsV2(dialable, nowMs);
    if (peerId !== undefined && equalBytes(peerId, this.#ownId)) this.book.markOwn(dialable);
    return true;
  }

  /** It brought something: it may be dialed again soon. */
  markUseful(peer: PeerCore): void {
    this.#useful.add(peer.number);
  }

  /** It is being closed to be dialed again with the v2 hash. */
  markReopened(peer: PeerCore): void {
    this.#reopened.add(peer.number);
  }

  /** It came in and said where it listens: no need to dial it too. */
  learnPort(peer: PeerCore): void {
    if (peer.dialable !== undefined && !this.#reopened.has(peer.number)) this.book.connected(peer.dialable);
  }

  /** It has everything. */
  markSeed(peer: PeerCore): void {
    if (peer.dialable !== undefined) this.book.markSeed(peer.dialable);
  }

  /**
   * Two of our own kind that dialed each other at once have two connections. Both sides close the one that was dialed
   * by the side with the lower peer id.
   *
   * @returns The one to be closed, when this peer is here by another connection too.
   */
  needlessTwin(peer: PeerCore): PeerCore | undefined {
    const { peerId } = peer;
    if (peerId === undefined) return undefined;
    const isIncoming = (one: PeerCore) => one.source === "incoming";
    const twin = this.#peers.values().find((other) =>
      other.peerId !== undefined && equalBytes(other.peerId, peerId) &&
      // Anybody may take another's id, but not easily its address.
      other.endpoint.host === peer.endpoint.host && isIncoming(other) !== isIncoming(peer)
    );
    if (twin === undefined) return undefined;
    const keepsDialed = compareBytes(this.#ownId, peerId) > 0;
    return isIncoming(peer) === keepsDialed ? peer : twin;
  }

  #isHere(dialable: Endpoint): boolean {
    const key = endpointKey(dialable);
    return this.#peers.values().some((peer) =>
      peer.dialable !== undefined && endpointKey(peer.dialable) === key
    );
  }
}

/** Far more than send blocks of one piece. */
const MAX_HOSTS_REMEMBERED = 2000;
