// Which block to ask which peer for. A piece is taken whole by one peer while there are pieces left, so that a bad
// one has one sender and a dropped connection leaves few half pieces; at the end its blocks are shared out, and in
// the very end asked for twice.
//
//   piece:  (held ->) missing -> active -> here
//              |         ^_________|   failed its hash
//              |___________________^   some of its blocks were found on this disk
//
// Order: what the peer holds already, what another left behind, the rarest missing piece, a share of another's
// piece, and last a block that is on its way from somebody else. Where somebody reads along (`follow`), what that one
// wants comes before the rarest, and the piece that it waits for is shared at once.

import { ActivePiece, BLOCK_REQUESTED } from "./active_piece.ts";
import type { Layout, PieceIndex } from "./layout.ts";
import type { PieceSet } from "./piece_set.ts";
import { RarityOrder } from "./rarity.ts";
import type { Wanted } from "./read_window.ts";

/** What the picker must know of a peer. */
export interface PickerPeer {
  /** Its number: small, never used twice. */
  readonly number: number;
  /** What it has; undefined when it has everything. */
  readonly pieces: PieceSet | undefined;
  /** What it would like to send, the oldest first; numbers of any size. The picker takes away what is of no use. */
  readonly suggested?: number[];
  /** How many blocks it is asked for. */
  readonly askedCount: number;
  /** Whether it is asked for that block already. */
  isAskedFor(piece: number, block: number): boolean;
}

/** Takes each picked block. */
export type TakeBlock = (piece: PieceIndex, block: number) => void;

/** Peers that are asked for one and the same block at most. */
const MAX_ASKERS = 2;

/** Pieces kept to be used again: of those of one block, as many as may be asked of one peer. */
const MAX_SPARE = 2000;

/** Blocks that a peer is asked for at a time in the end game. */
const END_GAME_BLOCKS = 8;

/** Pieces of a window that are compared by rarity: with tiny pieces a window has many. */
const MAX_COMPARED = 256;
/** A window is no larger than this share of what is missing, so that it closes towards the end. */
const WINDOW_SHARE = 1 / 4;
const LEAST_WINDOW = 4;

export class Picker {
  readonly #layout: Layout;
  readonly #rarity: RarityOrder;
  readonly #active = new Map<number, ActivePiece>();
  /** Active pieces by the peer that has them to itself. */
  readonly #owned = new Map<number, Set<ActivePiece>>();
  /** Active pieces whose peer is gone. */
  readonly #orphans = new Set<ActivePiece>();
  /** Pieces of which somebody still looks whether parts of them are here; undefined where nobody ever did. */
  #held: RarityOrder | undefined;
  /** Whether a peer found nothing to do while there were such. */
  #isStarved = false;
  readonly #random: () => number;
  /** Pieces that failed: fetched again from one peer alone. */
  readonly #alone = new Set<number>();
  readonly #isReady: (piece: PieceIndex) => boolean;
  readonly #keepHashes: boolean;
  readonly #spare: ActivePiece[] = [];
  /** Peers that have no missing piece to begin with, and the generation in which that was found out. */
  readonly #nothingFor = new Map<number, number>();
  /** Grows with whatever may give such a peer something to do. */
  #generation = 0;
  #look: (() => Wanted) | undefined;
  /** Where the reader was, and the first piece from there on that may be missing. */
  #readFrom = 0;
  #lowest = 0;
  /** What the reader waits for, and how many pieces came since it does. */
  #awaited: number | undefined;
  #cameMeanwhile = 0;

  /**
   * @param options.here Pieces that need not be fetched.
   * @param options.isReady Whether a piece can be checked once it is here; others are not asked for.
   */
  constructor(options: {
    readonly layout: Layout;
    readonly here: PieceSet;
    readonly random: () => number;
    readonly isReady: (piece: PieceIndex) => boolean;
    readonly keepHashes: boolean;
  }) {
    this.#layout = options.layout;
    this.#isReady = options.isReady;
    this.#keepHashes = options.keepHashes;
    this.#random = options.random;
    this.#rarity = new RarityOrder(options.layout.pieceCount, options.random);
    for (const piece of options.here) this.#rarity.remove(piece);
  }

  /** Pieces that nobody is asked for, without those that are held. */
  get missing(): number {
    return this.#rarity.count;
  }

  /** Pieces that nobody may begin yet. */
  get held(): number {
    return this.#held?.count ?? 0;
  }

  /** How many of the peers have it, without those who have all. */
  availability(piece: number): number {
    return this.#rarity.availability(piece);
  }

  get active(): IterableIterator<ActivePiece> {
    return this.#active.values();
  }

