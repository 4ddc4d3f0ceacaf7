// The archive of a run that was killed after its ledger was in its place, brought to its own place by the next one.

import assert from "node:assert/strict";
import { join } from "node:path";
import { bringKept } from "../../lib/mirror/kept_archive.ts";
import { nameOf } from "../../lib/mirror/content_options.ts";
import { contentOf, LetterTorrent, World } from "./content_world.ts";

function bring(world: World, torrent: LetterTorrent): string | undefined {
  const { machine, paths } = world;
  const report = (event: (typeof world.events)[number]) => void world.events.push(event);
  return bringKept({ machine, paths, report }, nameOf(torrent.info));
}

function namesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).toSorted();
}

for (const kind of ["hybrid", "v1"] as const) {
  Deno.test(`bringKept() brings a whole archive to its place, and nothing else stays (${kind})`, async () => {
    using world = new World();
    const torrent = new LetterTorrent(kind, "abcdef");
    await world.fetchAndDie(torrent, [0, 1, 2, 3, 4, 5]);
    const path = bring(world, torrent);
    assert.equal(path, join(world.root, "snap.7z"));
    assert.deepEqual(Deno.readFileSync(path), contentOf("abcdef"));
    const { own } = world.paths;
    assert.deepEqual([namesIn(join(own, "incoming")), namesIn(join(own, "resume"))], [[], []]);
    assert.deepEqual(namesIn(join(own, "torrents")), [`${nameOf(torrent.info)}.torrent`], "for a mirror");
    assert.equal(world.notes("info").at(-1)?.includes(path), true);
    assert.equal(bring(world, torrent), undefined, "the next time there is nothing to do");
  });
}

Deno.test("bringKept() brings each file of a folder, and a ledger to where a mirror serves it", async () => {
  using world = new World();
  const folder = new LetterTorrent("v2", { "data.7z": "abc", "note.txt": "d" }, "snap");
  await world.fetchAndDie(folder, [0, 1, 2, 3]);
  assert.equal(bring(world, folder), join(world.root, "snap"));
  assert.deepEqual(namesIn(join(world.root, "snap")), ["data.7z", "note.txt"]);
  const ledger = new LetterTorrent("v2", "abc", "data.ldb");
  await world.fetchAndDie(ledger, [0, 1, 2]);
  const path = world.paths.snapshot(nameOf(ledger.info));
  assert.equal(bring(world, ledger), path);
  assert.deepEqual(Deno.readFileSync(path), contentOf("abc"));
});

Deno.test("bringKept() leaves what nobody vouches for where it is, and says with which command to go on", async () => {
  using world = new World();
  const torrent = new LetterTorrent("v2", "abcdef");
  const path = join(world.paths.incoming(nameOf(torrent.info)), "snap.7z");
  // A power loss before the last pieces were on the disk.
  await world.fetchAndDie(torrent, [0, 1, 2, 3, 4, 5]);
  world.boot = "second";
  assert.equal(bring(world, torrent), undefined);
  assert.ok(Deno.statSync(path).isFile);
  assert.match(world.notes("warning").at(-1)!, /not known to be whole.*nano-snap get --data-dir \//);
  Deno.removeSync(world.paths.torrent(nameOf(torrent.info)));
  assert.equal(bring(world, torrent), undefined);
  assert.equal(world.notes("warning").length, 2);
});
