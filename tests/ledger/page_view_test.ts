import assert from "node:assert/strict";
import { compareBytes, utf8 } from "../../lib/bytes.ts";
import { chanceFrom } from "../../lib/chance.ts";
import { BRANCH, LEAF } from "../../lib/ledger/lmdb_format.ts";
import { type PageNeed, PageView } from "../../lib/ledger/page_view.ts";
import { branchPage, leafPage, PAGE } from "./lmdb_builder.ts";

const NEED: PageNeed = { number: 7, kind: LEAF, order: "bytes", valueFlags: 1 };

Deno.test("check() takes a sound page of any size, and then its nodes can be asked for", () => {
  for (const size of [512, 4096, 1 << 15]) {
    const view = new PageView(size, 2);
    const nodes = [
      { key: utf8("a"), data: utf8("one") },
      { key: utf8("bb"), data: new Uint8Array(8).fill(5), flags: 1 },
      { key: utf8("c"), data: new Uint8Array(size / 2) },
    ];
    view.bytes.set(leafPage(7, nodes, size), size);
    assert.equal(view.check(1, NEED), undefined);
    assert.equal(view.count, 3);
    assert.ok(view.hasOverflow);
    nodes.forEach(({ key, data, flags = 0 }, i) => {
      assert.deepEqual(view.key(i), key);
      assert.equal(view.valueFlags(i), flags);
      assert.equal(view.valueLength(i), data.length);
      assert.deepEqual(view.bytes.slice(view.valueAt(i), view.valueAt(i) + data.length), data);
    });
    assert.equal(view.check(0, NEED), "is numbered 0");
  }
});

Deno.test("check() reads numbers of pages above 2^32, in headers and in branches", () => {
  const page = 2 ** 33 + 5;
  const view = new PageView(PAGE, 1);
  view.bytes.set(branchPage(page, [{ key: utf8(""), data: 3 }, { key: utf8("m"), data: 4, flags: 2 }]));
  assert.equal(view.check(0, { ...NEED, number: page, kind: BRANCH }), undefined);
  assert.deepEqual([view.child(0), view.child(1)], [3, 4 + 2 * 2 ** 32]);
});

Deno.test("check() compares keys in the order that is asked for", () => {
  const check = (keys: string[], order: PageNeed["order"]) =>
    checked(leafPage(7, keys.map((key) => ({ key: utf8(key), data: utf8("x") }))), { ...NEED, order });
  const wrong = "has keys that are not in order";
  for (
    const keys of [["a", "b"], ["", "a"], ["a", "ab"], ["abc", "abd"], ["ab", "abc"], ["abc", "abcd"], [
      "ba",
      "bb",
    ]]
  ) {
    assert.equal(check(keys, "bytes"), undefined, keys.join());
    assert.equal(check(keys.toReversed(), "bytes"), wrong, keys.join());
    assert.equal(check([keys[0]!, keys[0]!], "bytes"), wrong, keys.join());
  }
  assert.equal(check(["zza", "aab"], "reverse"), undefined);
  assert.equal(check(["aab", "zza"], "reverse"), wrong);
});

Deno.test("check() does not look at the first key of a branch", () => {
  const page = branchPage(7, [{ key: utf8("z"), data: 3 }, { key: utf8("a"), data: 4 }]);
  assert.equal(checked(page, { ...NEED, kind: BRANCH }), undefined);
});

