// Serves what peers ask for, as far as they are unchoked, each from a bounded queue of its own. A block goes from the
// disk's cache straight into the connection's send buffer, and only while that buffer has room: a peer that does not
// read costs one buffer and one queue.

import { VerificationFailed } from "../errors.ts";
import { Choker, UPLOAD_SLOTS } from "./choker.ts";
import type { Download } from "./download.ts";
import { BLOCK_BYTES, type PieceIndex } from "./layout.ts";
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
  /** Bytes of blocks put into its send buffer, ever. */
  queuedBytes: number;
  /** Those among them that have left it. */
  readonly sent: RateMeter;
  /** Bytes to it and from it, over the time that the choker judges by. */
  readonly took: RateMeter;
  readonly gave: RateMeter;
  queue: Asked[];
}

/** The choker judges by the last twenty seconds (BEP 3): two of its rounds, in slots of a RateMeter. */
const JUDGED_SLOT_MS = 20_000 / 6;

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
    this.#customers.set(peer.number, {
      peer,
      connectedMs: peer.nowMs,
      queuedBytes: 0,
      sent: new RateMeter(),
      took: new RateMeter(JUDGED_SLOT_MS),
      gave: new RateMeter(JUDGED_SLOT_MS),
      queue: [],
    });
  }

  leave(peer: PeerCore): void {
    this.#customers.delete(peer.number);
  }

  /**
   * Chooses anew whom to serve, when it is time; to be called about once a second.
   *
   * @param isUrgent Somebody's interest changed: a free slot is given at once, the others only when it is time.
   */
  rechoke(nowMs: number, isUrgent = false): void {
    if (!isUrgent) this.#measure(nowMs);
    if (this.#choker.isDue(nowMs) || (isUrgent && this.#hasFreeSlot())) this.#choose(nowMs);
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

  /** Fills the peer's send buffer as far as it has room; with a limit every peer's, as far as that allows. */
  pump(peer: PeerCore, nowMs: number): void {
    if (this.#limit !== undefined) return this.pumpAll(nowMs);
    const customer = this.#customers.get(peer.number);
    if (customer !== undefined) { while (hasRoom(customer, nowMs)) this.#sendNext(customer, nowMs); }
  }

  /** To be called when the limit may have opened again: everybody gets a block in turn. */
  pumpAll(nowMs: number): void {
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      for (const customer of [...this.#customers.values()]) {
        if (this.#limit?.isOpen(nowMs) === false) return;
        if (!hasRoom(customer, nowMs)) continue;
        isBusy = true;
        this.#sendNext(customer, nowMs);
        // Behind the others: the next time the limit opens it is their turn.
        this.#customers.delete(customer.peer.number);
        this.#customers.set(customer.peer.number, customer);
      }
    }
  }

  #sendNext(customer: Customer, nowMs: number): void {
    const { peer } = customer;
    const { piece, begin, length } = customer.queue.shift()!;
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
    customer.queuedBytes += length;
  }

  #measure(nowMs: number): void {
    for (const { peer, sent, took, gave } of this.#customers.values()) {
      took.add(sent.total - took.total, nowMs);
      gave.add(peer.requests.rate.total - gave.total, nowMs);
    }
  }

  #hasFreeSlot(): boolean {
    let served = 0;
    for (const { peer } of this.#customers.values()) if (peer.wanted && !peer.choking) served++;
    return served < UPLOAD_SLOTS;
  }

  #choose(nowMs: number): void {
    const peers = [...this.#customers.values()].map(({ peer, connectedMs, took, gave }) => ({
      number: peer.number,
      wanted: peer.wanted,
      snubbed: peer.snubbed,
      downRate: gave.perSecond(nowMs),
      upRate: took.perSecond(nowMs),
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

  #refuseAll(customer: Customer): void {
    const { queue } = customer;
    customer.queue = [];
    for (const { piece, begin, length } of queue) refuse(customer.peer, piece, begin, length);
  }
}

/** What waits in a send buffer delays our own requests behind it: at most what its line takes in a short time. */
function hasRoom({ peer, queuedBytes, sent, queue }: Customer, nowMs: number): boolean {
  if (queue.length === 0) return false;
  const { pending } = peer.out;
  sent.add(Math.max(0, queuedBytes - pending - sent.total), nowMs);
  const aheadBytes = Math.max(BLOCK_BYTES, sent.perSecond(nowMs) * SEND_AHEAD_SECONDS);
  return pending < Math.min(SEND_LOW_WATER_BYTES, aheadBytes);
}

const SEND_AHEAD_SECONDS = 0.25;

/** Without the fast extension silence is the refusal. */
function refuse(peer: PeerCore, piece: number, begin: number, length: number): void {
  if (peer.isFast) peer.out.blockwise(ID.reject, piece, begin, length);
}
