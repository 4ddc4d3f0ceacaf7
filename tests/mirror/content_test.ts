import assert from "node:assert/strict";
import { statSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { NotEnoughSpace, PathUnusable } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import type { Content } from "../../lib/mirror/content.ts";
import { nameOf } from "../../lib/mirror/content_options.ts";
import { writeInstalled } from "../../lib/mirror/installed.ts";
import { discardIncoming, discardSuperseded } from "../../lib/mirror/leftovers.ts";
import { contentOf, LetterTorrent, World } from "./content_world.ts";
import { NO_LINKS, notOnWindows } from "../windows.ts";

const KINDS = ["v1", "v2", "hybrid"] as const;

/** The pieces that are here, for comparing. */
function here({ download }: Content): number[] {
  return [...download.here];
}

for (const kind of KINDS) {
  Deno.test(`Content.open() believes after a kill what was recorded, and hashes nothing (${kind})`, async () => {
    using world = new World();
    const torrent = new LetterTorrent(kind, "abcdef");
    await world.fetchAndDie(torrent, [0, 3, 5]);
    const content = await world.open(torrent);
    assert.deepEqual(here(content), [0, 3, 5]);
    assert.equal(world.checker.looked, 0);
    await content.close("failed");
  });

  Deno.test(`Content.open() hashes after another boot what no checkpoint covers (${kind})`, async () => {
    using world = new World();
    const torrent = new LetterTorrent(kind, "abcdef");
    await world.fetchAndDie(torrent, [0, 3, 5]);
    Deno.writeFileSync(join(world.paths.incoming(nameIn(world)), "snap.7z"), contentOf("abcxef"));
    world.boot = "second";
    const content = await world.open(torrent);
    assert.deepEqual(here(content), [0, 5], "the power went before piece 3 was written");
    assert.equal(world.checker.looked, 3);
    await content.close("failed");
  });

  Deno.test(`Content adopts a half good file: it moves, and what is bad is missing (${kind})`, async () => {
    using world = new World();
    const torrent = new LetterTorrent(kind, "abcdef");
    const path = world.put("snap.7z", contentOf("ab.dXf"));
    const { ino } = statSync(path);
    const content = await world.open(torrent);
    assert.deepEqual(here(content), [0, 1, 3, 5]);
    assert.equal(systemFiles.stat(path), undefined);
    assert.equal(statSync(content.path).ino, ino, "moved, not copied");
    world.fetch(content, torrent, [2]);
    // Killed: what was found good is not looked at again, in this boot or another.
    world.boot = "second";
    const again = await world.open(torrent);
    assert.deepEqual(here(again), [0, 1, 2, 3, 5]);
    assert.equal(world.checker.looked, 1, "only what came after");
    await again.close("failed");
  });
}

Deno.test("Content.open() believes a clean stop until somebody touches the file", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const first = await world.open(torrent);
  world.fetch(first, torrent, [1, 2]);
  await first.close("failed");
  const second = await world.open(torrent);
  assert.deepEqual([here(second), world.checker.looked], [[1, 2], 0]);
  await second.close("failed");
  utimesSync(second.path, 1, 1);
  const third = await world.open(torrent);
  assert.deepEqual([here(third), world.checker.looked], [[1, 2], 2]);
  await third.close("failed");
});

Deno.test("Content.open() sets a torn journal aside, says so, and checks what is there", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  await world.fetchAndDie(torrent, [0, 1, 4]);
  const journal = world.paths.resume(nameIn(world));
  Deno.writeFileSync(journal, Deno.readFileSync(journal).subarray(0, 60));
  const content = await world.open(torrent);
  assert.deepEqual(here(content), [0, 1, 4]);
  assert.equal(world.checker.looked, 5, "as far as the file reaches");
  assert.match(world.notes("warning").join(), /Set .* aside/);
  assert.ok(systemFiles.stat(`${journal}.bad-1`));
  await content.close("failed");
});

Deno.test("Content leaves a file of which nothing is good where it is, says so, and checks it once", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const path = world.put("snap.7z", contentOf("uvwxyz"));
  const first = await world.open(torrent);
  assert.deepEqual([here(first), world.checker.looked], [[], 6]);
  assert.match(world.notes("info").join(), /Nothing in .*snap\.7z belongs/);
  assert.deepEqual(Deno.readFileSync(path), contentOf("uvwxyz"));
  world.fetch(first, torrent, [0]);
  const second = await world.open(torrent);
  assert.deepEqual([here(second), world.checker.looked], [[0], 0], "after a kill");
  // Somebody puts a better one there: its pieces are copied beside what came meanwhile.
  Deno.writeFileSync(path, contentOf("xbcxxx"));
  const third = await world.open(torrent);
  assert.deepEqual(here(third), [0, 1, 2]);
  assert.deepEqual(Deno.readFileSync(path), contentOf("xbcxxx"));
  assert.deepEqual(
    Deno.readFileSync(third.path).subarray(0, 3 * 16384),
    contentOf("abcd").subarray(0, 3 * 16384),
  );
  await third.close("failed");
});

