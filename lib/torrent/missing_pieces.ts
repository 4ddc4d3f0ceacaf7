// Pieces that nobody has begun, and which of them a peer begins: what a reader's window wants, else what the peer
// suggests of the rarest, else the rarest. A piece is missing, held back, or neither: then it is begun, or here.
// Pieces so short that a peer brings several of them in no time are begun in runs of neighbours that are equally rare:
// what lies side by side is written in one call.
//
//   held -> missing -> begun      held ones are begun as well, by whoever held them back
//              ^_________|        it was bad, or its only sender is gone
//
// No piece is found for a peer that has not got it, nor one that could not be checked. Its blocks are picker.ts's.

import type { Layout, PieceIndex } from "./layout.ts";
import type { PieceSet } from "./piece_set.ts";
import { RarityOrder } from "./rarity.ts";
import type { Wanted } from "./read_window.ts";

/** What the choice must know of a peer. */
export interface PieceHolder {
  /** Its number: small, never used twice. */
  readonly number: number;
  /** What it has; undefined when it has everything. */
  readonly pieces: PieceSet | undefined;
  /** What it would like to send, the oldest first; numbers of any size. What is of no use is taken away. */
  readonly suggested?: number[];
  /** How much it is to be asked for side by side, be it several pieces; 0 where not said. */
  readonly runBytes?: number;
}

/** How a peer goes through short pieces. */
export interface Stride {
  /** Pieces in a run: a power of two, so that shorter runs fit into longer ones. */
  readonly run: number;
  /** What it has begun just now, if anything. */
  readonly before: PieceIndex | undefined;
}

const ONE: Stride = { run: 1, before: undefined };

/** Pieces of a window that are compared by rarity: with tiny pieces a window has many. */
const MAX_COMPARED = 256;
/** A window is no larger than this share of what is missing, so that it closes towards the end. */
const WINDOW_SHARE = 1 / 4;
const LEAST_WINDOW = 4;

/** Two orders by rarity: of the missing pieces and of the held ones. */
export class MissingPieces {
  readonly #layout: Layout;
  readonly #rarity: RarityOrder;
  /** Pieces of which somebody still looks whether parts of them are here; undefined where nobody ever did. */
  #held: RarityOrder | undefined;
  readonly #random: () => number;
  readonly #isReady: (piece: PieceIndex) => boolean;
  /** Peers that have no missing piece to begin with, and the generation in which that was found out. */
  readonly #nothingFor = new Map<number, number>();
  /** Grows with whatever may give such a peer something to do. */
  #generation = 0;
  /** Where the reader was, and the first piece from there on that may be missing. */
  #readFrom = 0;
  #lowest = 0;

  /**
   * @param options.here Pieces that are not missing.
   * @param options.isReady Whether a piece can be checked once it is here; others are not begun.
   */
  constructor(options: {
    readonly layout: Layout;
    readonly here: PieceSet;
    readonly random: () => number;
    readonly isReady: (piece: PieceIndex) => boolean;
  }) {
    this.#layout = options.layout;
    this.#isReady = options.isReady;
    this.#random = options.random;
    this.#rarity = new RarityOrder(options.layout.pieceCount, options.random);
    for (const piece of options.here) this.#rarity.remove(piece);
  }

  /** Without those that are held. */
  get count(): number {
    return this.#rarity.count;
  }

  /** Pieces that no peer may begin yet. */
  get heldCount(): number {
    return this.#held?.count ?? 0;
  }

  /** How many of the peers have it, without those who have all. */
  availability(piece: number): number {
    return this.#rarity.availability(piece);
  }

  /** One more peer has it. */
  raise(piece: number): void {
    this.#rarity.raise(piece);
    this.#held?.raise(piece);
  }

  /** One peer fewer has it. */
  lower(piece: number): void {
    this.#rarity.lower(piece);
    this.#held?.lower(piece);
  }

  /** A peer, or any (undefined), may have something to begin with after all. */
  lookAgain(peer?: number): void {
    if (peer === undefined) this.#generation++;
    else this.#nothingFor.delete(peer);
  }

