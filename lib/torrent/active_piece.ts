// Everything known of one piece from its first request to its verdict: which blocks are asked for, which came, from
// whom, and their hashes (32 bytes per 16 KiB; the data itself is on disk already, or on its way there).
//
//   block:  free -> requested -> received -> stored (hashed and written)
//             ^_________|   peer gone, choked, rejected, timed out
//
// Of pieces of one block many thousands may be asked for at once: an array of bytes, however short, takes 250 bytes of
// the heap. So a few numbers lie in a plain array, and what is known only of what came is made when it comes.

import type { PieceIndex } from "./layout.ts";

export const BLOCK_FREE = 0;
export const BLOCK_REQUESTED = 1;
export const BLOCK_RECEIVED = 2;
/** The sender of what was on this disk already: no peer has that number. */
export const NOBODY = 0;

export class ActivePiece {
  /** BLOCK_FREE, BLOCK_REQUESTED or BLOCK_RECEIVED per block. */
  readonly states: Uint8Array | number[];
  /** How many peers are asked for each block: more than one only in the end game. */
  readonly askers: Uint8Array | number[];
  /** What a piece without those came to when it was read back: 20 bytes; undefined when it could not be read. */
  readBack: Uint8Array | undefined;
  /** The peer that has the piece to itself; undefined when that one is gone. */
  owner: number | undefined;
  /** Who sent the block that came last. */
  lastSender: number = NOBODY;
  #piece: PieceIndex;
  readonly #keepHashes: boolean;
  #hashes: Uint8Array | undefined;
  #senders: Uint32Array | number[] | undefined;
  #free: number;
  #received = 0;
  #stored = 0;
  #scanFrom = 0;

  constructor(piece: PieceIndex, readonly blockCount: number, options: { keepHashes: boolean }) {
    this.#piece = piece;
    this.#keepHashes = options.keepHashes;
    this.states = zeros(Uint8Array, blockCount);
    this.askers = zeros(Uint8Array, blockCount);
    this.#free = blockCount;
  }

  get piece(): PieceIndex {
    return this.#piece;
  }

  /** SHA-256 of each stored block; empty for a piece that is checked by SHA-1. */
  get hashes(): Uint8Array {
    return this.#hashes ??= new Uint8Array(this.#keepHashes ? 32 * this.blockCount : 0);
  }

  /** Who sent each block: a peer's number. */
  get senders(): Uint32Array | number[] {
    return this.#senders ??= zeros(Uint32Array, this.blockCount);
  }

  /** As new, for another piece of as many blocks: nobody may know it for the old one any more. */
  renew(piece: PieceIndex): this {
    this.#piece = piece;
    this.states.fill(BLOCK_FREE);
    this.askers.fill(0);
    this.owner = undefined;
    this.readBack = undefined;
    this.lastSender = NOBODY;
    this.#free = this.blockCount;
    this.#received = 0;
    this.#stored = 0;
    this.#scanFrom = 0;
    return this;
  }

  /** Blocks that nobody is asked for. */
  get free(): number {
    return this.#free;
  }

  /** Whether every block came; the last ones may not be stored yet. */
  get isComplete(): boolean {
    return this.#received === this.blockCount;
  }

  get receivedBlocks(): number {
    return this.#received;
  }

  /** The first free block becomes requested; undefined when there is none. */
  requestNext(): number | undefined {
    if (this.#free === 0) return undefined;
    while (this.states[this.#scanFrom] !== BLOCK_FREE) this.#scanFrom++;
    const block = this.#scanFrom++;
    this.states[block] = BLOCK_REQUESTED;
    this.askers[block] = 1;
    this.#free--;
    return block;
  }

  /** One more peer is asked for a block that is on its way. */
  requestAgain(block: number): void {
    this.askers[block]!++;
  }

  /** One peer is not going to send it. */
  release(block: number): void {
    if (this.states[block] !== BLOCK_REQUESTED) return;
    if (--this.askers[block]! > 0) return;
    this.states[block] = BLOCK_FREE;
    this.#free++;
    if (block < this.#scanFrom) this.#scanFrom = block;
  }

  /** It came. @returns Whether it was still missing. */
  receive(block: number, sender: number): boolean {
    if (this.states[block] === BLOCK_RECEIVED) return false;
    if (this.states[block] === BLOCK_FREE) {
      this.#free--;
      if (block === this.#scanFrom) this.#scanFrom++;
    }
    this.states[block] = BLOCK_RECEIVED;
    this.senders[block] = this.lastSender = sender;
    this.#received++;
    return true;
  }

  /** A free block is on disk already. @param hash Its SHA-256, 32 bytes, copied. */
  adopt(block: number, hash: Uint8Array): void {
    this.states[block] = BLOCK_RECEIVED;
    this.senders[block] = NOBODY;
    this.hashes.set(hash, 32 * block);
    this.#free--;
    this.#received++;
    this.#stored++;
  }

  /** A block that was received is written now. @returns Whether it was the last one. */
  store(): boolean {
    return ++this.#stored === this.blockCount;
  }

  /** It came, but wrong: wanted again. */
  forget(block: number): void {
    if (this.states[block] !== BLOCK_RECEIVED) return;
    this.states[block] = BLOCK_FREE;
    this.askers[block] = 0;
    this.#received--;
    this.#free++;
    if (block < this.#scanFrom) this.#scanFrom = block;
  }

  /** The peers that sent any of it. */
  contributors(): Set<number> {
    const senders = new Set<number>();
    for (let block = 0; block < this.blockCount; block++) {
      if (this.states[block] === BLOCK_RECEIVED) senders.add(this.senders[block]!);
    }
    senders.delete(NOBODY);
    return senders;
  }
}

/** So many numbers, all 0. */
function zeros<T>(Typed: new (length: number) => T, count: number): T | number[] {
  return count > FEW_BLOCKS ? new Typed(count) : new Array<number>(count).fill(0);
}

/** So many take less as plain numbers. */
const FEW_BLOCKS = 16;
