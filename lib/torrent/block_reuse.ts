// Spares the line what an older copy on this disk has: pieces that differ from it are held back from the picker until a
// peer has told their block hashes (BEP 52, base 0, proven), and what the copy has of them is in place. Then only the rest
// is asked for. It decides which piece is compared next; who tells its hashes is leaf_tellers.ts's, the bytes are
// BlockMatcher's.
//
//   held -> asked (a peer, its leaves) -> matching (the disk) -> begun, with the blocks that were found
//     |________|  refused, silent, gone: another peer
//     |_____________________________________> let go: fetched whole
//
// It never keeps the line idle for long: what nobody can tell of is let go, little by little, once a peer finds nothing
// else to do; and where a sample of pieces has nothing in common with the copy, all of it is.

import { WireFault } from "../errors.ts";
import type { BlockMatcher } from "./block_matcher.ts";
import { BLOCK_BYTES, type Layout, type PieceIndex } from "./layout.ts";
import { LeafTellers } from "./leaf_tellers.ts";
import type { PeerCore } from "./peer_core.ts";
import type { Picker } from "./picker.ts";
import type { PieceLayers } from "./piece_layers.ts";
import type { HashSpan } from "./wire.ts";

/** An older copy, and what is hoped of it. */
export interface OldBlocks {
  /** Pieces of which it may have a part. */
  readonly pieces: readonly PieceIndex[];
  /**
   * Whether it is of a kind that keeps its blocks from one snapshot to the next. Otherwise a few pieces are tried while
   * all others are fetched as if there were no copy.
   */
  readonly isLikely: boolean;
  readonly matcher: BlockMatcher;
  /** Told once, when nothing is held any more. */
  readonly onOver: (sums: ReuseSums) => void;
}

/** What came of it. */
export interface ReuseSums {
  readonly comparedPieces: number;
  readonly foundBlocks: number;
  /** What came of hashes for it, proofs included. */
  readonly hashBytes: number;
  /** Whether it was given up because there was nothing in common. */
  readonly isInVain: boolean;
}

/** Puts what was found into the picker's hands. */
export type BeginPiece = (piece: PieceIndex, leaves: Uint8Array, found: Uint8Array) => void;

export class BlockReuse {
  /** Told when pieces were begun or let go from outside of a call: `takeNews` then says so. */
  onWake: () => void = () => {};
  readonly #layout: Layout;
  readonly #layers: PieceLayers;
  readonly #picker: Picker;
  readonly #old: OldBlocks;
  readonly #begin: BeginPiece;
  /** Those that are held once a few have shown that it is worth it. */
  #rest: readonly PieceIndex[];
  readonly #tellers = new LeafTellers();
  readonly #matching = new Set<PieceIndex>();
  /** Looks in a row at which a peer had nothing to do. */
  readonly #idleTicks = new Map<number, number>();
  readonly #aheadBlocks: number;
  readonly #mostBegun: number;
  readonly #sample: number;
  /** Looks in a row, half a second apart, at which nobody could be asked, or nobody had answered. A busy machine has few. */
  #mutedTicks = 0;
  /** Looks at which there was somebody to ask, as long as nothing was found. */
  #tries = 0;
  #isOver = false;
  #ended: Promise<void> = Promise.resolve();
  #hasNews = false;
  #foundNothing = 0;
  #comparedPieces = 0;
  #foundBlocks = 0;
  #hashBytes = 0;

