// Serves what peers ask for, as far as they are unchoked, each from a bounded queue of its own. Blocks go into the
// connection's send buffer only while that has room: a peer that does not read costs one buffer and one queue. Blocks
// that lie side by side are read at once, as far as they were asked for: nothing is read that nobody wants.

import { SnapError } from "../errors.ts";
import { Choker, type ChokerPeer, RECHOKE_MS, SEED_SLOTS, UPLOAD_SLOTS } from "./choker.ts";
import type { Download } from "./download.ts";
import { BLOCK_BYTES, type PieceIndex } from "./layout.ts";
import { MAX_REQUESTS_HELD, SEND_LOW_WATER_BYTES } from "./limits.ts";
import type { PeerCore } from "./peer_core.ts";
import { RateMeter } from "./rate.ts";
import { Suggestions } from "./suggestions.ts";
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
  /** Bytes from it, over the time that the choker judges by. */
  readonly gave: RateMeter;
  queue: Asked[];
  /** The piece that it was sent blocks of last, how many bytes of it one after the other, and whether there is more. */
  piece: number;
  pieceBytes: number;
  /** The piece that it asked for last. */
  askedPiece: number;
  /** When it asked last. */
  askedMs: number;
  isMidPiece: boolean;
}

/** The choker judges by the last twenty seconds (BEP 3): two of its rounds, in slots of a RateMeter. */
const JUDGED_SLOT_MS = 20_000 / 6;

export class Uploader {
  readonly rate = new RateMeter();
  readonly #download: Download;
  readonly #choker: Choker;
  readonly #suggestions: Suggestions;
  readonly #limit: TokenBucket | undefined;
  readonly #onUnreadable: (why: string) => void;
  readonly #customers = new Map<number, Customer>();
  /** Those that we do not choke: never more than there are slots. */
  readonly #served = new Set<Customer>();
  #choseMs = -Infinity;
  /** Those whose turn is over, and the piece that they had it for too. */
  readonly #done = new Set<Customer>();
  /** There is a slot to be given before it is time. */
  #slotIsWanted = false;
  /** Blocks that lie side by side, between the disk and a send buffer. */
  readonly #run = new Uint8Array(SEND_LOW_WATER_BYTES);

