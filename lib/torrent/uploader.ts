// Serves what peers ask for, as far as they are unchoked, each from a bounded queue of its own. A block goes from the
// disk's cache straight into the connection's send buffer, and only while that buffer has room: a peer that does not
// read costs one buffer and one queue.

import { VerificationFailed } from "../errors.ts";
import { Choker } from "./choker.ts";
import type { Download } from "./download.ts";
import type { PieceIndex } from "./layout.ts";
import { MAX_REQUESTS_HELD, SEND_LOW_WATER_BYTES } from "./limits.ts";
import type { PeerCore } from "./peer_core.ts";
import { RateMeter } from "./rate.ts";
import type { TokenBucket } from "./token_bucket.ts";
import { ID } from "./wire.ts";

interface Asked {
  readonly piece: PieceIndex;
  readonly begin: number;
  readonly length: number;
}

interface Customer {
  readonly peer: PeerCore;
  readonly connectedMs: number;
  readonly rate: RateMeter;
  queue: Asked[];
}

export class Uploader {
  readonly rate = new RateMeter();
  readonly #download: Download;
  readonly #choker: Choker;
  readonly #limit: TokenBucket | undefined;
  readonly #customers = new Map<number, Customer>();

  /** @param options.limit Shared by all that send. */
  constructor(options: {
    readonly download: Download;
    readonly random: () => number;
    readonly limit: TokenBucket | undefined;
  }) {
    this.#download = options.download;
    this.#choker = new Choker(options.random);
    this.#limit = options.limit;
  }

  join(peer: PeerCore): void {
    if (this.#customers.has(peer.number)) return;
    const connectedMs = peer.nowMs;
    this.#customers.set(peer.number, { peer, connectedMs, rate: new RateMeter(), queue: [] });
  }

  leave(peer: PeerCore): void {
    this.#customers.delete(peer.number);
  }

  /** Chooses anew whom to serve, when it is time or when somebody's interest changed. */
  rechoke(nowMs: number, isUrgent = false): void {
    if (!isUrgent && !this.#choker.isDue(nowMs)) return;
    const peers = [...this.#customers.values()].map(({ peer, connectedMs, rate }) => ({
      number: peer.number,
      wanted: peer.wanted,
      snubbed: peer.snubbed,
      downRate: peer.requests.rate.perSecond(nowMs),
      upRate: rate.perSecond(nowMs),
      connectedMs,
    }));
    const served = this.#choker.choose(peers, { isSeeding: this.#download.isComplete, nowMs });
    for (const customer of this.#customers.values()) {
      const isServed = served.has(customer.peer.number);
      if (isServed !== customer.peer.choking) continue;
      customer.peer.setChoking(!isServed);
      if (!isServed) this.#refuseAll(customer);
    }
  }

  onRequest(peer: PeerCore, piece: number, begin: number, length: number): void {
    const customer = this.#customers.get(peer.number);
    const index = this.#download.layout.checkRequest(piece, begin, length);
    const isTaken = customer !== undefined && !peer.choking && index !== undefined &&
      this.#download.here.has(index) && customer.queue.length < MAX_REQUESTS_HELD;
    if (!isTaken) return refuse(peer, piece, begin, length);
    customer.queue.push({ piece: index, begin, length });
    this.pump(peer, peer.nowMs);
  }

  /** With the fast extension a cancelled request is answered too, by a reject (BEP 6). */
  onCancel(peer: PeerCore, piece: number, begin: number, length: number): void {
    const customer = this.#customers.get(peer.number);
    if (customer === undefined) return;
    const at = customer.queue.findIndex((asked) =>
      asked.piece === piece && asked.begin === begin && asked.length === length
    );
    if (at < 0) return;
    customer.queue.splice(at, 1);
    refuse(peer, piece, begin, length);
  }

  /** Fills the peer's send buffer as far as it has room and the limit allows. */
  pump(peer: PeerCore, nowMs: number): void {
    const customer = this.#customers.get(peer.number);
    if (customer === undefined) return;
    const { queue } = customer;
    let served = 0;
    while (served < queue.length && peer.out.pending < SEND_LOW_WATER_BYTES) {
      if (this.#limit?.isOpen(nowMs) === false) break;
      this.#send(customer, queue[served++]!, nowMs);
    }
    if (served > 0) queue.splice(0, served);
  }

  /** To be called when the limit may have opened again. */
  pumpAll(nowMs: number): void {
    for (const { peer } of this.#customers.values()) this.pump(peer, nowMs);
  }

  #send({ peer, rate }: Customer, { piece, begin, length }: Asked, nowMs: number): void {
    const size = this.#download.layout.pieceSize(piece);
    try {
      peer.out.block(piece, begin, length, (into) => {
        const inFile = Math.max(0, Math.min(length, size - begin));
        this.#download.storage.read(piece, begin, into.subarray(0, inFile));
        // libtorrent up to 2.0.12 asks for the padding of a v2 file's last block too.
        into.fill(0, inFile);
      });
    } catch (error) {
      if (!(error instanceof VerificationFailed)) throw error;
      return refuse(peer, piece, begin, length);
    }
    this.#limit?.spend(length, nowMs);
    this.rate.add(length, nowMs);
    rate.add(length, nowMs);
  }

  #refuseAll(customer: Customer): void {
    const { queue } = customer;
    customer.queue = [];
    for (const { piece, begin, length } of queue) refuse(customer.peer, piece, begin, length);
  }
}

/** Without the fast extension silence is the refusal. */
function refuse(peer: PeerCore, piece: number, begin: number, length: number): void {
  if (peer.isFast) peer.out.blockwise(ID.reject, piece, begin, length);
}