  /** Holds the pieces. @param random 0 up to but not 1. */
  constructor(parts: {
    readonly layout: Layout;
    readonly layers: PieceLayers;
    readonly picker: Picker;
    readonly random: () => number;
    readonly begin: BeginPiece;
    readonly old: OldBlocks;
    /** Other than `AHEAD_BLOCKS` in tests. */
    readonly aheadBlocks?: number;
  }) {
    const { layout, layers, picker, old, random } = parts;
    this.#layout = layout;
    this.#layers = layers;
    this.#picker = picker;
    this.#begin = parts.begin;
    this.#old = old;
    this.#aheadBlocks = parts.aheadBlocks ?? AHEAD_BLOCKS;
    this.#mostBegun = Math.max(16, Math.floor(BEGUN_MEMORY_BYTES / (PLACE_BYTES * layout.blocksPerPiece)));
    const sample = Math.floor(SAMPLE_BYTES / layout.pieceLength);
    this.#sample = Math.max(LEAST_SAMPLE, Math.min(MOST_SAMPLE, sample));
    const pieces = old.pieces.filter((piece) => layers.leafRequest(piece) !== undefined);
    const first = old.isLikely ? pieces : draw(pieces, this.#sample, random);
    this.#rest = old.isLikely ? [] : pieces;
    picker.hold(first);
    if (picker.held === 0) this.#end(false);
  }

  /** Whether there is nothing more to compare. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether there is more to ask for than at the last call. */
  takeNews(): boolean {
    const hasNews = this.#hasNews;
    this.#hasNews = false;
    return hasNews;
  }

  /** Each tick of the session: a look, twice a second. */
  tick(peers: Iterable<PeerCore>, nowMs: number): void {
    if (this.#isOver) return;
    this.#tellers.advance(nowMs);
    this.#mutedTicks++;
    const all = [...peers];
    if (this.#isTriedLong(all)) return this.#end(true);
    this.#tellers.giveUpSilent();
    this.ask(all);
    for (const peer of all) this.#idleTicks.set(peer.number, isIdle(peer) ? this.#idleFor(peer) + 1 : 0);
    // Others may tell of what these do not have, as fast as they can.
    this.#feed(all.filter((peer) => !this.#tellers.canTell(peer) && this.#idleFor(peer) > PATIENCE_TICKS));
  }

  /** Asks whoever can tell about the next pieces. To be called when somebody new can, and when there is room. */
  ask(peers: Iterable<PeerCore>): void {
    if (this.#isOver) return;
    const all = [...peers].filter((peer) => peer.isGreeted && peer.pieces?.count !== 0);
    for (const { nowMs } of all) this.#tellers.advance(nowMs);
    const tellers = all.filter((peer) => this.#tellers.canTell(peer));
    let { room, isAhead } = this.#room();
    // What was begun may be slow peers' alone: who has nothing to do of that does not wait for them.
    const asked = isAhead ? tellers.filter(isIdle) : tellers;
    // In turns, so that none has all the work while others could share it.
    for (let isAsked = true; room > 0 && isAsked;) {
      isAsked = false;
      for (const peer of asked) {
        if (room === 0 || !this.#askNext(peer)) continue;
        room--;
        isAsked = true;
      }
    }
    this.#letGoOfRefused(all, tellers);
    if (room === 0 || isAhead || this.#matching.size > 0) this.#mutedTicks = 0;
    if (this.#mutedTicks > PATIENCE_TICKS) this.#feedStarved(all.filter((peer) => !tellers.includes(peer)));
    this.#look();
  }

  /** A web seed, which tells no hashes, finds nothing to do: it gets something to fetch as it is. */
  feedOutsider(): void {
    if (this.#isOver) return;
    this.#feed([{ pieces: undefined }]);
    this.#look();
    this.onWake();
  }

  /**
   * An answer about leaves came.
   *
   * @returns Whether it was asked for here.
   * @throws {WireFault} When it proves nothing.
   */
  onHashes(peer: PeerCore, span: HashSpan, hashes: Uint8Array): boolean {
    const piece = this.#tellers.take(peer, span);
    if (piece === undefined) return false;
    this.#tellers.advance(peer.nowMs);
    const leaves = this.#layers.verifyLeaves(piece, span, hashes);
    if (leaves === undefined) throw new WireFault("BEP 52", "hashes that prove nothing");
    this.#hashBytes += hashes.length;
    this.#tellers.onTold(peer);
    this.#mutedTicks = 0;
    if (this.#isOver || !this.#picker.isHeld(piece)) return true;
    this.#matching.add(piece);
    this.#old.matcher.match(piece, leaves, (found) => this.#onFound(piece, leaves, found));
    return true;
  }

  /** @returns Whether that was asked for here. */
  onReject(peer: PeerCore, span: HashSpan): boolean {
    const piece = this.#tellers.take(peer, span);
    if (piece === undefined) return false;
    this.#tellers.advance(peer.nowMs);
    this.#tellers.onRefused(piece, peer);
    return true;
  }

  leave(peer: PeerCore): void {
    this.#tellers.leave(peer);
    this.#idleTicks.delete(peer.number);
  }

  /** Compares nothing more. Resolves when no file is in use any more; what was not compared is missing. */
  async close(): Promise<void> {
    this.#end(false);
    await this.#ended;
  }

  /** How many more may be under way, and whether it is as far ahead of the line as is worth it. */
  #room(): { room: number; isAhead: boolean } {
    let begun = 0;
    let free = 0;
    for (const active of this.#picker.active) {
      begun++;
      free += active.free;
    }
    const underWay = this.#tellers.askedCount + this.#matching.size;
    const room = Math.max(0, Math.min(MOST_UNDER_WAY, this.#mostBegun - begun) - underWay);
    return { room, isAhead: free >= this.#aheadBlocks };
  }

  #askNext(peer: PeerCore): boolean {
    if (!this.#tellers.hasRoom(peer)) return false;
    const piece = this.#picker.nextHeld(
      peer,
      (n) => !this.#isUnderWay(n as PieceIndex) && !this.#tellers.hasRefused(n as PieceIndex, peer),
    );
    if (piece === undefined) return false;
    this.#tellers.ask(peer, piece, this.#layers.leafRequest(piece)!);
    return true;
  }

  #isUnderWay(piece: PieceIndex): boolean {
    return this.#tellers.isAsked(piece) || this.#matching.has(piece);
  }

  #idleFor(peer: PeerCore): number {
    return this.#idleTicks.get(peer.number) ?? 0;
  }

  /** A few that are only tried may be what somebody waits for who reads along. */
  #isTriedLong(peers: Iterable<PeerCore>): boolean {
    if (this.#old.isLikely || this.#foundBlocks > 0) return false;
    for (const peer of peers) {
      if (peer.isGreeted && peer.pieces?.count !== 0) return ++this.#tries > TRY_TICKS;
    }
    return false;
  }

  /** Some were asked for the piece's leaves in vain, or all who could be. */
  #letGoOfRefused(peers: readonly PeerCore[], tellers: readonly PeerCore[]): void {
    const most = this.#old.isLikely ? MOST_REFUSALS : 1;
    for (const [piece, refusals] of this.#tellers.refused()) {
      if (this.#matching.has(piece)) continue;
      const canTell = tellers.some((peer) => peer.has(piece) && !this.#tellers.hasRefused(piece, peer));
      if (refusals >= most || (!canTell && peers.some((peer) => peer.has(piece)))) this.#letGo(piece);
    }
  }

  /** Whoever gives blocks is not kept waiting by those who do not tell hashes. */
  #feedStarved(mute: readonly PeerCore[]): void {
    // A web seed is no peer, and has everything.
    if (this.#picker.takeStarved()) this.#feed([...mute, { pieces: undefined }]);
  }

  #feed(peers: readonly Pick<PeerCore, "pieces">[]): void {
    let left = Math.max(1, Math.floor(STARVED_BYTES / this.#layout.pieceLength));
    for (const peer of peers) {
      for (; left > 0; left--) {
        const piece = this.#picker.nextHeld(peer, (n) => !this.#tellers.isAsked(n as PieceIndex));
        if (piece === undefined) break;
        this.#letGo(piece);
      }
    }
  }

  #letGo(piece: PieceIndex): void {
    this.#tellers.forget(piece);
    this.#picker.letGo(piece);
    this.#hasNews = true;
  }

  #onFound(piece: PieceIndex, leaves: Uint8Array, found: Uint8Array): void {
    this.#matching.delete(piece);
    if (this.#isOver || !this.#picker.isHeld(piece)) return;
    let count = 0;
    for (const one of found) count += one;
    this.#comparedPieces++;
    this.#foundBlocks += count;
    this.#foundNothing = count > 0 ? 0 : this.#foundNothing + 1;
    this.#tellers.forget(piece);
    this.#begin(piece, leaves, found);
    this.#hasNews = true;
    if (count > 0 && this.#rest.length > 0) {
      this.#picker.hold(this.#rest);
      this.#rest = [];
    }
    if (this.#foundNothing >= this.#sample) this.#end(true);
    this.#look();
    this.onWake();
  }

  #look(): void {
    if (!this.#isOver && this.#picker.held === 0 && this.#matching.size === 0) this.#end(false);
  }

  #end(isInVain: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#picker.letGoOfAll();
    this.#hasNews = true;
    this.#tellers.forgetAll();
    this.#ended = this.#old.matcher.end();
    const { onOver } = this.#old;
    onOver({
      comparedPieces: this.#comparedPieces,
      foundBlocks: this.#foundBlocks,
      hashBytes: this.#hashBytes,
      isInVain,
    });
  }
}

/** Whether it would send, and is asked for nothing. */
function isIdle({ choked, interested, snubbed, askedCount }: PeerCore): boolean {
  return !choked && interested && !snubbed && askedCount === 0;
}

/** Some of them, any. */
function draw(pieces: readonly PieceIndex[], count: number, random: () => number): PieceIndex[] {
  const left = [...pieces];
  const drawn: PieceIndex[] = [];
  while (drawn.length < count && left.length > 0) {
    const at = Math.floor(random() * left.length);
    drawn.push(left[at]!);
    left[at] = left.at(-1)!;
    left.pop();
  }
  return drawn;
}

/** So much of what is to be fetched is known ahead of the line: two seconds of 1 Gbit/s. */
const AHEAD_BLOCKS = (256 << 20) / BLOCK_BYTES;
/** What is known of begun pieces: a hash, a sender and two marks for each block. */
const BEGUN_MEMORY_BYTES = 16 << 20;
const PLACE_BYTES = 38;
/** Pieces whose leaves are asked for, or are being compared: half a MiB of leaves at 4 MiB pieces. */
const MOST_UNDER_WAY = 64;
/**
 * So much in a row without one block in common, and there is nothing to hope for; at most so many pieces. The other side
 * reads as much for each of us.
 */
const SAMPLE_BYTES = 256 << 20;
const LEAST_SAMPLE = 8;
const MOST_SAMPLE = 64;
/** Peers that are asked about one piece in vain, before it is fetched as it is. */
const MOST_REFUSALS = 3;
/** Looks, two a second, in which a few pieces of an unlikely copy must have shown something. */
const TRY_TICKS = 10;
/** A line that has nothing else to do waits so many looks for hashes, and then gets so much to fetch as it is. */
const PATIENCE_TICKS = 3;
const STARVED_BYTES = 64 << 20;