Deno.test("Content.open() stopped while it checks a file goes on after the last verdict", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const path = world.put("snap.7z", contentOf("abcXef"));
  const reason = new Error("stopped here");
  world.checker.after = (looked) => looked === 4 && world.stop.abort(reason);
  await assert.rejects(world.open(torrent), (error) => error === reason);
  assert.ok(systemFiles.stat(path), "not moved yet");
  world.stop = new AbortController();
  const content = await world.open(torrent);
  assert.deepEqual([here(content), world.checker.looked], [[0, 1, 2, 4, 5], 2]);
  await content.close("failed");
});

Deno.test("Content copies from another snapshot that was finished, and never touches it", async () => {
  for (const isSaved of [true, false]) {
    using world = new World();
    const [old, fresh] = [new LetterTorrent("hybrid", "abcdef"), new LetterTorrent("hybrid", "acbdxf")];
    const path = world.put("snap.7z", old.contents[0]!);
    const before = statSync(path);
    const v2 = nameOf(old.info);
    writeInstalled(systemFiles, world.paths.installed, { v2, v1: null, seq: 1, path });
    if (isSaved) save(world, old, v2);
    const content = await world.open(fresh);
    // By their hashes at any place; without the old hashes only where the same place has the same piece.
    assert.deepEqual(here(content), isSaved ? [0, 1, 2, 3, 5] : [0, 3, 5]);
    assert.deepEqual(Deno.readFileSync(path), old.contents[0]);
    assert.deepEqual([statSync(path).ino, statSync(path).mtimeMs], [before.ino, before.mtimeMs]);
    await content.close("failed");
  }
});

Deno.test("Content takes from an older part what the new snapshot shares, verified on the way", async () => {
  for (const kind of KINDS) {
    using world = new World();
    const [old, fresh] = [new LetterTorrent(kind, "abcdefgh"), new LetterTorrent(kind, "bacxdeyz")];
    const first = await world.open(old);
    world.fetch(first, old, [0, 1, 2, 4, 6]);
    await first.close("failed");
    const oldFile = Deno.openSync(first.path, { write: true });
    oldFile.seekSync(2 * 16384 + 5, Deno.SeekMode.Start);
    oldFile.writeSync(new Uint8Array([1, 2, 3]));
    oldFile.close();
    // Within one tick of the kernel's clock a write leaves the time as it was.
    utimesSync(first.path, 1, 1);
    const second = await world.open(fresh);
    assert.deepEqual(here(second), [0, 1, 5], "c is damaged, d never came");
    assert.deepEqual(
      Deno.readFileSync(second.path).subarray(0, 2 * 16384),
      fresh.contents[0]!.subarray(0, 2 * 16384),
    );
    await second.close("failed");
    // The pointer came back: the old one still goes on. And the new one does not copy twice.
    const third = await world.open(old);
    assert.deepEqual(here(third), [0, 1, 4, 6]);
    world.fetch(third, old, [2]);
    await third.close("failed");
    const fourth = await world.open(fresh);
    assert.deepEqual([here(fourth), world.checker.looked], [[0, 1, 2, 5], 1]);
    await fourth.close("whole");
    discardSuperseded(world.machine, world.paths, fresh.info);
    discardIncoming(world.machine, world.paths, fresh.info);
    assert.deepEqual(systemFiles.list(join(world.paths.own, "incoming")), []);
    assert.deepEqual(systemFiles.list(join(world.paths.own, "resume")), []);
    assert.equal(systemFiles.list(join(world.paths.own, "torrents")).length, 1, "the new one's");
  }
});

Deno.test("Content.open() with force believes no record, and keeps what is good", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  await world.fetchAndDie(torrent, [0, 1, 2]);
  const path = join(world.paths.incoming(nameIn(world)), "snap.7z");
  const bytes = Deno.readFileSync(path);
  bytes[16384]! ^= 1;
  Deno.writeFileSync(path, bytes);
  const trusting = await world.open(torrent);
  assert.deepEqual(here(trusting), [0, 1, 2], "same boot");
  await trusting.close("failed");
  const forced = await world.open(torrent, { force: true });
  assert.deepEqual([here(forced), world.checker.looked], [[0, 2], 3]);
  await forced.close("failed");
});

Deno.test("Content.open() with force checks the finished file of this very snapshot", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const path = world.put("snap.7z", contentOf("abcdxf"));
  writeInstalled(systemFiles, world.paths.installed, { v2: nameOf(torrent.info), v1: null, seq: 1, path });
  const content = await world.open(torrent, { force: true });
  assert.deepEqual([here(content), world.checker.looked], [[0, 1, 2, 3, 5], 6]);
  await content.close("failed");
});

