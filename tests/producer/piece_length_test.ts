import assert from "node:assert/strict";
import { choosePieceLength, hasLonePiece, pieceCountOf } from "../../lib/producer/piece_length.ts";

const MIB = 1 << 20;
const pieces = (size: number) => pieceCountOf(size, choosePieceLength(size));

Deno.test("choosePieceLength() is 32 MiB unless the pieces would be one more than a multiple of 512", () => {
  for (const count of [1, 2, 40, 512, 514, 1024, 1026, 1718]) {
    assert.equal(choosePieceLength(count * 32 * MIB), 32 * MIB, `${count} pieces`);
    assert.equal(choosePieceLength(count * 32 * MIB - 1), 32 * MIB);
  }
  assert.equal(choosePieceLength(1), 32 * MIB);
});

Deno.test("choosePieceLength() doubles until the last piece's hash is not asked for alone", () => {
  assert.equal(choosePieceLength(513 * 32 * MIB), 64 * MIB); // 257
  assert.equal(choosePieceLength(512 * 32 * MIB + 1), 64 * MIB);
  assert.equal(choosePieceLength(1025 * 32 * MIB), 128 * MIB); // 513 of 64 MiB, 257 of 128
  assert.equal(choosePieceLength(1537 * 32 * MIB), 64 * MIB); // 769
});

Deno.test("choosePieceLength() halves where no doubling helps, and gives in where nothing does", () => {
  // 2049, 1025 and 513 pieces upwards; downwards 4098.
  assert.equal(choosePieceLength(2049 * 32 * MIB), 16 * MIB);
  assert.equal(pieces(2049 * 32 * MIB), 4098);
  // A byte more than 64 GiB has a lone piece at every length.
  assert.equal(choosePieceLength(2048 * 32 * MIB + 1), 32 * MIB);
});

Deno.test("choosePieceLength() begins where it is told to", () => {
  assert.equal(choosePieceLength(100 * MIB, 4 * MIB), 4 * MIB);
  assert.equal(choosePieceLength(513 * 4 * MIB, 4 * MIB), 8 * MIB);
});

Deno.test("hasLonePiece() is true from the second request on, and false for a file of one piece", () => {
  const lone = [1, 2, 512, 513, 514, 1024, 1025, 1537].filter((count) => hasLonePiece(count * 16384, 16384));
  assert.deepEqual(lone, [513, 1025, 1537]);
});
