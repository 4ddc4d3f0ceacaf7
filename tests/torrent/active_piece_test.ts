import assert from "node:assert/strict";
import fc from "fast-check";
import { ActivePiece, BLOCK_FREE, BLOCK_RECEIVED, BLOCK_REQUESTED } from "../../lib/torrent/active_piece.ts";
import { layoutOf } from "./fixtures.ts";

const PIECE = layoutOf("v2", 32_768, [32_768]).piece(0)!;

function active(blocks: number): ActivePiece {
  return new ActivePiece(PIECE, blocks, { keepHashes: true });
}

Deno.test("ActivePiece gives its blocks in order, each once", () => {
  const piece = active(3);
  assert.deepEqual([0, 1, 2, 3].map(() => piece.requestNext()), [0, 1, 2, undefined]);
  assert.equal(piece.free, 0);
});

Deno.test("ActivePiece gives a released block again, before those behind it", () => {
  const piece = active(4);
  for (let i = 0; i < 3; i++) piece.requestNext();
  piece.release(1);
  assert.equal(piece.free, 2);
  assert.deepEqual([piece.requestNext(), piece.requestNext()], [1, 3]);
});

Deno.test("ActivePiece.release() frees a block only when its last asker is gone", () => {
  const piece = active(1);
  piece.requestNext();
  piece.requestAgain(0);
  piece.release(0);
  assert.equal(piece.free, 0);
  piece.release(0);
  assert.equal(piece.free, 1);
  piece.release(0);
  assert.equal(piece.free, 1, "once is enough");
});

Deno.test("ActivePiece takes each block once, asked for or not", () => {
  const piece = active(3);
  piece.requestNext();
  assert.equal(piece.receive(0, 7), true);
  assert.equal(piece.receive(0, 8), false);
  assert.equal(piece.receive(2, 8), true, "came before it was asked for");
  assert.equal(piece.isComplete, false);
  assert.equal(piece.receivedBlocks, 2);
  piece.release(0);
  assert.equal(piece.requestNext(), 1);
  assert.equal(piece.requestNext(), undefined);
  assert.equal(piece.receive(1, 7), true);
  assert.equal(piece.isComplete, true);
  assert.deepEqual(piece.contributors(), new Set([7, 8]));
});

Deno.test("ActivePiece.adopt() counts a block as here, with its hash and without a sender", () => {
  const active = new ActivePiece(PIECE, 3, { keepHashes: true });
  const hash = new Uint8Array(32).fill(7);
  active.adopt(1, hash);
  assert.deepEqual([active.free, active.receivedBlocks, active.isComplete], [2, 1, false]);
  assert.deepEqual(active.hashes.subarray(32, 64), hash);
  assert.deepEqual([active.requestNext(), active.requestNext(), active.requestNext()], [0, 2, undefined]);
  assert.equal(active.receive(1, 9), false, "nobody need send it");
  active.receive(0, 9);
  active.receive(2, 9);
  assert.deepEqual(active.contributors(), new Set([9]));
  assert.deepEqual([active.store(), active.store()], [false, true]);
});

Deno.test("ActivePiece.forget() wants a received block again", () => {
  const piece = active(2);
  piece.requestNext();
  piece.receive(0, 7);
  piece.forget(1);
  assert.equal(piece.free, 1);
  piece.forget(0);
  assert.equal(piece.receivedBlocks, 0);
  assert.deepEqual([piece.requestNext(), piece.requestNext(), piece.requestNext()], [0, 1, undefined]);
});

Deno.test("ActivePiece keeps hashes only when told to", () => {
  assert.equal(active(3).hashes.length, 96);
  assert.equal(new ActivePiece(PIECE, 3, { keepHashes: false }).hashes.length, 0);
});

Deno.test("ActivePiece agrees with a naive model of its blocks", () => {
  const blocks = 6;
  const what = fc.constantFrom("next", "next", "again", "release", "receive", "forget");
  fc.assert(fc.property(fc.array(fc.tuple(what, fc.nat(blocks - 1)), { maxLength: 120 }), (steps) => {
    const piece = active(blocks);
    const states = new Array<number>(blocks).fill(BLOCK_FREE);
    const askers = new Array<number>(blocks).fill(0);
    for (const [what, block] of steps) {
      const state = states[block];
      if (what === "next") {
        const first = states.indexOf(BLOCK_FREE);
        assert.equal(piece.requestNext(), first < 0 ? undefined : first);
        if (first >= 0) [states[first], askers[first]] = [BLOCK_REQUESTED, 1];
      } else if (what === "again") {
        if (state !== BLOCK_REQUESTED) continue;
        piece.requestAgain(block);
        askers[block]!++;
      } else if (what === "release") {
        piece.release(block);
        if (state === BLOCK_REQUESTED && --askers[block]! === 0) states[block] = BLOCK_FREE;
      } else if (what === "receive") {
        assert.equal(piece.receive(block, 1), state !== BLOCK_RECEIVED);
        states[block] = BLOCK_RECEIVED;
      } else {
        piece.forget(block);
        if (state === BLOCK_RECEIVED) [states[block], askers[block]] = [BLOCK_FREE, 0];
      }
      assert.deepEqual([...piece.states], states);
      assert.equal(piece.free, states.filter((state) => state === BLOCK_FREE).length);
      assert.equal(piece.receivedBlocks, states.filter((state) => state === BLOCK_RECEIVED).length);
    }
  }));
});
