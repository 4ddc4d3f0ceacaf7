// What lies here of a torrent before it is opened; that copies are found and used is content_test.ts's.

import assert from "node:assert/strict";
import { systemFiles } from "../../lib/io/files.ts";
import { nameOf } from "../../lib/mirror/content_options.ts";
import { bytesToGo, fetchedBefore, pieceIndices } from "../../lib/mirror/reuse.ts";
import { PieceSet } from "../../lib/torrent/piece_set.ts";
import { contentOf, LetterTorrent, PIECE, World } from "./content_world.ts";

Deno.test("fetchedBefore() knows what a fetch left when another snapshot took its place", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const { layout } = torrent;
  assert.deepEqual([...fetchedBefore(world, torrent)], []);
  const content = await world.open(torrent);
  for (const n of [1, 3, 4]) {
    const piece = layout.piece(n)!;
    content.download.storage.write(piece, 0, contentOf("abcdef").subarray(n * PIECE, (n + 1) * PIECE));
    content.addPieces([piece]);
  }
  await content.close("failed");
  const { checker } = world;
  checker.looked = 0;
  assert.deepEqual([...fetchedBefore(world, torrent)], [1, 3, 4]);
  assert.equal(checker.looked, 0, "by the journal alone");
  systemFiles.remove(world.paths.resume(nameOf(torrent.info)));
  assert.deepEqual([...fetchedBefore(world, torrent)], [], "what nothing vouches for does not count");
});

Deno.test("bytesToGo() counts for an interrupted fetch what it left, and for the next one what that shares with it", async () => {
  using world = new World();
  const begun = new LetterTorrent("v2", "abcdefgh");
  await world.fetchAndDie(begun, [0, 1, 2, 3, 4, 5]);
  world.checker.looked = 0;
  const last = PIECE / 2;
  assert.equal(bytesToGo(world, begun, undefined, []), PIECE + last, "before it is opened");
  assert.equal(bytesToGo(world, begun, only(begun, 0), []), 6 * PIECE + last, "opened: what is known");
  const { info, layout, layers } = begun;
  const copy = { info, layout, layers, pieces: pieceIndices(fetchedBefore(world, begun)) };
  const next = new LetterTorrent("v2", "abcdefxy");
  assert.equal(bytesToGo(world, next, undefined, [copy]), PIECE + last);
  assert.equal(bytesToGo(world, next, undefined, []), next.layout.totalLength);
  const other = new LetterTorrent("v1", "abcdefgh");
  assert.equal(
    bytesToGo(world, other, undefined, [copy]),
    other.layout.totalLength,
    "of another kind: nothing",
  );
  assert.equal(world.checker.looked, 0, "nothing was hashed");
});

function only({ layout }: LetterTorrent, piece: number): PieceSet {
  const pieces = new PieceSet(layout.pieceCount);
  pieces.add(piece);
  return pieces;
}