  /**
   * @param options.limit Shared by all that send.
   * @param options.onUnreadable The disk does not give what should be here; the request is refused.
   */
  constructor(options: {
    readonly download: Download;
    readonly random: () => number;
    readonly limit: TokenBucket | undefined;
    readonly onUnreadable?: (why: string) => void;
  }) {
    this.#download = options.download;
    this.#choker = new Choker(options.random);
    const { layout, picker } = options.download;
    this.#suggestions = new Suggestions({
      pieceCount: layout.pieceCount,
      pieceLength: layout.pieceLength,
      availability: (piece) => picker.availability(piece),
      random: options.random,
    });
    this.#limit = options.limit;
    this.#onUnreadable = options.onUnreadable ?? (() => {});
  }

  join(peer: PeerCore): void {
    if (this.#customers.has(peer.number)) return;
    this.#customers.set(peer.number, {
      peer,
      connectedMs: peer.nowMs,
      queuedBytes: 0,
      sent: new RateMeter(),
      gave: new RateMeter(JUDGED_SLOT_MS),
      queue: [],
      piece: -1,
      pieceBytes: 0,
      askedPiece: -1,
      askedMs: -Infinity,
      isMidPiece: false,
    });
  }

  leave(peer: PeerCore): void {
    const customer = this.#customers.get(peer.number);
    if (customer === undefined) return;
    this.#customers.delete(peer.number);
    this.#suggestions.leave(peer);
    if (this.#served.delete(customer)) this.#giveOn(customer);
  }

  /** Chooses anew whom to serve, when it is time; to be called each tick of the session. */
  rechoke(nowMs: number): void {
    this.#measure(nowMs);
    if (this.#choker.isDue(nowMs) || this.#slotIsWanted) this.#choose(nowMs);
    for (const customer of this.#done) this.#replace(customer);
    this.#done.clear();
    this.#suggestions.lookAgain();
  }

  /**
   * Somebody's interest changed. A slot that is free, or held by somebody who wants nothing any more, is given away
   * soon: nobody should wait ten seconds for the first block. A seed gives it at once, to this one or to who waits; while
   * we fetch, the best get it, and who that is is found out at the next tick, however often somebody changes its mind.
   */
  onInterest(peer: PeerCore): void {
    const customer = this.#customers.get(peer.number);
    if (customer === undefined) return;
    const { isComplete } = this.#download;
    const isFull = this.#served.size >= (isComplete ? SEED_SLOTS : UPLOAD_SLOTS);
    const idle = isFull ? this.#idleServed() : undefined;
    if (isFull && idle === undefined) return;
    if (!isComplete) {
      if (peer.nowMs - this.#choseMs >= SOON_MS) this.#choose(peer.nowMs);
      else this.#slotIsWanted = true;
    } else if (!peer.wanted) {
      this.#replace(customer);
    } else if (peer.choking) {
      if (idle !== undefined) this.#setServed(idle, false);
      this.#setServed(customer, true);
    }
  }

  onRequest(peer: PeerCore, piece: number, begin: number, length: number): void {
    const customer = this.#customers.get(peer.number);
    const index = this.#download.layout.checkRequest(piece, begin, length);
    const isTaken = customer !== undefined && !peer.choking && index !== undefined &&
      this.#download.shown.has(index) && customer.queue.length < MAX_REQUESTS_HELD;
    if (!isTaken) return refuse(peer, piece, begin, length);
    customer.queue.push({ piece: index, begin, length });
    customer.askedMs = peer.nowMs;
    if (index !== customer.askedPiece) this.#onBegun(customer, index);
    this.pump(peer, peer.nowMs);
  }

  #onBegun(customer: Customer, piece: PieceIndex): void {
    customer.askedPiece = piece;
    this.#suggestions.begin(customer.peer, piece);
    this.#suggest(customer);
  }

  /** Only while there are others who could have it from this one. */
  #suggest({ peer }: Customer): void {
    if (!this.#download.shown.isFull || !peer.isFast || this.#customers.size < 2) return;
    for (const piece of this.#suggestions.more(peer)) peer.out.piecewise(ID.suggest, piece);
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
    if (customer === undefined) return;
    for (let room = roomFor(customer, nowMs); room > 0; room = roomFor(customer, nowMs)) {
      this.#sendNext(customer, room, nowMs);
    }
  }

  /** To be called when the limit may have opened again: everybody gets a block in turn. */
  pumpAll(nowMs: number): void {
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      for (const customer of [...this.#customers.values()]) {
        if (this.#limit?.isOpen(nowMs) === false) return;
        if (roomFor(customer, nowMs) <= 0) continue;
        isBusy = true;
        this.#sendNext(customer, 0, nowMs);
        // Behind the others: the next time the limit opens it is their turn.
        this.#customers.delete(customer.peer.number);
        this.#customers.set(customer.peer.number, customer);
      }
    }
  }

  /** The next block, and those after it that lie behind it in the piece, as far as there is room. */
  #sendNext(customer: Customer, room: number, nowMs: number): void {
    const { peer, queue } = customer;
    const { piece, begin, length } = queue[0]!;
    let [count, runBytes] = [1, length];
    for (let next = queue[1]; next !== undefined && next.piece === piece; next = queue[++count]) {
      if (next.begin !== begin + runBytes || runBytes + next.length > Math.min(room, this.#run.length)) break;
      runBytes += next.length;
    }
    try {
      if (count === 1) peer.out.block(piece, begin, length, (into) => this.#read(piece, begin, into));
      else this.#read(piece, begin, this.#run.subarray(0, runBytes));
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      this.#onUnreadable(error.message);
      queue.shift();
      return refuse(peer, piece, begin, length);
    }
    if (count > 1) {
      for (const asked of queue.slice(0, count)) {
        const at = asked.begin - begin;
        const block = this.#run.subarray(at, at + asked.length);
        peer.out.block(piece, asked.begin, asked.length, (into) => into.set(block));
      }
    }
    queue.splice(0, count);
    this.#countPiece(customer, piece, runBytes);
    this.#limit?.spend(runBytes, nowMs);
    this.rate.add(runBytes, nowMs);
    customer.queuedBytes += runBytes;
  }

  /** Whoever was sent the last of a piece, or asks for another next, may lose a slot that it only has for that. */
  #countPiece(customer: Customer, piece: PieceIndex, bytes: number): void {
    customer.pieceBytes = piece === customer.piece ? customer.pieceBytes + bytes : bytes;
    customer.piece = piece;
    const next = customer.queue[0]?.piece ?? piece;
    customer.isMidPiece = next === piece && customer.pieceBytes < this.#download.layout.pieceSize(piece);
    if (!customer.isMidPiece && this.#choker.isKept(customer.peer.number)) this.#done.add(customer);
  }

  #read(piece: PieceIndex, begin: number, into: Uint8Array): void {
    const { layout, storage } = this.#download;
    const inFile = Math.max(0, Math.min(into.length, layout.pieceSize(piece) - begin));
    storage.read(piece, begin, into.subarray(0, inFile));
    // libtorrent up to 2.0.12 asks for the padding of a v2 file's last block too.
    into.fill(0, inFile);
  }

  #measure(nowMs: number): void {
    if (this.#download.isComplete) return;
    for (const { peer, gave } of this.#customers.values()) {
      gave.add(peer.requests.rate.total - gave.total, nowMs);
    }
  }

  #idleServed(): Customer | undefined {
    for (const customer of this.#served) if (!customer.peer.wanted) return customer;
    return undefined;
  }

  #choose(nowMs: number): void {
    this.#choseMs = nowMs;
    this.#slotIsWanted = false;
    const peers = [...this.#customers.values()].map((customer) => seenByChoker(customer, nowMs));
    this.#done.clear();
    const served = this.#choker.choose(peers, { isSeeding: this.#download.isComplete, nowMs });
    for (const customer of this.#customers.values()) {
      const isServed = served.has(customer.peer.number);
      if (isServed === customer.peer.choking) this.#setServed(customer, isServed);
    }
  }

  /** Gives its slot to the next in turn, if there is one. */
  #replace(customer: Customer): void {
    if (!this.#served.has(customer)) return;
    const next = this.#nextAfter(customer);
    if (next === undefined) return;
    this.#setServed(customer, false);
    this.#setServed(next, true);
  }

  /** The slot of one that is gone. */
  #giveOn(gone: Customer): void {
    if (!this.#download.isComplete) {
      this.#slotIsWanted = true;
      return;
    }
    const next = this.#nextAfter(gone);
    if (next !== undefined) this.#setServed(next, true);
  }

  #nextAfter(customer: Customer): Customer | undefined {
    const waiting = [...this.#customers.values()].filter(({ peer }) => peer.choking && peer.wanted);
    const look = (one: Customer) => seenByChoker(one, customer.peer.nowMs);
    const next = this.#choker.instead(look(customer), waiting.map(look));
    return next === undefined ? undefined : this.#customers.get(next);
  }

  #setServed(customer: Customer, isServed: boolean): void {
    // Before the word that it may ask, so that it knows what for.
    if (isServed) this.#suggest(customer);
    else this.#suggestions.pause(customer.peer);
    customer.peer.setChoking(!isServed);
    if (isServed) {
      this.#served.add(customer);
    } else {
      this.#served.delete(customer);
      this.#refuseAll(customer);
    }
  }

  #refuseAll(customer: Customer): void {
    const { queue } = customer;
    customer.queue = [];
    for (const { piece, begin, length } of queue) refuse(customer.peer, piece, begin, length);
  }
}

function seenByChoker(customer: Customer, nowMs: number): ChokerPeer {
  const { peer, connectedMs, gave, queue, askedMs } = customer;
  const { number, wanted, snubbed } = peer;
  // Who asked for nothing for a round, and has all that it asked for, has the rest of its piece from elsewhere.
  const isAsking = queue.length > 0 || peer.out.pending > 0 || nowMs - askedMs <= RECHOKE_MS;
  const isMidPiece = customer.isMidPiece && isAsking;
  return { number, wanted, snubbed, downRate: gave.perSecond(nowMs), connectedMs, isMidPiece };
}

/**
 * Bytes that may be put into a peer's send buffer now, or a block's more; none when it asks for none. What waits there
 * delays our own requests behind it: at most what its line takes in a short time.
 */
function roomFor({ peer, queuedBytes, sent, queue }: Customer, nowMs: number): number {
  if (queue.length === 0) return 0;
  const { pending } = peer.out;
  sent.add(Math.max(0, queuedBytes - pending - sent.total), nowMs);
  const aheadBytes = Math.max(BLOCK_BYTES, sent.perSecond(nowMs) * SEND_AHEAD_SECONDS);
  return Math.min(SEND_LOW_WATER_BYTES, aheadBytes) - pending;
}

/** Between two choices, when there is a slot to give. */
const SOON_MS = 1000;
const SEND_AHEAD_SECONDS = 0.25;

/** Without the fast extension silence is the refusal. */
function refuse(peer: PeerCore, piece: number, begin: number, length: number): void {
  if (peer.isFast) peer.out.blockwise(ID.reject, piece, begin, length);
}