  /** Pieces that failed: none has more than one sender at a time. */
  get alone(): readonly number[] {
    return [...this.#alone];
  }

  isAlone(piece: number): boolean {
    return this.#alone.has(piece);
  }

  activePiece(piece: number): ActivePiece | undefined {
    return this.#active.get(piece);
  }

  /** Somebody reads along: asked for at each piece that is begun. */
  follow(look: () => Wanted): void {
    this.#look = look;
  }

  /** @param peer Whose it is, where that is known: then nobody else is looked at again for it. */
  onHave(piece: number, peer?: number): void {
    this.#raise(piece);
    this.lookAgain(peer);
  }

  onBitfield(pieces: PieceSet, peer?: number): void {
    for (const piece of pieces) this.#raise(piece);
    this.lookAgain(peer);
  }

  /** A peer, or any (undefined), may have something to begin with after all. */
  lookAgain(peer?: number): void {
    if (peer === undefined) this.#generation++;
    else this.#nothingFor.delete(peer);
  }

  onDontHave(piece: number): void {
    this.#lower(piece);
  }

  /** Nobody begins these before `begin` or `letGo`, as far as nobody has begun them already. */
  hold(pieces: Iterable<PieceIndex>): void {
    for (const piece of pieces) {
      if (!this.#rarity.has(piece)) continue;
      this.#held ??= this.#noneHeld();
      this.#held.add(piece);
      this.#rarity.remove(piece);
    }
  }

  isHeld(piece: number): boolean {
    return this.#held?.has(piece) === true;
  }

  /** The held piece that is wanted first of those that the peer has and the test accepts. */
  nextHeld(peer: Pick<PickerPeer, "pieces">, accepts: (piece: number) => boolean): PieceIndex | undefined {
    const held = this.#held;
    if (held === undefined || held.count === 0) return undefined;
    const isIt = (piece: number) => hasPiece(peer, piece) && accepts(piece);
    const wanted = this.#look?.();
    if (wanted === undefined) return held.first(isIt) as PieceIndex | undefined;
    for (const piece of wanted.first) if (held.has(piece) && isIt(piece)) return piece as PieceIndex;
    for (let piece = wanted.from; piece < this.#layout.pieceCount; piece++) {
      if (held.has(piece) && isIt(piece)) return piece as PieceIndex;
    }
    return held.first(isIt) as PieceIndex | undefined;
  }

  /** Begins a held piece: its blocks are for whoever comes first. */
  begin(piece: PieceIndex): ActivePiece {
    this.#held?.remove(piece);
    const active = this.#newActive(piece);
    this.#active.set(piece, active);
    this.#orphans.add(active);
    return active;
  }

  /** A held piece is missing like any other. */
  letGo(piece: PieceIndex): void {
    if (!this.isHeld(piece)) return;
    this.#held!.remove(piece);
    this.#toRarity(piece);
  }

  letGoOfAll(): void {
    const any = () => this.#held?.first(() => true) as PieceIndex | undefined;
    for (let piece = any(); piece !== undefined; piece = any()) this.letGo(piece);
  }

  /** Whether a peer found nothing to do since the last call, while pieces are held. */
  takeStarved(): boolean {
    const isStarved = this.#isStarved && this.held > 0;
    this.#isStarved = false;
    return isStarved;
  }

  /** The peer is gone, and what it had is rarer. What it was asked for is given back by `release`, before. */
  onPeerGone(peer: PickerPeer): void {
    if (peer.pieces !== undefined) { for (const piece of peer.pieces) this.#lower(piece); }
    this.disown(peer.number);
    this.#nothingFor.delete(peer.number);
  }

  /** The peer's pieces may be gone on with by others; one that must have a single sender starts anew. */
  disown(peer: number): void {
    for (const active of this.#owned.get(peer) ?? []) {
      active.owner = undefined;
      // One that came whole waits for its verdict.
      if (this.#alone.has(active.piece) && !active.isComplete) this.#toMissing(active);
      else this.#orphans.add(active);
    }
    this.#owned.delete(peer);
  }

  /** Picks up to `most` blocks for the peer. @returns How many it found. */
  pick(peer: PickerPeer, most: number, take: TakeBlock): number {
    let left = most;
    for (const active of this.#owned.get(peer.number) ?? []) left -= requestFrom(active, left, take);
    for (const active of this.#orphans) {
      if (left === 0) return most;
      if (active.free === 0 || !hasPiece(peer, active.piece)) continue;
      this.#own(active, peer.number);
      left -= requestFrom(active, left, take);
    }
    const wanted = this.#look?.();
    if (wanted !== undefined) left -= this.#pickAwaited(wanted.waitingFor, peer, left, take);
    while (left > 0) {
      const active = this.#start(peer, wanted);
      if (active === undefined) break;
      left -= requestFrom(active, left, take);
    }
    if (left > 0) left -= this.#pickShared(peer, left, take);
    if (left > 0) left -= this.#pickAgain(peer, left, take);
    if (left > 0) this.#isStarved = true;
    return most - left;
  }

  /** The peer is not going to send that block. */
  release(piece: number, block: number): void {
    this.#active.get(piece)?.release(block);
  }

  /** The piece is here and good. What was known of it on the way is nobody's from now on, and used again. */
  finish(active: ActivePiece): void {
    this.#cameMeanwhile++;
    this.#alone.delete(active.piece);
    this.#drop(active);
    if (this.#spare.length < MAX_SPARE) this.#spare.push(active);
  }

  /** The piece was bad: it is wanted again, whole and from one peer alone, so that there is no doubt who sends it. */
  restart(active: ActivePiece): void {
    this.#alone.add(active.piece);
    this.#toMissing(active);
  }

  #toMissing(active: ActivePiece): void {
    this.#drop(active);
    this.#toRarity(active.piece);
  }

  #toRarity(piece: PieceIndex): void {
    this.#rarity.add(piece);
    this.#lowest = Math.min(this.#lowest, piece);
    this.#generation++;
  }

  /** An order of its own, as rare as the other. */
  #noneHeld(): RarityOrder {
    const held = new RarityOrder(this.#layout.pieceCount, this.#random);
    for (const piece of this.#layout.pieces()) {
      held.remove(piece);
      for (let left = this.#rarity.availability(piece); left > 0; left--) held.raise(piece);
    }
    return held;
  }

  #raise(piece: number): void {
    this.#rarity.raise(piece);
    this.#held?.raise(piece);
  }

  #lower(piece: number): void {
    this.#rarity.lower(piece);
    this.#held?.lower(piece);
  }

  #drop(active: ActivePiece): void {
    this.#active.delete(active.piece);
    this.#orphans.delete(active);
    if (active.owner !== undefined) this.#owned.get(active.owner)?.delete(active);
  }

  #own(active: ActivePiece, peer: number): void {
    this.#orphans.delete(active);
    active.owner = peer;
    const owned = this.#owned.get(peer);
    if (owned === undefined) this.#owned.set(peer, new Set([active]));
    else owned.add(active);
  }

  #start(peer: PickerPeer, wanted: Wanted | undefined): ActivePiece | undefined {
    const found = wanted === undefined ? undefined : this.#findWanted(peer, wanted);
    const piece = found ?? (wanted?.isStrict === true ? undefined : this.#findSuggested(peer));
    if (piece === undefined) return undefined;
    this.#rarity.remove(piece);
    const active = this.#newActive(piece);
    this.#active.set(piece, active);
    this.#own(active, peer.number);
    return active;
  }

  /** Small pieces come and go by the ten thousand a second: what one has used, the next one uses. */
  #newActive(piece: PieceIndex): ActivePiece {
    const blockCount = this.#layout.blockCount(piece);
    const spare = this.#spare.pop();
    if (spare?.blockCount === blockCount) return spare.renew(piece);
    return new ActivePiece(piece, blockCount, { keepHashes: this.#keepHashes });
  }

  /** Of what is as rare as the rarest, what the peer suggests. */
  #findSuggested(peer: PickerPeer): PieceIndex | undefined {
    const rarest = this.#findRarest(peer);
    const { suggested } = peer;
    if (rarest === undefined || suggested === undefined) return rarest;
    for (let piece = suggested[0]; piece !== undefined; piece = suggested[0]) {
      if (
        this.#canStart(peer, piece) && this.#rarity.availability(piece) <= this.#rarity.availability(rarest)
      ) {
        return piece as PieceIndex;
      }
      suggested.shift();
    }
    return rarest;
  }

  #findRarest(peer: PickerPeer): PieceIndex | undefined {
    if (this.#nothingFor.get(peer.number) === this.#generation) return undefined;
    let isWaiting = false;
    const found = this.#rarity.first((piece) => {
      if (!hasPiece(peer, piece)) return false;
      const isReady = this.#isReady(piece as PieceIndex);
      isWaiting ||= !isReady;
      return isReady;
    });
    // Hashes come without a word to us: who only waits for one is looked at again.
    if (found === undefined && !isWaiting) this.#nothingFor.set(peer.number, this.#generation);
    return found as PieceIndex | undefined;
  }

  #findWanted(peer: PickerPeer, wanted: Wanted): PieceIndex | undefined {
    const { first, from, soonEnd, end, isStrict } = wanted;
    for (const piece of first) if (this.#canStart(peer, piece)) return piece as PieceIndex;
    const start = this.#firstMissing(from, end);
    // Who reads along with us and began when we did would want the same pieces in the same order, and never have one
    // that we lack. So where some have a part, they are asked in order, and who has everything for what is rare.
    if (peer.pieces !== undefined || !this.#rarity.hasUneven) {
      for (let piece = start; piece < soonEnd; piece++) {
        if (this.#canStart(peer, piece)) return piece as PieceIndex;
      }
    }
    const share = Math.max(LEAST_WINDOW, Math.ceil(this.#rarity.count * WINDOW_SHARE));
    const windowEnd = Math.min(end, start + Math.min(share, MAX_COMPARED));
    let rarest: number | undefined;
    for (let piece = start; piece < windowEnd; piece++) {
      if (!this.#canStart(peer, piece)) continue;
      if (rarest === undefined || this.#rarity.rank(piece) < this.#rarity.rank(rarest)) rarest = piece;
    }
    for (let piece = windowEnd; isStrict && rarest === undefined && piece < end; piece++) {
      if (this.#canStart(peer, piece)) rarest = piece;
    }
    return rarest as PieceIndex | undefined;
  }

  /** Not beyond `end`. */
  #firstMissing(from: number, end: number): number {
    this.#lowest = from < this.#readFrom ? from : Math.max(from, this.#lowest);
    this.#readFrom = from;
    while (this.#lowest < end && !this.#rarity.has(this.#lowest)) this.#lowest++;
    return this.#lowest;
  }

  #canStart(peer: PickerPeer, piece: number): boolean {
    return piece < this.#layout.pieceCount && this.#rarity.has(piece) && hasPiece(peer, piece) &&
      this.#isReady(piece as PieceIndex);
  }

  /**
   * Blocks of the piece that the reader waits for, though another peer has begun it. When every peer has brought
   * something meanwhile and that one has not, also what it is asked for already.
   */
  #pickAwaited(piece: number | undefined, peer: PickerPeer, most: number, take: TakeBlock): number {
    if (piece !== this.#awaited) this.#cameMeanwhile = 0;
    this.#awaited = piece;
    const active = piece === undefined ? undefined : this.#active.get(piece);
    if (active === undefined || this.#alone.has(active.piece) || !hasPiece(peer, active.piece)) return 0;
    const taken = requestFrom(active, most, take);
    if (this.#cameMeanwhile <= this.#owned.size) return taken;
    return taken + requestAgainFrom(active, peer, Math.min(most - taken, END_GAME_BLOCKS), take);
  }

  /** Shares of other peers' pieces, from the one with the most to do. */
  #pickShared(peer: PickerPeer, most: number, take: TakeBlock): number {
    let left = most;
    while (left > 0) {
      let busiest: ActivePiece | undefined;
      for (const active of this.#active.values()) {
        const mayShare = !this.#alone.has(active.piece) && hasPiece(peer, active.piece);
        if (mayShare && active.free > (busiest?.free ?? 0)) busiest = active;
      }
      if (busiest === undefined) break;
      left -= requestFrom(busiest, left, take);
    }
    return most - left;
  }

  /**
   * The end game: everything is asked for, so a peer with nothing to do is asked for what somebody else owes. Few
   * blocks at a time, so that little comes twice.
   */
  #pickAgain(peer: PickerPeer, most: number, take: TakeBlock): number {
    if (this.#rarity.count + this.held > 0 || peer.askedCount >= END_GAME_BLOCKS) return 0;
    let left = Math.min(most, END_GAME_BLOCKS - peer.askedCount);
    const room = left;
    for (const active of this.#active.values()) {
      if (this.#alone.has(active.piece) || !hasPiece(peer, active.piece)) continue;
      left -= requestAgainFrom(active, peer, left, take);
      if (left === 0) break;
    }
    return room - left;
  }
}

function requestFrom(active: ActivePiece, most: number, take: TakeBlock): number {
  let taken = 0;
  while (taken < most) {
    const block = active.requestNext();
    if (block === undefined) break;
    take(active.piece, block);
    taken++;
  }
  return taken;
}

/** From its end, which whoever has the piece gets to last. */
function requestAgainFrom(active: ActivePiece, peer: PickerPeer, most: number, take: TakeBlock): number {
  let taken = 0;
  for (let block = active.blockCount - 1; block >= 0 && taken < most; block--) {
    if (active.states[block] !== BLOCK_REQUESTED || active.askers[block]! >= MAX_ASKERS) continue;
    if (peer.isAskedFor(active.piece, block)) continue;
    active.requestAgain(block);
    take(active.piece, block);
    taken++;
  }
  return taken;
}

function hasPiece(peer: Pick<PickerPeer, "pieces">, piece: number): boolean {
  return peer.pieces === undefined || peer.pieces.has(piece);
}
