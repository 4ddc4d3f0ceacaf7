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
// wants comes before the rarest, and the piece that it waits for is shared at once. Which missing piece is begun next is
// missing_pieces.ts's.

import { ActivePiece, BLOCK_REQUESTED } from "./active_piece.ts";
import type { Layout, PieceIndex } from "./layout.ts";
import { hasPiece, MissingPieces, type PieceHolder } from "./missing_pieces.ts";
import type { PieceSet } from "./piece_set.ts";
import type { Wanted } from "./read_window.ts";

/** What the picker must know of a peer. */
export interface PickerPeer extends PieceHolder {
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

/** All pieces of one torrent that are not here yet. Told of what peers have, it finds each of them blocks to send. */
export class Picker {
  readonly #layout: Layout;
  readonly #missing: MissingPieces;
  readonly #active = new Map<number, ActivePiece>();
  /** Active pieces by the peer that has them to itself. */
  readonly #owned = new Map<number, Set<ActivePiece>>();
  /** Active pieces whose peer is gone. */
  readonly #orphans = new Set<ActivePiece>();
  /** Whether a peer found nothing to do while pieces were held. */
  #isStarved = false;
  /** Pieces that failed: fetched again from one peer alone. */
  readonly #alone = new Set<number>();
  readonly #keepHashes: boolean;
  readonly #spare: ActivePiece[] = [];
  #look: (() => Wanted) | undefined;
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
    this.#keepHashes = options.keepHashes;
    this.#missing = new MissingPieces(options);
  }

  /** Pieces that nobody is asked for, without those that are held. */
  get missing(): number {
    return this.#missing.count;
  }

  /** Pieces that nobody may begin yet. */
  get held(): number {
    return this.#missing.heldCount;
  }

  /** How many of the peers have it, without those who have all. */
  availability(piece: number): number {
    return this.#missing.availability(piece);
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
    this.#missing.raise(piece);
    this.#missing.lookAgain(peer);
  }

  onBitfield(pieces: PieceSet, peer?: number): void {
    for (const piece of pieces) this.#missing.raise(piece);
    this.#missing.lookAgain(peer);
  }

  /** A peer, or any (undefined), may have something to begin with after all. */
  lookAgain(peer?: number): void {
    this.#missing.lookAgain(peer);
  }

  onDontHave(piece: number): void {
    this.#missing.lower(piece);
  }

  /** Nobody begins these before `begin` or `letGo`, as far as nobody has begun them already. */
  hold(pieces: Iterable<PieceIndex>): void {
    for (const piece of pieces) this.#missing.hold(piece);
  }

  isHeld(piece: number): boolean {
    return this.#missing.isHeld(piece);
  }

  /** The held piece that is wanted first of those that the peer has and the test accepts. */
  nextHeld(peer: Pick<PickerPeer, "pieces">, accepts: (piece: number) => boolean): PieceIndex | undefined {
    return this.#missing.nextHeld(peer, this.#look, accepts);
  }

  /** Begins a held piece: its blocks are for whoever comes first. */
  begin(piece: PieceIndex): ActivePiece {
    this.#missing.takeHeld(piece);
    const active = this.#newActive(piece);
    this.#active.set(piece, active);
    this.#orphans.add(active);
    return active;
  }

  /** A held piece is missing like any other. */
  letGo(piece: PieceIndex): void {
    this.#missing.letGo(piece);
  }

  letGoOfAll(): void {
    this.#missing.letGoOfAll();
  }

  /** Whether a peer found nothing to do since the last call, while pieces are held. */
  takeStarved(): boolean {
    const isStarved = this.#isStarved && this.held > 0;
    this.#isStarved = false;
    return isStarved;
  }

  /** The peer is gone, and what it had is rarer. What it was asked for is given back by `release`, before. */
  onPeerGone(peer: PickerPeer): void {
    if (peer.pieces !== undefined) { for (const piece of peer.pieces) this.#missing.lower(piece); }
    this.disown(peer.number);
    this.#missing.lookAgain(peer.number);
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
    const stride = {
      run: this.#missing.runOf(peer.runBytes ?? 0),
      before: undefined as PieceIndex | undefined,
    };
    while (left > 0) {
      const piece = stride.before = this.#missing.take(peer, wanted, stride);
      if (piece === undefined) break;
      const active = this.#newActive(piece);
      this.#active.set(piece, active);
      this.#own(active, peer.number);
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
    this.#missing.add(active.piece);
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

  /** Small pieces come and go by the ten thousand a second: what one has used, the next one uses. */
  #newActive(piece: PieceIndex): ActivePiece {
    const blockCount = this.#layout.blockCount(piece);
    const spare = this.#spare.pop();
    if (spare?.blockCount === blockCount) return spare.renew(piece);
    return new ActivePiece(piece, blockCount, { keepHashes: this.#keepHashes });
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
    if (this.#missing.count + this.#missing.heldCount > 0 || peer.askedCount >= END_GAME_BLOCKS) return 0;
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
