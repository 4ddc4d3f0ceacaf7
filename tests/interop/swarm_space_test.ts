// `nano-snap swarm` on disks that are too small: what it says, what it gives up, and what never.

import assert from "node:assert/strict";
import { join } from "node:path";
import { need, sha256OfFile } from "./support.ts";
import { cannotMount, mountSmallDisk } from "./small_disk.ts";
import { ARCHIVE, contentOf, jsonWhere, PIECE, SwarmStage } from "./swarm_stage.ts";

const ignore = need("libtorrent") || cannotMount();
/** Room for one snapshot of these tests, and not for two. */
const SMALL = 40 * PIECE;
const [A, B, C] = ["a", "b", "c"].map((letter) => Array.from({ length: 24 }, (_, i) => `${letter}${i}`)) as [
  string[],
  string[],
  string[],
];

Deno.test(
  { name: "swarm without room for two says so and serves the old one, until there is room", ignore },
  async () => {
    await using stage = await SwarmStage.open();
    await Deno.mkdir(stage.dataDir);
    await using _disk = await mountSmallDisk(stage.dataDir, SMALL);
    const first = await stage.publish(A);
    await using mirror = stage.mirror();
    await mirror.switched(first);
    // Somebody else's file, which takes what is left besides one.
    const second = await stage.publish(B);
    const { text } = await mirror.program.stderrLine(
      /Cannot fetch .* more are needed .* are free.*still seeding/,
    );
    assert.match(text, /make room, or start with --replace-in-place/);
    const path = join(stage.dataDir, "mirror_state.json");
    const state = await jsonWhere(path, ({ last_error }) => last_error !== "");
    assert.deepEqual([state["phase"], state["last_info_hash"]], ["seeding", first.hash]);
    const leech = await stage.swarm.addLeech({ dir: await stage.target(), torrent: first.torrent.torrent });
    await stage.swarm.connect(leech, await mirror.port(), { asV2: true });
    await stage.swarm.done(leech);
    assert.equal(mirror.said(/make room/).length, 1, "told once, not at each look");
    await mirror.stop();

    await using bold = stage.mirror(["--replace-in-place"]);
    await bold.seeding(first);
    await bold.program.stderrLine(/No room for two: .* gives its place to/);
    await bold.switched(second);
    await bold.mustHold(second);
    await bold.stop();
  },
);

Deno.test(
  { name: "swarm --replace-in-place takes what both share out of the old one where it lies", ignore },
  async () => {
    await using stage = await SwarmStage.open();
    await Deno.mkdir(stage.dataDir);
    await using _disk = await mountSmallDisk(stage.dataDir, SMALL);
    const first = await stage.publish(A);
    await using mirror = stage.mirror(["--replace-in-place"]);
    await mirror.switched(first);
    const second = await stage.publish([...A.slice(0, 20), ...B.slice(20)]);
    await mirror.switched(second);
    await mirror.mustHold(second);
    const { uploaded } = await stage.swarm.status(second.seed);
    assert.ok(uploaded <= 5 * PIECE, `${uploaded} bytes were fetched, 4 pieces were missing`);
    await mirror.stop();
  },
);

Deno.test(
  { name: "swarm --replace-in-place writes into an old ledger only the blocks that are new", ignore },
  async () => {
    await using stage = await SwarmStage.open();
    await Deno.mkdir(stage.dataDir);
    await using _disk = await mountSmallDisk(stage.dataDir, SMALL);
    const first = await stage.publish(A, { name: "data.ldb" });
    await using mirror = stage.mirror(["--replace-in-place"]);
    await mirror.switched(first);
    const bytes = contentOf(A);
    // One block of four, in each piece but two.
    for (let piece = 2; piece < A.length; piece++) bytes[piece * PIECE + 20_000]! ^= 1;
    const second = await stage.publishFile("data.ldb", (path) => Deno.writeFile(path, bytes));
    await mirror.program.stderrLine(/No room for two: .* gives its place to/);
    await mirror.switched(second);
    const snapshots = join(stage.dataDir, ".nano-snap", "snapshots");
    assert.equal(sha256OfFile(join(snapshots, second.hash, "data.ldb")), second.sha256);
    assert.deepEqual([...Deno.readDirSync(snapshots)].map(({ name }) => name), [second.hash]);
    const { uploaded } = await stage.swarm.status(second.seed);
    assert.ok(uploaded <= 30 * 16_384, `${uploaded} bytes were fetched, 22 blocks are new`);
    await mirror.stop();
  },
);

Deno.test({
  name: "swarm --keep gives up kept ones, the oldest first, before it calls the disk full",
  ignore,
}, async () => {
  await using stage = await SwarmStage.open();
  await Deno.mkdir(stage.dataDir);
  await using _disk = await mountSmallDisk(stage.dataDir, 2 * SMALL);
  await using mirror = stage.mirror(["--keep", "5"]);
  for (const letters of [A, B, C, A.map((name) => `${name}!`)]) {
    const next = await stage.publish(letters);
    await mirror.switched(next);
    await mirror.mustHold(next);
  }
  assert.ok(mirror.said(/Dropped the kept/).length > 0);
  assert.equal(Deno.statSync(join(stage.dataDir, ARCHIVE)).size, 24 * PIECE);
  await mirror.stop();
});

Deno.test(
  { name: "swarm whose disk is filled by others in the middle of a download keeps serving", ignore },
  async () => {
    await using stage = await SwarmStage.open();
    await Deno.mkdir(stage.dataDir);
    await using _disk = await mountSmallDisk(stage.dataDir, 64 * PIECE);
    const first = await stage.publish(A);
    {
      await using mirror = stage.mirror();
      await mirror.switched(first);
      await mirror.stop();
    }
    const second = await stage.publish(B, { upLimit: 300_000 });
    await using mirror = stage.mirror();
    await mirror.program.stderrLine(/first verified block is on disk/);
    // All that is free.
    const filler = join(stage.dataDir, "somebody-elses");
    const file = await Deno.open(filler, { write: true, create: true });
    await assert.rejects(async () => {
      for (const block = new Uint8Array(4096);;) await file.write(block);
    });
    file.close();
    await mirror.program.stderrLine(/still seeding/);
    const leech = await stage.swarm.addLeech({ dir: await stage.target(), torrent: first.torrent.torrent });
    await stage.swarm.connect(leech, await mirror.port(), { asV2: true });
    await stage.swarm.done(leech);
    await Deno.remove(filler);
    mirror.program.kill("SIGHUP");
    await mirror.switched(second);
    await mirror.mustHold(second);
    await mirror.stop();
  },
);
