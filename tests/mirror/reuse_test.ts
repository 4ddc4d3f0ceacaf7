// What lies here of a torrent before it is opened; that copies are found and used is content_test.ts's.

import assert from "node:assert/strict";
import { systemFiles } from "../../lib/io/files.ts";
import { nameOf } from "../../lib/mirror/content_options.ts";
import { fetchedBefore } from "../../lib/mirror/reuse.ts";
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