Deno.test("check() refuses what is no such page", () => {
  const sound = leafPage(7, [{ key: utf8("a"), data: utf8("xy") }, { key: utf8("b"), data: utf8("z") }]);
  const first = new DataView(sound.buffer).getUint16(16, true);
  const cases: [at: number, u16: number, why: RegExp][] = [
    [0, 8, /^is numbered 8$/],
    [2, 1, /^is numbered 65543$/],
    [6, 1, /^is numbered/],
    [10, 1, /^is a branch, not a leaf$/],
    [10, 4, /^is an overflow page/],
    [10, 0x22, /^is a leaf of duplicates/],
    [10, 0x12, /^is of unknown kind 18/],
    [12, 14, /^has free room from 14/],
    [12, 19, /free room/],
    [12, PAGE, /free room/],
    [14, PAGE + 2, /free room/],
    [14, 18, /free room/],
    [14, PAGE - 21, /free room/],
    [12, 18, /nodes that overlap/], // one node less
    [14, PAGE - 40, /nodes that overlap/], // a gap before the first
    [16, first + 2, /nodes that overlap/],
    [16, first + 1, /nodes that overlap/],
    [16, PAGE - 4, /nodes that overlap/],
    [16, 0xfffe, /nodes that overlap/],
    [18, first, /nodes that overlap/], // two offsets to one node
    [first, 5, /nodes that overlap/],
    [first + 2, 1, /nodes that overlap/],
    [first + 4, 1, /nodes that overlap/],
    [first + 4, 2, /nodes that overlap/], // a flag that is not allowed here
    [first + 6, 0xffff, /nodes that overlap/],
  ];
  assert.equal(checked(sound, NEED), undefined);
  for (const [at, value, why] of cases) {
    const page = sound.slice();
    new DataView(page.buffer).setUint16(at, value, true);
    assert.match(checked(page, NEED) ?? "", why, `${value} at ${at}`);
  }
});

Deno.test("check() compares long keys to their last byte, which is a number without sign", () => {
  const order = (a: Uint8Array, b: Uint8Array) =>
    checked(leafPage(7, [{ key: a, data: utf8("x") }, { key: b, data: utf8("x") }]), NEED);
  for (const length of [8, 9, 15, 16, 17, 32, 33, 64]) {
    const key = Uint8Array.from({ length }, (_, i) => 0x70 + i);
    for (let i = 0; i < length; i++) {
      // What comes after it must not count.
      const [less, more] = [key.slice().fill(0xff, i), key.slice().fill(0, i)];
      [less[i], more[i]] = [0x7f, 0x80];
      assert.equal(order(less, more), undefined, `byte ${i} of ${length}`);
      assert.equal(order(more, less), "has keys that are not in order", `byte ${i} of ${length}`);
      assert.equal(order(key.slice(0, i), key), undefined, `${i} of ${length} bytes`);
      assert.equal(order(key, key.slice(0, i)), "has keys that are not in order", `${i} of ${length} bytes`);
    }
  }
});

Deno.test("check() and the ends that it tells depend on no byte beside the page", () => {
  const view = new PageView(PAGE, 3);
  const told = [0, 0xff].flatMap((around) =>
    ["", "a", "ab", "abc", "abcd"].map((key) => {
      view.bytes.fill(around);
      // No value: the last key ends where the page does, or a byte before.
      view.bytes.set(
        leafPage(7, [{ key: utf8(key), data: utf8("") }, { key: utf8(`${key}b`), data: utf8("") }]),
        PAGE,
      );
      assert.equal(view.check(1, NEED), undefined);
      const { firstPrefix, firstFifth, firstHash, lastPrefix, lastFifth } = view;
      return [firstPrefix, firstFifth, firstHash, lastPrefix, lastFifth].join();
    })
  );
  assert.deepEqual(told.slice(0, 5), told.slice(5));
});

Deno.test("check() refuses lengths that would make a sound page where they wrapped around at 2^32", () => {
  for (const [room, keyBytes, value] of [[12, 5, 2 ** 32 - 1], [12, 6, 2 ** 32 - 2], [8, 1, 2 ** 32 - 1]]) {
    const page = leafPage(7, [{ key: new Uint8Array(room! - 8), data: utf8("") }]);
    assert.equal(checked(page, NEED), undefined);
    const view = new DataView(page.buffer);
    view.setUint32(PAGE - room!, value!, true);
    view.setUint16(PAGE - room! + 6, keyBytes!, true);
    assert.equal(checked(page, NEED), "has nodes that overlap, leave gaps or lie outside of it");
  }
});