Deno.test("Content never moves a ledger, which a node may have open", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef", "data.ldb");
  const path = world.put("data.ldb", contentOf("abcxxx"));
  const content = await world.open(torrent);
  assert.deepEqual(here(content), [0, 1, 2]);
  assert.deepEqual(Deno.readFileSync(path), contentOf("abcxxx"));
  await content.close("failed");
});

Deno.test({
  name: "Content copies out of a link that would lead nowhere once moved",
  ignore: notOnWindows(NO_LINKS),
}, async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const real = world.put("elsewhere/old.7z", contentOf("abXdef"));
  symlinkSync("elsewhere/old.7z", join(world.root, "snap.7z"));
  const content = await world.open(torrent);
  assert.deepEqual(here(content), [0, 1, 3, 4, 5]);
  assert.deepEqual(Deno.readFileSync(real), contentOf("abXdef"));
  assert.ok(Deno.lstatSync(join(world.root, "snap.7z")).isSymlink);
  await content.close("failed");
});

Deno.test("Content adopts a folder, the files that it lacks included", async () => {
  for (const kind of KINDS) {
    using world = new World();
    const torrent = new LetterTorrent(
      kind,
      { "a.bin": "abc", "sub/b.bin": "defg", "sub/c.bin": "hi" },
      "snap",
    );
    const [a, b] = torrent.contents;
    world.put("snap/a.bin", a!);
    world.put("snap/sub/b.bin", b!.subarray(0, 3 * 16384));
    const content = await world.open(torrent);
    const good = here(content);
    assert.ok(good.length >= 4, `${good}`);
    assert.equal(systemFiles.stat(join(world.root, "snap")), undefined);
    assert.deepEqual(Deno.readFileSync(join(content.path, "a.bin")), a);
    const again = await world.open(torrent);
    assert.deepEqual([here(again), world.checker.looked], [good, 0], "after a kill");
    await again.close("failed");
  }
});

Deno.test("Content.open() refuses a folder in a file's place, and a file in a folder's", async () => {
  using world = new World();
  world.put("snap.7z/x", new Uint8Array(1));
  await assert.rejects(world.open(new LetterTorrent("v2", "ab")), PathUnusable);
  world.put("snap", new Uint8Array(1));
  await assert.rejects(world.open(new LetterTorrent("v2", { a: "a", b: "b" }, "snap")), PathUnusable);
});

Deno.test("Content.open() needs room for what is neither here nor moved in, and says where room could be made", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const bytes = torrent.info.totalLength;
  world.disk = { freeBytes: () => bytes - 3 * 16384 };
  systemFiles.makeDir(world.paths.incoming("ff".repeat(32)));
  await assert.rejects(world.open(torrent), (error) => {
    assert.ok(error instanceof NotEnoughSpace);
    assert.match(
      error.message,
      /more are needed in .* are free; make room, .*; parts of other snapshots lie in .*incoming/,
    );
    return true;
  });
  world.put("snap.7z", contentOf("abcd"));
  const content = await world.open(torrent);
  assert.deepEqual(here(content), [0, 1, 2]);
  await content.close("failed");
});

Deno.test("Content.close() does not wait for a slow disk after an interrupt", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const content = await world.open(torrent);
  world.fetch(content, torrent, [0]);
  content.download.storage.sync = () => new Promise(() => {});
  await content.close("interrupted");
  const after = await world.open(torrent);
  assert.deepEqual([here(after), world.checker.looked], [[0], 0], "as after a kill");
  await after.close("failed");
});

Deno.test("Content.close() fails with a full disk only when all is whole", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const isFull = () => Promise.reject(new NotEnoughSpace("Cannot flush: no space left"));
  const content = await world.open(torrent);
  world.fetch(content, torrent, [1]);
  content.download.storage.sync = isFull;
  await content.close("failed");
  assert.match(world.notes("warning").join(), /no space left; what is whole is kept/);
  const after = await world.open(torrent);
  assert.deepEqual([here(after), world.checker.looked], [[1], 0]);
  after.download.storage.sync = isFull;
  await assert.rejects(after.close("whole"), NotEnoughSpace);
});

/** The one name under which something is being fetched. */
function nameIn(world: World): string {
  const [name, ...more] = systemFiles.list(join(world.paths.own, "incoming"));
  assert.deepEqual(more, []);
  return name!;
}

function save(world: World, torrent: LetterTorrent, name: string): void {
  systemFiles.makeDir(join(world.paths.own, "torrents"));
  systemFiles.writeAtomic(world.paths.torrent(name), torrent.encoded);
}

Deno.test("Content.open() removes the segments of a run with --low-disk that was killed", async () => {
  using world = new World();
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const segments = world.paths.segments(nameOf(torrent.info));
  systemFiles.makeDir(segments);
  Deno.writeFileSync(join(segments, "seg-000000"), contentOf("ab"));
  const content = await world.open(torrent);
  assert.equal(systemFiles.stat(segments), undefined);
  await content.close("failed");
});
