import assert from "node:assert/strict";
import { existsSync, linkSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OperationFailed, PathUnusable } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { Shelf, type Whole } from "../../lib/mirror/follow_shelf.ts";
import { readInstalled, writeInstalled } from "../../lib/mirror/installed.ts";
import { nameOf } from "../../lib/mirror/content_options.ts";
import { contentOf, LetterTorrent, World } from "./content_world.ts";

/** A shelf on the real disk; what the disk does not do is the test's to say. */
function shelfOf(world: World): Shelf {
  return new Shelf(world.machine.files, world.paths);
}

/** What a finished fetch leaves: the file in `incoming/`, its torrent, and a journal that is closed. */
async function finished(world: World, torrent: LetterTorrent, old?: Whole): Promise<string> {
  const content = await world.open(torrent, { wholes: old === undefined ? [] : [old] });
  world.fetch(content, torrent, torrent.layout.pieces());
  await content.close("whole");
  return content.path;
}

/** Fetches it and puts it in its place. */
async function placed(world: World, torrent: LetterTorrent, old?: Whole, keep = false) {
  const path = await finished(world, torrent, old);
  const { info, layout, layers } = torrent;
  return await shelfOf(world).putInPlace({ torrent: { info, layout, layers }, path }, old, keep);
}

const [A, B, C] = ["abcd", "abXY", "QRST"].map((letters) => new LetterTorrent("hybrid", letters)) as [
  LetterTorrent,
  LetterTorrent,
  LetterTorrent,
];
const nameOfA = nameOf(A.info);

Deno.test("findCurrent() knows a placed snapshot by its journal, until its file is touched or gone", async () => {
  using world = new World();
  const { whole } = await placed(world, A);
  const find = () => shelfOf(world).findCurrent(["ff".repeat(32), nameOfA])?.path;
  assert.equal(whole.path, join(world.root, "snap.7z"));
  assert.deepEqual(new Uint8Array(readFileSync(whole.path)), contentOf("abcd"));
  assert.equal(find(), whole.path);
  assert.equal(shelfOf(world).isIntact(whole), true);
  world.boot = "another";
  assert.equal(find(), whole.path, "a clean close outlives a boot");
  const { atime, mtime } = statSync(whole.path);
  utimesSync(whole.path, atime, new Date(+mtime + 1000));
  assert.equal(find(), undefined);
  assert.equal(shelfOf(world).isIntact(whole), false);
  utimesSync(whole.path, atime, mtime);
  assert.equal(find(), whole.path);
  renameSync(whole.path, `${whole.path}.away`);
  writeFileSync(whole.path, contentOf("abcd"));
  utimesSync(whole.path, atime, mtime);
  assert.equal(find(), undefined, "another file of the same size and time is another file");
});

Deno.test("findCurrent() knows what a get left by installed.json, and needs the torrent's hashes", () => {
  using world = new World();
  const path = world.put("snap.7z", contentOf("abcd"));
  const shelf = shelfOf(world);
  writeInstalled(systemFiles, world.paths.installed, { v2: nameOfA, v1: null, seq: 3, path });
  assert.equal(shelf.findCurrent([nameOfA]), undefined, "nobody knows its torrent");
  systemFiles.makeDir(join(world.paths.own, "torrents"));
  writeFileSync(world.paths.torrent(nameOfA), A.encoded);
  assert.equal(shelf.findCurrent([nameOfA])?.path, path);
  assert.equal(shelf.findCurrent([nameOf(B.info), nameOfA])?.name, nameOfA);
  writeFileSync(path, "short");
  assert.equal(shelf.findCurrent([nameOfA]), undefined);
});

Deno.test("putInPlace() replaces the old one by one rename, and its open file is still the old one", async () => {
  using world = new World();
  const { whole: old } = await placed(world, A);
  using open = Deno.openSync(old.path);
  const { whole, kept } = await placed(world, B, old);
  assert.equal(kept, undefined);
  assert.equal(whole.path, old.path);
  assert.deepEqual(new Uint8Array(readFileSync(whole.path)), contentOf("abXY"));
  assert.equal(open.statSync().ino, old.facts.inode);
  assert.equal(shelfOf(world).findCurrent([nameOfA, nameOf(B.info)])?.name, nameOf(B.info));
});

Deno.test("putInPlace() keeps the old one as a link, and by a move where there are none", async () => {
  for (const error of [undefined, new OperationFailed("no links"), new PathUnusable("no links")]) {
    using world = new World();
    const steps: string[] = [];
    world.disk = {
      link(from, to) {
        steps.push("link");
        if (error !== undefined) throw error;
        linkSync(from, to);
      },
      rename(from, to) {
        if (to.endsWith("snap.7z")) steps.push("rename");
        systemFiles.rename(from, to);
      },
    };
    const { whole: old } = await placed(world, A);
    steps.length = 0;
    const { whole, kept } = await placed(world, B, old, true);
    assert.deepEqual(steps, error === undefined ? ["link", "rename"] : ["link", "rename", "rename"]);
    assert.equal(kept?.path, join(world.paths.kept(nameOfA), "snap.7z"));
    assert.equal(shelfOf(world).isIntact(kept!), true);
    assert.deepEqual(new Uint8Array(readFileSync(kept!.path)), contentOf("abcd"));
    assert.deepEqual(new Uint8Array(readFileSync(whole.path)), contentOf("abXY"));
    world.boot = "another";
    assert.deepEqual(shelfOf(world).findKept(whole.name).map(({ name }) => name), [nameOfA]);
    assert.deepEqual(shelfOf(world).findKept(nameOfA), []);
  }
});