Deno.test("check() refuses a node at an odd place, though it fits there and its padding is what fills it", () => {
  const page = leafPage(7, [{ key: utf8("a"), data: utf8("xyz!") }, { key: utf8("b"), data: utf8("xy") }]);
  assert.equal(checked(page, NEED), undefined);
  const view = new DataView(page.buffer);
  const at = view.getUint16(18, true);
  page.copyWithin(at + 1, at, at + 11);
  view.setUint16(18, at + 1, true);
  assert.equal(checked(page, NEED), "has nodes that overlap, leave gaps or lie outside of it");
});

Deno.test("check() finds a branch's node twice inside another's key, where no place tells of it", () => {
  const inner = new Uint8Array([3, 0, 0, 0, 0, 0, 2, 0, 0x61, 0x61]);
  const page = branchPage(7, [{ key: new Uint8Array([0x62, 0x62, ...inner]), data: 4 }]);
  const view = new DataView(page.buffer);
  const outer = view.getUint16(16, true);
  [22, outer].forEach((word, i) => view.setUint16(12 + 2 * i, word, true));
  [outer + 10, outer + 10, outer].forEach((begin, i) => view.setUint16(16 + 2 * i, begin, true));
  assert.equal(
    checked(page, { ...NEED, kind: BRANCH }),
    "has nodes that overlap, leave gaps or lie outside of it",
  );
});

Deno.test("check() looks for no node behind the page, whatever lengths and empty pages say", () => {
  const size = 1 << 15;
  const long = leafPage(7, [{ key: utf8("a"), data: utf8("") }], size);
  new DataView(long.buffer).setUint16(size - 10 + 6, 0xffff, true);
  assert.equal(checked(long, NEED), "has nodes that overlap, leave gaps or lie outside of it");
  for (const bytes of [PAGE, size]) {
    const empty = leafPage(7, [], bytes).fill(0xff, 16);
    assert.equal(checked(empty, NEED), undefined);
  }
});

Deno.test("keyBytes is the length of all keys that count, and -1 where they differ or are in another order", () => {
  const lengthOf = (keys: string[], need: Partial<PageNeed> = {}) => {
    const nodes = keys.map((key) => ({ key: utf8(key), data: need.kind === BRANCH ? 3 : utf8("x") }));
    const page = need.kind === BRANCH ? branchPage(7, nodes) : leafPage(7, nodes);
    assert.equal(checked(page, { ...NEED, ...need }), undefined);
    return VIEW.keyBytes;
  };
  assert.equal(lengthOf(["abc"]), 3);
  assert.equal(lengthOf(["abc", "abd", "abe"]), 3);
  assert.equal(lengthOf(["abc", "abcd", "abe"]), -1);
  assert.equal(lengthOf(["abc", "abd"], { order: "reverse" }), -1);
  assert.equal(lengthOf(["", "abd", "abe"], { kind: BRANCH }), 3);
  assert.equal(lengthOf(["", "abd", "ac"], { kind: BRANCH }), -1);
});

Deno.test("check() finds a node inside another's value, though all sizes add up", () => {
  const inner = new Uint8Array([3, 0, 0, 0, 0, 0, 1, 0, 0x62, 1, 2, 3]);
  const outer = new Uint8Array([9, ...inner, 9, 9]);
  const page = leafPage(7, [
    { key: utf8("a"), data: utf8("xyz") },
    { key: utf8("b"), data: utf8("xyz") },
    { key: utf8("c"), data: outer },
  ]);
  assert.equal(checked(page, NEED), undefined);
  const view = new DataView(page.buffer);
  // Header and key of the outer node, then one byte of its value.
  view.setUint16(18, view.getUint16(20, true) + 8 + 1 + 1, true);
  assert.equal(checked(page, NEED), "has nodes that overlap, leave gaps or lie outside of it");
});

