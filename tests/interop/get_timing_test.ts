// When `nano-snap get` acts: as soon as there is something to act on, however few nodes answer; and what a stop keeps.

import assert from "node:assert/strict";
import { mustGet, nanoSnap, needStage, Stage } from "./stage.ts";
import { freePort } from "./support.ts";

const SMALL = 25_000;
const MIB = 1 << 20;
/** From exec, Deno's own start included (issue 2, section 6). */
const FIRST_BLOCK_MS = 3000;

Deno.test({
  name: "get has a verified block within 3 s of exec",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open(16);
    const published = await stage.publish({ pieceSize: 32 * MIB });
    await warmUp();
    await using run = stage.get(["--log-level", "DEBUG"]);
    const { atMs } = await run.stderrLine(/first verified block/);
    assert.ok(atMs < FIRST_BLOCK_MS, `${Math.round(atMs)} ms`);
    await mustGet(run, published, stage.dataDir);
  },
});

Deno.test({
  name: "get has a verified block within 3 s of exec with a quarter of the DHT dead",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open(16);
    const published = await stage.publish({ blocks: SMALL, pieceSize: MIB });
    await warmUp();
    for (const index of [4, 7, 10, 13]) await stage.swarm.stopDhtNode(index);
    await using run = stage.get(["--log-level", "DEBUG"]);
    const { atMs } = await run.stderrLine(/first verified block/);
    assert.ok(atMs < FIRST_BLOCK_MS, `${Math.round(atMs)} ms`);
    await mustGet(run, published, stage.dataDir);
  },
});

Deno.test({
  name: "get finds the DHT by its cached nodes when the bootstrap node is dead",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: SMALL, pieceSize: MIB });
    {
      await using first = stage.get();
      await mustGet(first, published, stage.dataDir);
    }
    await using second = stage.get([
      "--force",
      "--dht-bootstrap",
      `127.0.0.1:${freePort()}`,
      "--discover-timeout",
      "10",
    ]);
    await mustGet(second, published, stage.dataDir);
  },
});

Deno.test({
  name: "get dials whom it fetched from before, though nobody names them, and nobody of them without the DHT",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: SMALL, pieceSize: MIB, announce: false });
    {
      await using first = stage.get(["--peer", `127.0.0.1:${published.seeds[0]!.port}`]);
      await mustGet(first, published, stage.dataDir);
    }
    Deno.removeSync(stage.temp.join("data", "data.ldb"));
    await using second = stage.get(["--stall-timeout", "60s"]);
    await mustGet(second, published, stage.dataDir);
    Deno.removeSync(stage.temp.join("data", "data.ldb"));
    const alone = ["--torrent", published.torrent.torrent, "--stall-timeout", "3s", "--log-level", "DEBUG"];
    await using third = stage.get(alone, { dht: false });
    const { code, stderr } = await third.finished();
    assert.equal(code, 8, stderr);
  },
});

Deno.test({
  name: "get stops at SIGINT with 130 and the next run fetches only what is missing",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ pieceSize: MIB / 4, upLimit: 20 * MIB });
    const [seed] = published.seeds;
    assert.ok(seed !== undefined);
    {
      await using first = stage.get();
      await stage.swarm.uploaded(seed, 40 * MIB);
      const stopAt = performance.now();
      first.kill("SIGINT");
      const result = await first.finished();
      assert.equal(result.code, 130, result.stderr);
      assert.ok(performance.now() - stopAt < 5000, "a stop takes seconds, not minutes");
      assert.throws(() => Deno.statSync(stage.temp.join("data", "data.ldb")), Deno.errors.NotFound);
    }
    const [before = 0] = await stage.uploaded(published);
    assert.ok(before < published.torrent.size * 0.9, "it was stopped in the middle");
    await stage.swarm.limits(seed, {});
    await using second = stage.get();
    await mustGet(second, published, stage.dataDir);
    const [total = 0] = await stage.uploaded(published);
    assert.ok(total <= published.torrent.size * 1.05, `${total} bytes for ${published.torrent.size}`);
  },
});

/** So that the measured run finds its modules compiled, as every run but a machine's first does. */
async function warmUp(): Promise<void> {
  await using run = nanoSnap(["version"], 30_000);
  await run.finished();
}
