import assert from "node:assert/strict";
import { NotEnoughSpace, OperationFailed } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { nameOf } from "../../lib/mirror/content_options.ts";
import { PassingContent } from "../../lib/mirror/passing.ts";
import { LetterTorrent, World } from "./content_world.ts";

Deno.test("PassingContent.open() makes an empty place, tells peers of nothing, and says what it means", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const name = nameOf(torrent.info);
  await world.fetchAndDie(torrent, [0, 1]);
  const content = PassingContent.open(world.options(torrent));
  assert.deepEqual([content.download.here.count, content.download.shown.count], [0, 0]);
  assert.notEqual(content.download.shown, content.download.here);
  assert.deepEqual(systemFiles.list(content.path), []);
  assert.equal(systemFiles.stat(world.paths.incoming(name)), undefined, "what took the room is gone");
  assert.equal(systemFiles.stat(world.paths.resume(name)), undefined);
  assert.match(world.notes("warning").join(), /without --low-disk is removed/);
  assert.match(world.notes("info").join(), /nothing is given to others.* a run that is stopped begins anew/);
  await content.close();
});

Deno.test("PassingContent.open() refuses a torrent of several files, and a disk without room for the window", () => {
  using world = new World();
  const several = new LetterTorrent("hybrid", { "a.7z": "abc", "b.txt": "d" });
  assert.throws(() => PassingContent.open(world.options(several)), (error: unknown) => {
    return error instanceof OperationFailed && /several files/.test(error.message);
  });
  const torrent = new LetterTorrent("hybrid", "abcdef");
  world.disk = { freeBytes: () => 1000 };
  assert.throws(() => PassingContent.open(world.options(torrent)), (error: unknown) => {
    return error instanceof NotEnoughSpace && /even with --low-disk .* are needed/.test(error.message);
  });
});