Deno.test("check() tells nodes that fill their room from any that do not, as sorting them does", () => {
  const chance = chanceFrom(utf8("page view"));
  const below = (limit: number) => Math.floor(chance() * limit);
  let sound = 0;
  for (let round = 0; round < 20_000; round++) {
    const count = 1 + below(8);
    const lengths = Array.from({ length: count }, () => 8 + 2 * below(5));
    const upper = PAGE - lengths.reduce((sum, length) => sum + length, 0);
    const begins = lengths.map((_, i) =>
      upper + lengths.slice(0, i).reduce((sum, length) => sum + length, 0)
    );
    // Often two things go wrong that make up for one another in a sum.
    for (let faults = below(3); faults > 0; faults--) {
      const [i, j] = [below(count), below(count)];
      if (below(2) === 0) begins[i] = begins[j]! + 2 * below(3);
      else [lengths[i], lengths[j]] = [lengths[i]! + 2, Math.max(8, lengths[j]! - 2)];
    }
    const page = new Uint8Array(PAGE);
    const view = new DataView(page.buffer);
    [7, 0, 0, 0, 0, LEAF, 16 + 2 * count, upper].forEach((word, i) => view.setUint16(2 * i, word, true));
    const nodes = begins.map((begin, i) => ({ begin, length: lengths[i]! })).sort(() => chance() - 0.5);
    nodes.forEach(({ begin }, i) => view.setUint16(16 + 2 * i, begin, true));
    // Keys of no bytes, so that nothing but a value's length tells where a node ends.
    for (const { begin, length } of nodes) {
      if (begin <= PAGE - 8) page.set([length - 8, 0, 0, 0, 0, 0, 0, 0], begin);
    }
    const doesFill = fills(view, upper, nodes.map(({ begin }) => begin));
    if (doesFill) sound++;
    const fault = checked(page, NEED);
    assert.equal(fault !== "has nodes that overlap, leave gaps or lie outside of it", doesFill, `${round}`);
  }
  assert.ok(sound > 5_000 && sound < 15_000, `${sound} were sound`);
});

Deno.test("check() tells of a leaf's ends what never contradicts the order of bytes", () => {
  const keys = [
    "",
    "\0",
    "\u0080",
    "\u0080\u0080\u0080",
    "a",
    "a\0",
    "ab",
    "abc",
    "abcd",
    "abcde",
    "abcdf",
    "abcdff",
    "b",
  ];
  const first = new PageView(PAGE, 1);
  const last = new PageView(PAGE, 1);
  for (const a of keys.map(utf8)) {
    first.bytes.set(leafPage(7, [{ key: a, data: utf8("x") }]));
    assert.equal(first.check(0, NEED), undefined);
    for (const b of keys.map(utf8)) {
      const below = compareBytes(utf8(""), b) < 0 ? [{ key: utf8(""), data: utf8("two") }] : [];
      last.bytes.set(leafPage(7, [...below, { key: b, data: utf8("x") }]));
      assert.equal(last.check(0, NEED), undefined);
      const side = first.firstPrefix - last.lastPrefix || first.firstFifth - last.lastFifth;
      if (side !== 0) assert.equal(Math.sign(side), Math.sign(compareBytes(a, b)));
    }
  }
});

Deno.test("check() tells a hash of the first key that differs for every key with one changed bit", () => {
  const view = new PageView(PAGE, 1);
  const hash = (key: Uint8Array, value: string) => {
    view.bytes.set(leafPage(7, [{ key, data: utf8(value) }]));
    assert.equal(view.check(0, NEED), undefined);
    return view.firstHash;
  };
  for (const length of [1, 3, 4, 5, 31, 32, 33]) {
    const key = Uint8Array.from({ length }, (_, i) => i * 7);
    const own = hash(key, "one value");
    assert.equal(hash(key, "another, longer value"), own, "where the key lies says nothing");
    for (let bit = 0; bit < 8 * length; bit++) {
      const other = key.slice();
      other[bit >> 3]! ^= 1 << (bit & 7);
      assert.notEqual(hash(other, "one value"), own);
    }
    assert.notEqual(hash(key.slice(1), "one value"), own);
  }
  assert.notEqual(hash(utf8("a"), "one value"), hash(utf8("a\0\0\0"), "one value"));
});

