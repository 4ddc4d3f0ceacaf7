// Which pieces a peer has, by its own word (BEP 3, 6, 54). What it says before the metadata is known is kept as it came,
// within bounds, and read by `learn`: only then can a number or a bitfield be checked.
//
//   unread (what it said of all, haves after that) -> learn -> a set of the torrent's pieces, or all of them

import { WireFault } from "../errors.ts";
import { MAX_EARLY_HAVES, MAX_WHOLE_SETS } from "./limits.ts";
import type { PiecesChange } from "./peer_owner.ts";
import { PieceSet } from "./piece_set.ts";

export class PeerPieces {
  /** Told of each change, after it was made, once the metadata is known. */
  readonly #tell: (change: PiecesChange) => void;
  #set: PieceSet | undefined = new PieceSet(0);
  /** Of the torrent; undefined while what is said cannot be read. */
  #pieceCount: number | undefined;
  /** Said before it could be read: what all its pieces are, last (a bitfield, or that), and each that came after it. */
  #early: Uint8Array | "all" | undefined;
  #earlyHaves: number[] = [];
  #wholeSets = 0;

  constructor(tell: (change: PiecesChange) => void) {
    this.#tell = tell;
  }

  /** undefined when it has everything. Empty until it says, and until that can be read. Not to be written to. */
  get set(): PieceSet | undefined {
    return this.#set;
  }

  get isKnown(): boolean {
    return this.#pieceCount !== undefined;
  }

  get isAll(): boolean {
    return this.#set === undefined || (this.#set.size > 0 && this.#set.isFull);
  }

  /** @param piece Of any size. */
  has(piece: number): boolean {
    return this.#set === undefined || (piece < this.#set.size && this.#set.has(piece));
  }

  /** The metadata is known now: reads what was said before. @throws {WireFault} When that fits no such torrent. */
  learn(pieceCount: number): void {
    if (this.isKnown) return;
    this.#pieceCount = pieceCount;
    this.#set = new PieceSet(pieceCount);
    const [early, haves] = [this.#early, this.#earlyHaves];
    this.#early = undefined;
    this.#earlyHaves = [];
    if (early === "all") this.onHaveAll();
    else if (early !== undefined) this.onBitfield(early);
    for (const piece of haves) this.onHave(piece);
  }

  /** @throws {WireFault} When there is no such piece, or nobody gains so many in so short a time. */
  onHave(piece: number): void {
    const count = this.#pieceCount;
    if (count === undefined) {
      if (this.#earlyHaves.length >= MAX_EARLY_HAVES) throw new WireFault("BEP 3", "too many haves");
      this.#earlyHaves.push(piece);
      return;
    }
    if (piece >= count) throw new WireFault("BEP 3", `have for piece ${piece} of ${count}`);
    if (this.#set?.add(piece) === true) this.#tell({ kind: "have", piece });
  }

  /** @param bits Copied when it is kept. @throws {WireFault} As `onHaveAll`, and when it is of another length. */
  onBitfield(bits: Uint8Array): void {
    if (this.#pieceCount === undefined) return this.#keepEarly(bits.slice());
    const pieces = PieceSet.parse(bits, this.#pieceCount);
    this.#replace(pieces.isFull ? undefined : pieces);
  }

  /** @throws {WireFault} When it says again and again what all its pieces are. */
  onHaveAll(): void {
    if (this.#pieceCount === undefined) this.#keepEarly("all");
    else this.#replace(undefined);
  }

  /** @throws {WireFault} As `onHaveAll`. */
  onHaveNone(): void {
    if (this.#pieceCount === undefined) this.#keepEarly(undefined);
    else this.#replace(new PieceSet(this.#pieceCount));
  }

  /** It has lost one, of any number. @throws {WireFault} As `onHaveAll`, when it had everything. */
  onDontHave(piece: number): void {
    const count = this.#pieceCount;
    if (count === undefined || piece >= count) return;
    if (this.#set === undefined) {
      const all = new PieceSet(count);
      all.fill();
      all.delete(piece);
      this.#replace(all);
    } else if (this.#set.delete(piece)) {
      this.#tell({ kind: "dont-have", piece });
    }
  }

  #keepEarly(whole: Uint8Array | "all" | undefined): void {
    this.#early = whole;
    this.#earlyHaves = [];
  }

  #replace(pieces: PieceSet | undefined): void {
    if (++this.#wholeSets > MAX_WHOLE_SETS) {
      throw new WireFault("BEP 6", "says again and again what all its pieces are");
    }
    const before = this.#set;
    this.#set = pieces;
    this.#tell({ kind: "all", before });
  }
}