  /**
   * The piece that the peer begins now: it is not missing any more. Undefined when there is none for it.
   *
   * @param stride Where nobody reads along: neighbours that are as rare as what is chosen are begun one by one.
   */
  take(peer: PieceHolder, wanted: Wanted | undefined, stride: Stride = ONE): PieceIndex | undefined {
    const found = wanted === undefined ? this.#findNext(peer, stride) : this.#findWanted(peer, wanted);
    const piece = found ??
      (wanted?.isStrict === true ? undefined : this.#findRunStart(peer, wanted === undefined ? stride : ONE));
    if (piece !== undefined) this.#rarity.remove(piece);
    return piece;
  }

  /** How many pieces make a run of so many bytes. */
  runOf(bytes: number): number {
    return 2 ** Math.max(0, Math.floor(Math.log2(bytes / this.#layout.pieceLength)));
  }

  /** A piece that was begun is missing again. */
  add(piece: PieceIndex): void {
    this.#rarity.add(piece);
    this.#lowest = Math.min(this.#lowest, piece);
    this.#generation++;
  }

  /** No peer begins it before `letGo`. Nothing happens when it is not missing. */
  hold(piece: PieceIndex): void {
    if (!this.#rarity.has(piece)) return;
    this.#held ??= this.#noneHeld();
    this.#held.add(piece);
    this.#rarity.remove(piece);
  }

  isHeld(piece: number): boolean {
    return this.#held?.has(piece) === true;
  }

  /**
   * The held piece that is wanted first of those that the peer has and the test accepts.
   *
   * @param look What a reader wants, where there is one: asked for when anything is held.
   */
  nextHeld(
    peer: Pick<PieceHolder, "pieces">,
    look: (() => Wanted) | undefined,
    accepts: (piece: number) => boolean,
  ): PieceIndex | undefined {
    const held = this.#held;
    if (held === undefined || held.count === 0) return undefined;
    const isIt = (piece: number) => hasPiece(peer, piece) && accepts(piece);
    const wanted = look?.();
    if (wanted === undefined) return held.first(isIt) as PieceIndex | undefined;
    for (const piece of wanted.first) if (held.has(piece) && isIt(piece)) return piece as PieceIndex;
    for (let piece = wanted.from; piece < this.#layout.pieceCount; piece++) {
      if (held.has(piece) && isIt(piece)) return piece as PieceIndex;
    }
    return held.first(isIt) as PieceIndex | undefined;
  }

  /** Whoever held it begins it. */
  takeHeld(piece: PieceIndex): void {
    this.#held?.remove(piece);
  }

  /** A held piece is missing like any other. */
  letGo(piece: PieceIndex): void {
    if (!this.isHeld(piece)) return;
    this.#held!.remove(piece);
    this.add(piece);
  }

  letGoOfAll(): void {
    const any = () => this.#held?.first(() => true) as PieceIndex | undefined;
    for (let piece = any(); piece !== undefined; piece = any()) this.letGo(piece);
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

  /** Where the run of what was begun goes on. Runs end at multiples of their length, so that they leave no scraps. */
  #findNext(peer: PieceHolder, { run, before }: Stride): PieceIndex | undefined {
    if (before === undefined) return undefined;
    const next = before + 1;
    return next % run !== 0 && this.#isAlike(peer, next, before) ? next as PieceIndex : undefined;
  }

  /** The first of the run in which the chosen piece lies. */
  #findRunStart(peer: PieceHolder, { run }: Stride): PieceIndex | undefined {
    const chosen = this.#findSuggested(peer);
    if (chosen === undefined) return undefined;
    let first: number = chosen;
    while (first % run !== 0 && this.#isAlike(peer, first - 1, chosen)) first--;
    return first as PieceIndex;
  }

  /** Whether the peer may begin it, and it is as rare as the other. */
  #isAlike(peer: PieceHolder, piece: number, other: number): boolean {
    return this.#canStart(peer, piece) &&
      this.#rarity.availability(piece) === this.#rarity.availability(other);
  }

  /** Of what is as rare as the rarest, what the peer suggests. */
  #findSuggested(peer: PieceHolder): PieceIndex | undefined {
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

  #findRarest(peer: PieceHolder): PieceIndex | undefined {
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

  #findWanted(peer: PieceHolder, wanted: Wanted): PieceIndex | undefined {
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

  #canStart(peer: PieceHolder, piece: number): boolean {
    return piece < this.#layout.pieceCount && this.#rarity.has(piece) && hasPiece(peer, piece) &&
      this.#isReady(piece as PieceIndex);
  }
}

/** Whether the peer has it. */
export function hasPiece(peer: Pick<PieceHolder, "pieces">, piece: number): boolean {
  return peer.pieces === undefined || peer.pieces.has(piece);
}