Deno.test("readBranch() bounds each leaf by the keys on its sides, and the outer ones by those that it is given", () => {
  const branch = new PageView(PAGE, 1);
  const leaf = new PageView(PAGE, 1);
  const standIn = (text: string) => {
    leaf.bytes.set(leafPage(7, [{ key: utf8(text), data: utf8("x") }]));
    assert.equal(leaf.check(0, NEED), undefined);
    return { prefix: leaf.firstPrefix, fifth: leaf.firstFifth, hash: leaf.firstHash };
  };
  branch.bytes.set(branchPage(9, [
    { key: utf8(""), data: 3 },
    { key: utf8("kilogram"), data: 70_000 },
    { key: utf8("me"), data: 5, flags: 1 },
  ]));
  assert.equal(branch.check(0, { ...NEED, number: 9, kind: BRANCH }), undefined);
  const between = (lows: string[], highs: string[]) =>
    lows.flatMap((text, i) => {
      const [low, high] = [standIn(text), standIn(highs[i]!)];
      return [low.prefix, high.prefix, low.hash, (low.fifth << 8) | (high.fifth << 16)];
    });
  branch.readBranch(utf8("apple"), utf8("zebra"));
  assert.deepEqual([...branch.children.slice(0, 3)], [3, 70_000, 5 + 2 ** 32]);
  assert.deepEqual(
    [...branch.bounds.slice(0, 12)],
    between(["apple", "kilogram", "me"], ["kilogram", "me", "zebra"]),
  );
  branch.readBranch(undefined, undefined);
  const [lowest, , none] = branch.bounds;
  assert.deepEqual([lowest, none], [-(2 ** 31), 0]);
  assert.equal(branch.bounds[9], 2 ** 31 - 1);
  assert.equal(branch.bounds[11]! >>> 16, 0xff);
});

Deno.test("sum() adds up numbers of 64 bits, and is NaN where a value has another shape", () => {
  const value = (length: number, at: number, number: bigint) => {
    const data = new Uint8Array(length).fill(0xee);
    new DataView(data.buffer).setBigUint64(at, number, true);
    return data;
  };
  const sum = (...nodes: { data: Uint8Array; flags?: number }[]) => {
    const keyed = nodes.map((node, i) => ({ key: utf8("abc".slice(0, i)), ...node }));
    VIEW.bytes.set(leafPage(7, keyed));
    assert.equal(VIEW.check(0, NEED), undefined);
    return VIEW.sum(41, 33);
  };
  assert.equal(sum(), 0);
  assert.equal(
    sum({ data: value(41, 33, 7n) }, { data: value(41, 33, 2n ** 40n) }, { data: value(41, 33, 1n) }),
    2 ** 40 + 8,
  );
  assert.equal(sum({ data: value(41, 33, 2n ** 64n - 1n) }), 2 ** 64);
  assert.equal(sum({ data: value(41, 33, 1n) }, { data: value(42, 33, 1n) }), NaN);
  assert.equal(sum({ data: value(41, 33, 1n) }, { data: utf8("") }), NaN);
  const page = leafPage(7, [{ key: utf8(""), data: new Uint8Array(8), flags: 1 }]);
  new DataView(page.buffer).setUint32(PAGE - 16, 41, true);
  assert.equal(checked(page, NEED), undefined);
  assert.equal(VIEW.sum(41, 33), NaN, "it lies elsewhere");
});

/** By sorting: whether nodes without keys, at these places of a page, lie side by side from `upper` to its end. */
function fills(page: DataView, upper: number, begins: number[]): boolean {
  let end = upper;
  for (const begin of begins.toSorted((a, b) => a - b)) {
    if (begin !== end || begin > PAGE - 8) return false;
    end = begin + 8 + page.getUint16(begin, true);
  }
  return end === PAGE;
}

/** One for all: a bad page must leave nothing behind. */
const VIEW = new PageView(PAGE, 1);

function checked(page: Uint8Array, need: PageNeed): string | undefined {
  const view = page.length === PAGE ? VIEW : new PageView(page.length, 1);
  view.bytes.set(page);
  return view.check(0, need);
}
