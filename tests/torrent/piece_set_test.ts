import assert from "node:assert/strict";
import fc from "fast-check";
import { WireFault } from "../../lib/errors.ts";
import { PieceSet } from "../../lib/torrent/piece_set.ts";

Deno.test("PieceSet.parse() reads the first piece from the high bit", () => {
  const set = PieceSet.parse(Uint8Array.of(0b1010_0000, 0b0100_0000), 10);
  assert.deepEqual([...set], [0, 2, 9]);
  assert.equal(set.count, 3);
  assert.equal(set.isFull, false);
});

Deno.test("PieceSet.parse() ignores bits past the last piece, and copies", () => {
  const bits = Uint8Array.of(0xff, 0xff);
  const set = PieceSet.parse(bits, 9);
  assert.equal(set.count, 9);
  assert.equal(set.isFull, true);
  assert.deepEqual(set.bits, Uint8Array.of(0xff, 0x80));
  bits.fill(0);
  assert.equal(set.has(8), true);
});

Deno.test("PieceSet.parse() faults on a bitfield of another length", () => {
  for (const length of [0, 1, 3]) assert.throws(() => PieceSet.parse(new Uint8Array(length), 9), WireFault);
  assert.equal(PieceSet.parse(new Uint8Array(2), 9).count, 0);
  assert.equal(PieceSet.parse(new Uint8Array(0), 0).count, 0);
});

Deno.test("PieceSet agrees with a Set over any additions and removals", () => {
  const steps = fc.array(fc.tuple(fc.constantFrom("add", "delete"), fc.nat(18)), { maxLength: 80 });
  fc.assert(fc.property(steps, (steps) => {
    const ours = new PieceSet(19);
    const model = new Set<number>();
    for (const [what, piece] of steps) {
      const changed = what === "add" ? !model.has(piece) : model.has(piece);
      if (what === "add") model.add(piece);
      else model.delete(piece);
      assert.equal(what === "add" ? ours.add(piece) : ours.delete(piece), changed);
    }
    assert.deepEqual([...ours], [...model].sort((a, b) => a - b));
    assert.equal(ours.count, model.size);
    assert.deepEqual([...PieceSet.parse(ours.bits, 19)], [...ours]);
  }));
});

Deno.test("PieceSet.fill() has every piece and no bit more", () => {
  const set = new PieceSet(11);
  set.add(3);
  set.fill();
  assert.equal(set.isFull, true);
  assert.deepEqual(set.bits, Uint8Array.of(0xff, 0xe0));
  assert.equal(set.has(11), false);
  assert.equal(set.has(99), false);
});
