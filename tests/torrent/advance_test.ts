import assert from "node:assert/strict";
import { Advance } from "../../lib/torrent/advance.ts";

function state(doneBytes: number, ...receivedBlocks: number[]) {
  return { doneBytes, picker: { active: receivedBlocks.map((blocks) => ({ receivedBlocks: blocks })) } };
}

Deno.test("Advance sees blocks of a piece that grows, and pieces that are good", () => {
  const advance = new Advance();
  assert.equal(advance.look(state(0)), false);
  assert.equal(advance.look(state(0, 1)), true);
  assert.equal(advance.look(state(0, 1)), false);
  assert.equal(advance.look(state(0, 1, 2)), true);
  assert.equal(advance.look(state(100)), true);
  assert.equal(advance.look(state(100, 1)), true, "the next piece counts from its first block");
});

Deno.test("Advance is not taken in by blocks of ever new pieces, or of one that fails again and again", () => {
  const advance = new Advance();
  assert.equal(advance.look(state(0, 3)), true);
  for (let pieces = 1; pieces < 20; pieces++) {
    assert.equal(advance.look(state(0, ...new Array<number>(pieces).fill(3))), false);
  }
  assert.equal(advance.look(state(0, 1)), false);
  assert.equal(advance.look(state(0, 3)), false);
  assert.equal(advance.look(state(0, 4)), true);
});
