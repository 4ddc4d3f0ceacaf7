// The peers that one torrent is connected with, and its address book: who is here twice, who needs nothing, and when
// whoever is gone may be dialed again. It closes nobody itself.

import { compareBytes, equalBytes } from "../bytes.ts";
import type { Endpoint } from "../ports.ts";
import { endpointKey, networkOf } from "./compact.ts";
import { PeerBook } from "./peer_book.ts";
import type { PeerCore } from "./peer_core.ts";

/** Who did something, as a log names it: a peer that is here, or was. */
export type Stranger = Pick<PeerCore, "endpoint" | "client">;

export class Company {
  readonly book = new PeerBook();
  readonly #ownId: Uint8Array;
  readonly #peers = new Map<number, PeerCore>();
  /** The latest of those that are gone, by number: bad blocks may be found out later. */
  readonly #gone = new Map<number, Stranger>();
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

  /** Who has that number, or had it; undefined when it is forgotten. */
  who(number: number): Stranger | undefined {
    return this.#peers.get(number) ?? this.#gone.get(number);
  }

  /** All that are here from that host. */
  from(host: string): PeerCore[] {
    const network = networkOf(host);
    return [...this.#peers.values()].filter(({ endpoint }) => networkOf(endpoint.host) === network);
  }

  join(peer: PeerCore): void {
    this.#peers.set(peer.number, peer);
    this.book.connected(peer.endpoint);
  }

  /** The connection ended. @returns false when it had ended before. */
  leave(peer: PeerCore, nowMs: number): boolean {
    if (!this.#peers.delete(peer.number)) return false;
    this.#gone.set(peer.number, { endpoint: peer.endpoint, client: peer.client });
    if (this.#gone.size > MAX_GONE) this.#gone.delete(this.#gone.keys().next().value!);
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
  markUseful(number: number): void {
    if (this.#peers.has(number)) this.#useful.add(number);
  }

  /** Whether it has brought something. */
  isUseful(number: number): boolean {
    return this.#useful.has(number);
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
const MAX_GONE = 2000;
