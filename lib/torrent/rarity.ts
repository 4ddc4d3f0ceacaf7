// The pieces that nobody is asked for yet, rarest first. They lie in one array, grouped by how many peers have them;
// a piece that one more peer has changes places with the last of its group, and the group's border moves by one.
// So a `have` costs the same for 100 pieces as for two million. Within a group the order is random.
//
// Peers that have everything are not counted: they shift every piece alike.

export class RarityOrder {
  readonly #order: Uint32Array;
  /** Where a piece lies in `#order`. */
  readonly #position: Uint32Array;
  readonly #availability: Uint16Array;
  /** `#ends[n]`: where the group with availability n ends. */
  readonly #ends: number[] = [];
  #count: number;

  /** All pieces, in random order, nobody has any. @param random 0 up to but not 1. */
  constructor(pieceCount: number, random: () => number) {
    this.#count = pieceCount;
    this.#order = new Uint32Array(pieceCount);
    for (let piece = 0; piece < pieceCount; piece++) this.#order[piece] = piece;
    this.#availability = new Uint16Array(pieceCount);
    for (let i = pieceCount - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      const piece = this.#order[i]!;
      this.#order[i] = this.#order[j]!;
      this.#order[j] = piece;
    }
    this.#position = new Uint32Array(pieceCount);
    for (let i = 0; i < pieceCount; i++) this.#position[this.#order[i]!] = i;
    this.#ends.push(pieceCount);
  }

  /** How many pieces lie in the order. */
  get count(): number {
    return this.#count;
  }

  has(piece: number): boolean {
    return this.#position[piece]! < this.#count && this.#order[this.#position[piece]!] === piece;
  }

  /** Its place in the order: the lower, the rarer. */
  rank(piece: number): number {
    return this.#position[piece]!;
  }

  /** Whether pieces differ in how many have them: who has only a part of all is here, or was. */
  get hasUneven(): boolean {
    return this.#ends.length > 1;
  }

  availability(piece: number): number {
    return this.#availability[piece]!;
  }

  /** The first piece in the order that the test accepts. */
  first(accepts: (piece: number) => boolean): number | undefined {
    for (let i = 0; i < this.#count; i++) {
      const piece = this.#order[i]!;
      if (accepts(piece)) return piece;
    }
    return undefined;
  }

  /** One more peer has it. */
  raise(piece: number): void {
    const group = this.#availability[piece]!;
    if (this.has(piece)) {
      this.#group(group + 1);
      this.#toEndOf(piece, group);
    }
    this.#availability[piece] = group + 1;
  }

  /** One peer fewer has it. */
  lower(piece: number): void {
    const group = this.#availability[piece]!;
    if (group === 0) throw new RangeError(`piece ${piece} is had by nobody`);
    if (this.has(piece)) this.#toStartOf(piece, group);
    this.#availability[piece] = group - 1;
  }

  /** It is asked for, or here: it leaves the order. */
  remove(piece: number): void {
    if (!this.has(piece)) return;
    for (let group = this.#availability[piece]!; group < this.#ends.length; group++) {
      this.#toEndOf(piece, group);
    }
    this.#count--;
  }

  /** It is wanted again. */
  add(piece: number): void {
    if (this.has(piece)) return;
    this.#group(this.#availability[piece]!);
    this.#swap(this.#position[piece]!, this.#count);
    this.#count++;
    this.#ends[this.#ends.length - 1] = this.#count;
    for (let group = this.#ends.length - 1; group > this.#availability[piece]!; group--) {
      this.#toStartOf(piece, group);
    }
  }

  /** Makes sure that the group exists. */
  #group(group: number): void {
    while (this.#ends.length <= group) this.#ends.push(this.#count);
  }

  /** Out of its group at the end, so that it is the first of the next. */
  #toEndOf(piece: number, group: number): void {
    this.#swap(this.#position[piece]!, --this.#ends[group]!);
  }

  /** Out of its group at the start, so that it is the last of the one before. */
  #toStartOf(piece: number, group: number): void {
    this.#swap(this.#position[piece]!, this.#ends[group - 1]!++);
  }

  #swap(i: number, j: number): void {
    const a = this.#order[i]!;
    const b = this.#order[j]!;
    this.#order[i] = b;
    this.#order[j] = a;
    this.#position[b] = i;
    this.#position[a] = j;
  }
}
