import assert from "node:assert/strict";
import { ActivePiece } from "../../lib/torrent/active_piece.ts";
import { Blame } from "../../lib/torrent/blame.ts";
import { sha256 } from "../../lib/hash.ts";
import { layoutOf } from "./fixtures.ts";

const LAYOUT = layoutOf("v2", 65_536, [65_536 * 200]);

/** A whole piece: who sent each block, capital letters for a wrong one. Peer a is 1, b is 2. */
function came(piece: number, senders: string): ActivePiece {
  const active = new ActivePiece(LAYOUT.piece(piece)!, senders.length, { keepHashes: true });
  for (const [block, letter] of [...senders].entries()) {
    active.receive(block, letter.toLowerCase().charCodeAt(0) - 96);
    const isWrong = letter !== letter.toLowerCase();
    active.hashes.set(sha256(Uint8Array.of(block, isWrong ? 1 : 0)), 32 * block);
  }
  return active;
}

/** The true hashes of a piece's blocks. */
const TRUE = came(0, "aaaa").hashes;

Deno.test("Blame.fail() names a single sender at once, and remembers nothing", () => {
  const blame = new Blame();
  assert.equal(blame.fail(came(0, "bbBb")), 2);
  assert.equal(blame.hasFailed(0), false);
});

Deno.test("Blame finds the guilty sender after a second, good attempt", () => {
  const blame = new Blame();
  assert.equal(blame.fail(came(0, "aBca")), undefined);
  assert.equal(blame.hasFailed(0), true);
  assert.equal(blame.hasFailed(1), false);
  assert.deepEqual(blame.settle(0, came(0, "cccc").hashes), new Set([2]));
  assert.equal(blame.hasFailed(0), false);
  assert.deepEqual(blame.settle(0, TRUE), new Set(), "only once");
});

Deno.test("Blame finds everyone who ever sent a wrong block of the piece", () => {
  const blame = new Blame();
  blame.fail(came(0, "aBca"));
  blame.fail(came(0, "adDe"));
  blame.fail(came(0, "aCee"));
  assert.deepEqual(blame.settle(0, TRUE), new Set([2, 3, 4]));
});

Deno.test("Blame remembers a bounded number of attempts and pieces, the latest", () => {
  const blame = new Blame();
  for (const letter of "BCDEF") blame.fail(came(0, `a${letter}aa`));
  assert.deepEqual(blame.settle(0, TRUE), new Set([3, 4, 5, 6]));
  for (let piece = 0; piece < 100; piece++) blame.fail(came(piece, "aBca"));
  const remembered = Array.from({ length: 100 }, (_, piece) => piece).filter((piece) =>
    blame.hasFailed(piece)
  );
  assert.equal(remembered.length, 64);
  assert.equal(remembered[0], 36);
});
