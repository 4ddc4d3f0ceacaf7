import assert from "node:assert/strict";
import fc from "fast-check";
import { RarityOrder } from "../../lib/torrent/rarity.ts";
import { seeded } from "./seeded.ts";

/** The pieces in the order's order. */
function all(order: RarityOrder): number[] {
  const pieces: number[] = [];
  order.first((piece) => {
    pieces.push(piece);
    return false;
  });
  return pieces;
}

Deno.test("RarityOrder gives the rarest first, whoever comes and goes", () => {
  const order = new RarityOrder(4, () => 0);
  for (const piece of [0, 1, 2, 3, 0, 1, 2, 0, 1]) order.raise(piece);
  // 0 and 1 are had by three, 2 by two, 3 by one.
  assert.deepEqual([...all(order).slice(0, 2)], [3, 2]);
  order.lower(0);
  order.lower(0);
  order.lower(0);
  assert.equal(order.first(() => true), 0);
  assert.equal(order.first((piece) => piece !== 0), 3);
  assert.equal(order.first(() => false), undefined);
  assert.throws(() => order.lower(0), RangeError, "had by nobody");
});

Deno.test("RarityOrder begins with every piece in an order that chance decides", () => {
  const random = seeded(1);
  const orders = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const pieces = all(new RarityOrder(50, random));
    assert.deepEqual([...pieces].sort((a, b) => a - b), Array.from({ length: 50 }, (_, piece) => piece));
    orders.add(pieces.join());
  }
  assert.equal(orders.size, 20);
});

Deno.test("RarityOrder stays sorted and whole against a naive model", () => {
  const size = 12;
  const step = fc.tuple(fc.constantFrom("raise", "raise", "lower", "remove", "add"), fc.nat(size - 1));
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), fc.integer(), (steps, seed) => {
    const order = new RarityOrder(size, seeded(seed));
    const had = new Array<number>(size).fill(0);
    const wanted = new Set(had.keys());
    for (const [what, piece] of steps) {
      if (what === "lower" && had[piece] === 0) continue;
      order[what](piece);
      if (what === "raise") had[piece]!++;
      if (what === "lower") had[piece]!--;
      if (what === "remove") wanted.delete(piece);
      if (what === "add") wanted.add(piece);
      const pieces = all(order);
      assert.equal(order.count, wanted.size);
      assert.deepEqual(new Set(pieces), wanted);
      assert.equal(pieces.length, wanted.size, "none twice");
      const availabilities = pieces.map((piece) => had[piece]!);
      assert.deepEqual(availabilities, [...availabilities].sort((a, b) => a - b));
      for (let piece = 0; piece < size; piece++) {
        assert.equal(order.has(piece), wanted.has(piece));
        assert.equal(order.availability(piece), had[piece]);
      }
    }
  }));
});
