// What each byte of a sound LMDB file is for, and where its keys stand in their order: an account of its own, made by
// following LMDB's structs and with no line of lib/ledger, so that a test can say of a flipped bit what it must do.
// It trusts the file: it is made of what LMDB has just written.

/** What becomes of a bit that flips there. */
export const enum Use {
  /** No reader ever looks at it: free pages and room, padding, the older meta page, what older versions used. */
  None,
  /** Page headers, offsets, lengths, page numbers, records, counts: always noticed. */
  Structure,
  /** Noticed unless the key still stands between its neighbours. */
  Key,
  /** What a table holds: not the structure's business; the torrent's hashes answer for it. */
  Value,
  /** Noticed or not, for a reason that stands where it is set. */
  Either,
}

type Order = "bytes" | "reverse" | "integer";

/** A key in the order of its tree: one of a leaf, or one of a branch, between the leaves that it parts. */
interface Stand {
  readonly at: number;
  readonly length: number;
  readonly parts: boolean;
}

export class LmdbMap {
  readonly uses: Uint8Array;
  readonly pageSize: number;
  /** Pages of trees by kind, each list in the order of the walk. */
  readonly branches: number[] = [];
  readonly leaves: number[] = [];
  readonly overflows: number[] = [];
  readonly free = new Set<number>();
  readonly #view: DataView;
  readonly #orders: { order: Order; stands: Stand[] }[] = [];
  /** By byte of a key: which order, and which place in it. */
  readonly #standOf = new Map<number, { order: Order; stands: Stand[]; place: number }>();

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.uses = new Uint8Array(bytes.length);
    this.pageSize = this.#view.getUint32(40, true);
    const newer = this.#u64(152 - 8) >= this.#u64(this.pageSize + 144) ? 0 : 1;
    for (const page of [0, 1]) {
      const at = page * this.pageSize;
      // Of the flags only META's own bit is looked at.
      this.#set(at + 10, 1, Use.Either);
      this.#set(at + 16, 8, Use.Structure); // magic, version
      this.#set(at + 40, 4, Use.Structure); // page size
      // The other state may rule then: it is whole as well.
      this.#set(at + 144, 8, Use.Either);
    }
    const meta = newer * this.pageSize;
    this.#set(meta + 136, 8, Use.Structure); // last page
    this.#set(meta + 40 + 6, 42, Use.Structure);
    this.#record(meta + 88);
    this.#walk(meta + 40, "integer", "free");
    this.#walk(meta + 88, this.#orderAt(meta + 92), "main");
    for (const one of this.#orders) {
      one.stands.forEach((stand, place) => {
        for (let i = 0; i < stand.length; i++) this.#standOf.set(stand.at + i, { ...one, place });
      });
    }
  }

  /** Whether the key that this byte is of still stands in its order, in a changed copy of the file. */
  stillStands(changed: Uint8Array, at: number): boolean {
    const { order, stands, place } = this.#standOf.get(at)!;
    const key = ({ at, length }: Stand) => changed.subarray(at, at + length);
    const [before, own, after] = [stands[place - 1], stands[place]!, stands[place + 1]];
    const isAfter = before === undefined || compare(order, key(before), key(own)) < (before.parts ? 1 : 0);
    const isBefore = after === undefined || compare(order, key(own), key(after)) < (own.parts ? 1 : 0);
    return isAfter && isBefore;
  }

  /** Where the page number of a branch's child stands. */
  childrenOf(page: number): number[] {
    return this.#nodes(page);
  }

  child(node: number): number {
    return this.#u16(node) + this.#u16(node + 2) * 2 ** 16 + this.#u16(node + 4) * 2 ** 32;
  }

  /** @param what The table's name; "free" and "main" for LMDB's own. */
  #walk(record: number, order: Order, what: string): void {
    const root = this.#view.getBigUint64(record + 40, true);
    if (root === NONE) return;
    const stands: Stand[] = [];
    this.#orders.push({ order, stands });
    this.#page(Number(root), stands, what);
  }

  #page(page: number, stands: Stand[], what: string): void {
    const at = page * this.pageSize;
    this.#set(at, 8, Use.Structure);
    this.#set(at + 10, 6, Use.Structure);
    const isLeaf = this.#u16(at + 10) === 2;
    (isLeaf ? this.leaves : this.branches).push(page);
    this.#nodes(page).forEach((node, i) => {
      this.#set(at + 16 + 2 * i, 2, Use.Structure);
      this.#set(node, 8, Use.Structure);
      const keyBytes = this.#u16(node + 6);
      if (isLeaf) {
        this.#key(stands, node, false);
        this.#value(node, what);
      } else {
        // The first key of a branch stands for all that is below the second.
        if (i > 0) this.#key(stands, node, true);
        else this.#set(node + 8, keyBytes, Use.None);
        this.#page(this.child(node), stands, what);
      }
    });
  }

  #value(node: number, what: string): void {
    const keyBytes = this.#u16(node + 6);
    const at = node + 8 + keyBytes;
    const bytes = this.#u16(node) + this.#u16(node + 2) * 2 ** 16;
    const flags = this.#u16(node + 4);
    if ((flags & 1) === 0) {
      // A node is rounded up to an even length: one that is a byte longer or shorter may fill the same room.
      this.#set(node, 1, Use.Either);
      if (!SAME_LENGTH.includes(what)) this.#set(node + 6, 1, Use.Either);
      // An empty table whose record is no more marked as one leaves a plain value, as any file may have.
      if ((flags & 2) !== 0 && this.#view.getBigUint64(at + 40, true) === NONE) {
        this.#set(node + 4, 1, Use.Either);
      }
      if ((flags & 2) !== 0) this.#table(at, new TextDecoder().decode(this.#view.buffer.slice(node + 8, at)));
      else this.#valueAt(at, bytes, what);
      return;
    }
    // A shorter value would leave pages over, which LMDB allows.
    this.#set(node, 4, Use.Either);
    this.#set(at, 8, Use.Structure);
    const first = this.#u64(at);
    const head = first * this.pageSize;
    const pages = this.#view.getUint32(head + 12, true);
    this.#set(head, 8, Use.Structure);
    this.#set(head + 10, 6, Use.Structure);
    for (let page = first; page < first + pages; page++) this.overflows.push(page);
    this.#valueAt(head + 16, bytes, what);
  }

  #valueAt(at: number, bytes: number, what: string): void {
    if (what !== "free") return this.#set(at, bytes, Use.Value);
    const count = this.#u64(at);
    this.#set(at, 8 * (count + 1), Use.Structure);
    for (let i = 1; i <= count; i++) this.free.add(this.#u64(at + 8 * i));
  }

  #table(record: number, name: string): void {
    this.#record(record);
    this.#walk(record, this.#orderAt(record + 4), name);
  }

  #record(at: number): void {
    this.#set(at + 4, 44, Use.Structure);
    // Another order may be kept by the same keys.
    this.#set(at + 4, 1, Use.Either);
  }

  #orderAt(at: number): Order {
    const flags = this.#u16(at);
    return (flags & 2) !== 0 ? "reverse" : (flags & 8) !== 0 ? "integer" : "bytes";
  }

  #key(stands: Stand[], node: number, parts: boolean): void {
    const length = this.#u16(node + 6);
    stands.push({ at: node + 8, length, parts });
    this.#set(node + 8, length, Use.Key);
  }

  #nodes(page: number): number[] {
    const at = page * this.pageSize;
    const count = (this.#u16(at + 12) - 16) / 2;
    return Array.from({ length: count }, (_, i) => at + this.#u16(at + 16 + 2 * i));
  }

  #set(at: number, length: number, use: Use): void {
    this.uses.fill(use, at, at + length);
  }

  #u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  #u64(at: number): number {
    return Number(this.#view.getBigUint64(at, true));
  }
}

function compare(order: Order, a: Uint8Array, b: Uint8Array): number {
  const [left, right] = order === "bytes" ? [[...a], [...b]] : [[...a].reverse(), [...b].reverse()];
  if (order === "integer" && left.length !== right.length) return left.length - right.length;
  const place = left.findIndex((byte, i) => byte !== right[i]);
  return place < 0 ? left.length - right.length : left[place]! - (right[place] ?? -1);
}

const NONE = 2n ** 64n - 1n;
/** A ledger's tables in which a key of another length is noticed by that alone, and the free list, whose keys are numbers. */
const SAME_LENGTH = ["accounts", "blocks", "confirmation_height", "pending"];