Deno.test("putInPlace() keeps what only installed.json vouched for, with a journal of its own", async () => {
  using world = new World();
  await placed(world, A);
  const path = join(world.root, "snap.7z");
  systemFiles.remove(world.paths.resume(nameOfA));
  writeInstalled(systemFiles, world.paths.installed, { v2: nameOfA, v1: null, seq: 3, path });
  const old = shelfOf(world).findCurrent([nameOfA])!;
  const { whole } = await placed(world, B, old, true);
  shelfOf(world).recordInstalled(whole, 4);
  assert.deepEqual(shelfOf(world).findKept(whole.name).map(({ name }) => name), [nameOfA]);
});

Deno.test("putInPlace() leaves the old one where it was when the new one cannot move", async () => {
  using world = new World();
  const { whole: old } = await placed(world, A);
  const path = await finished(world, B, old);
  world.disk = {
    rename() {
      throw new PathUnusable("Cannot rename: the folder is read-only");
    },
  };
  const { info, layout, layers } = B;
  await assert.rejects(
    shelfOf(world).putInPlace({ torrent: { info, layout, layers }, path }, old, false),
    PathUnusable,
  );
  assert.equal(shelfOf(world).isIntact(old), true);
});

Deno.test("putInPlace() takes away an old one of another name", async () => {
  using world = new World();
  const { whole: old } = await placed(world, A);
  const renamed = new LetterTorrent("hybrid", "abXY", "snap-2.7z");
  const { whole } = await placed(world, renamed, old);
  assert.equal(whole.path, join(world.root, "snap-2.7z"));
  assert.equal(existsSync(old.path), false);
});

Deno.test("placeOf() keeps a ledger that is seeded away from the node's", async () => {
  using world = new World();
  const ledgers = ["abcd", "abXY"].map((letters) => new LetterTorrent("hybrid", letters, "data.ldb"));
  const live = world.put("data.ldb", new Uint8Array(7));
  const { whole: old } = await placed(world, ledgers[0]!);
  assert.equal(old.path, world.paths.snapshot(old.name));
  const { whole } = await placed(world, ledgers[1]!, old);
  assert.equal(whole.path, world.paths.snapshot(whole.name));
  assert.equal(existsSync(join(old.path, "..")), false);
  assert.equal(statSync(live).size, 7);
});

Deno.test("recordInstalled() speaks of the archive, and never forgets a ledger that is there", async () => {
  using world = new World();
  const { whole } = await placed(world, A);
  shelfOf(world).recordInstalled(whole, 9);
  const read = () => readInstalled(systemFiles, world.paths.installed).value;
  assert.deepEqual([read()?.v2, read()?.seq, read()?.path], [nameOfA, 9, whole.path]);
  const ledger = world.put("data.ldb", new Uint8Array(7));
  writeInstalled(systemFiles, world.paths.installed, { v2: "ab".repeat(32), v1: null, seq: 3, path: ledger });
  shelfOf(world).recordInstalled(whole, 9);
  assert.equal(read()?.path, ledger);
  systemFiles.remove(ledger);
  shelfOf(world).recordInstalled(whole, 9);
  assert.equal(read()?.path, whole.path);
});

Deno.test("tidy() takes away parts and records of what is neither whole nor growing, and kept copies", async () => {
  using world = new World();
  const { whole: old } = await placed(world, A);
  const { whole } = await placed(world, B, old, true);
  await world.fetchAndDie(C, [0]);
  const gone = new LetterTorrent("hybrid", "zyxw");
  await world.fetchAndDie(gone, [1]);
  const [b, c, z] = [B, C, gone].map(({ info }) => nameOf(info)) as [string, string, string];
  assert.equal(existsSync(world.paths.incoming(b)), true, "an empty folder");
  shelfOf(world).tidy({ whole: [whole.name, nameOfA], growing: [c] });
  assert.deepEqual([b, c, z, nameOfA].map((name) => existsSync(world.paths.incoming(name))), [
    false,
    true,
    false,
    false,
  ]);
  assert.deepEqual([b, c, z, nameOfA].map((name) => existsSync(world.paths.resume(name))), [
    true,
    true,
    false,
    true,
  ]);
  assert.equal(existsSync(world.paths.torrent(z)), false);
  assert.equal(existsSync(world.paths.kept(nameOfA)), true);
  shelfOf(world).tidy({ whole: [whole.name], growing: [] });
  assert.equal(existsSync(world.paths.kept(nameOfA)), false);
  assert.equal(existsSync(world.paths.torrent(nameOfA)), false);
  assert.equal(shelfOf(world).findCurrent([b])?.name, b);
});
