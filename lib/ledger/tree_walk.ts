// Walks a tree's branch pages from the root: each is checked, its keys against those that lead to it, and each leaf
// below gets its mark for the scan (leaf_scan.ts). The two trees that must be known first, the tables' names and the
// free list, have their leaves looked at here. Nothing calls itself: the way is a list, and a page that has been
// reached is never gone to again, so that no file can make it long.

import { compareKeys, type KeyOrder, orderOf } from "./key_order.ts";
import { type ExaminedFile, FREE_LIST, MAIN } from "./examined_file.ts";
import { BRANCH, LEAF, MAX_DEPTH, VALUE_IS_TABLE, VALUE_ON_OVERFLOW } from "./lmdb_format.ts";
import { FIRST_TABLE, NO_BOUNDS, WORDS } from "./page_marks.ts";
import { PageView } from "./page_view.ts";

/** A page and what hangs on it. Plain data: it travels between threads. */
export interface Subtree {
  readonly table: number;
  readonly page: number;
  /** 1 is the root. */
  readonly level: number;
  /** No key is below this one; undefined at the tree's left side. */
  readonly low: Uint8Array | undefined;
  /** Every key is below this one; undefined at the tree's right side. */
  readonly high: Uint8Array | undefined;
}

/** Takes a leaf of a tree whose leaves are looked at in the walk. The view is good until it returns. */
export type OnLeaf = (view: PageView, page: number) => void;

/** Where the walk of a table begins: nowhere when it is empty, or deeper than LMDB can make it. */
export function rootOf(examined: ExaminedFile, table: number): Subtree[] {
  const { depth, root } = examined.tables[table]!.record;
  if (root === undefined && depth === 0) return [];
  if (root !== undefined && depth >= 1 && depth <= MAX_DEPTH) {
    return [{ table, page: root, level: 1, low: undefined, high: undefined }];
  }
  examined.problem(
    table,
    undefined,
    `it has ${root === undefined ? "no root" : "a root"} and claims ${depth} levels`,
  );
  return [];
}

export class TreeWalk {
  readonly #examined: ExaminedFile;
  readonly #view: PageView;
  /** Means nothing: what is read only to have it near must go somewhere, or it is not read. */
  #readAhead = 0;

  constructor(examined: ExaminedFile) {
    this.#examined = examined;
    this.#view = new PageView(examined.meta.pageSize, 1);
  }

  /** All of it. */
  walk(from: Subtree, onLeaf?: OnLeaf): void {
    const way = [from];
    for (let next = way.pop(); next !== undefined; next = way.pop()) {
      const below = this.visit(next, onLeaf);
      // From the lowest page up: a disk likes that.
      below.sort((a, b) => b.page - a.page);
      for (const one of below) way.push(one);
    }
  }

  /**
   * One page of it.
   *
   * @param onLeaf Without it leaves are marked and not read.
   * @returns What is below and not marked yet.
   */
  visit(at: Subtree, onLeaf?: OnLeaf): Subtree[] {
    const { table, page, level } = at;
    const { record } = this.#examined.tables[table]!;
    const isLeaf = level === record.depth;
    if (isLeaf && onLeaf === undefined) {
      // The root itself: to others leads a branch, which marks them all.
      this.#mark(table, page, NO_BOUNDS, 0);
      return [];
    }
    if (!this.#check(at, isLeaf, orderOf(record.flags))) return [];
    const tally = this.#examined.findings.tallies[table]!;
    if (isLeaf) {
      tally.leafPages++;
      tally.entries += this.#view.count;
      onLeaf!(this.#view, page);
      return [];
    }
    tally.branchPages++;
    if (onLeaf === undefined && level === record.depth - 1) {
      this.#markLeaves(at);
      return [];
    }
    return this.#children(at);
  }

  #check(at: Subtree, isLeaf: boolean, order: KeyOrder): boolean {
    const { table, page } = at;
    const view = this.#view;
    if (!this.#examined.reach(table, page) || !this.#examined.read(table, page, view.bytes)) return false;
    const kind = isLeaf ? LEAF : BRANCH;
    const valueFlags = table === MAIN ? VALUE_ON_OVERFLOW | VALUE_IS_TABLE : VALUE_ON_OVERFLOW;
    const fault = view.check(0, { number: page, kind, order, valueFlags }) ?? this.#misfit(at, isLeaf, order);
    if (fault !== undefined) this.#examined.problem(table, page, `page ${page} ${fault}`);
    return fault === undefined;
  }

  /** What is wrong between the page and its tree. */
  #misfit({ table, low, high }: Subtree, isLeaf: boolean, order: KeyOrder): string | undefined {
    const view = this.#view;
    // While LMDB writes its free list, pages of that may become emptier than those of others.
    const least = table === FREE_LIST ? (isLeaf ? 0 : 1) : isLeaf ? 1 : 2;
    if (view.count < least) return `has only ${view.count} nodes`;
    // The first key of a branch is never looked at: it stands for all that is below the second.
    const first = isLeaf ? 0 : 1;
    if (view.count <= first) return undefined;
    if (low !== undefined) {
      const side = compareKeys(order, view.key(first), low);
      if (side < 0 || (side === 0 && !isLeaf)) return "has keys that belong before it";
    }
    if (high !== undefined && compareKeys(order, view.key(view.count - 1), high) >= 0) {
      return "has keys that belong after it";
    }
    return undefined;
  }

  #children({ table, level, low, high }: Subtree): Subtree[] {
    const view = this.#view;
    const children: Subtree[] = [];
    let from = low;
    for (let i = 0; i < view.count; i++) {
      const to = i + 1 < view.count ? view.key(i + 1).slice() : high;
      children.push({ table, page: view.child(i), level: level + 1, low: from, high: to });
      from = to;
    }
    return children;
  }

  /** The children of a branch page whose children are leaves, without an object for each. */
  #markLeaves({ table, low, high }: Subtree): void {
    const view = this.#view;
    const { marks } = this.#examined;
    view.readBranch(low, high);
    const { children, bounds, count } = view;
    // They lie anywhere: looking at all of them first waits for memory once, not for each.
    for (let i = 0; i < count; i++) this.#readAhead |= marks.markOf(children[i]!);
    for (let i = 0; i < count; i++) this.#mark(table, children[i]!, bounds, WORDS * i);
  }

  #mark(table: number, page: number, bounds: Int32Array, from: number): void {
    const examined = this.#examined;
    if (!examined.isThere(table, page)) return;
    const before = examined.marks.claimLeaf(page, FIRST_TABLE + table, bounds, from);
    if (before !== 0) examined.reachedBefore(table, page, before);
  }
}
