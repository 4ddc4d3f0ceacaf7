// How `nano-snap swarm` begins: over what the Python mirror left, over what it left itself, where somebody else is, and
// what makes it look and run a hook.

import assert from "node:assert/strict";
import { join } from "node:path";
import { freePort, need, sha256OfFile } from "./support.ts";
import { nanoSnap } from "./stage.ts";
import { ARCHIVE, contentOf, type Generation, jsonWhere, Mirror, PIECE, SwarmStage } from "./swarm_stage.ts";
import { TEST_KEY } from "./swarm.ts";
import { HttpTrackerStub } from "./tracker_stub.ts";

const ignore = need("libtorrent");

/** The files of the Python mirror of either era, about a snapshot that it has. */
async function writePythonState(
  stage: SwarmStage,
  what: Generation,
  era: "first" | "second",
): Promise<void> {
  const { seq, signature } = await stage.swarm.dhtGet();
  const state = {
    last_seq: seq,
    last_info_hash: what.hash,
    current_torrent_name: ARCHIVE,
    phase: "seeding",
    last_error: "",
  };
  const key = era === "first"
    ? {
      authority_pubkey: TEST_KEY,
      authority_pubkey_nano: "nano_1xyz",
      source_url: "https://example.org/x.7z",
    }
    : { producer_signing_pubkey: TEST_KEY };
  const meta = {
    ...key,
    dht_pubkey: TEST_KEY,
    dht_signature: signature,
    dht_seq: seq,
    dht_salt: "daily",
    torrent_info_hash: what.hash,
    dht_verified: true,
    current_torrent_name: ARCHIVE,
    original_filename: "Nano_64_1.7z",
    somebody_elses: [1, 2],
  };
  await Deno.mkdir(stage.dataDir, { recursive: true });
  await Deno.writeTextFile(join(stage.dataDir, "mirror_state.json"), JSON.stringify(state, null, 2));
  await Deno.writeTextFile(join(stage.dataDir, "snapshot-meta.json"), JSON.stringify(meta, null, 2));
  await Deno.writeTextFile(join(stage.dataDir, ".dht_state"), "d9:node-id20:xxxxxxxxxxxxxxxxxxxxe");
  await Deno.mkdir(join(stage.dataDir, ".resume"));
  await Deno.writeTextFile(join(stage.dataDir, ".resume", `${what.hash}.fastresume`), "de");
}

Deno.test({
  name: "swarm takes over a whole archive of the Python mirror without fetching any of it",
  ignore,
}, async () => {
  await using stage = await SwarmStage.open();
  const first = await stage.publish("abcdefgh");
  await writePythonState(stage, first, "second");
  await Deno.copyFile(first.path, join(stage.dataDir, ARCHIVE));
  await using mirror = stage.mirror();
  await mirror.switched(first);
  await mirror.mustHold(first);
  assert.equal((await stage.swarm.status(first.seed)).uploaded, 0);
  assert.equal(mirror.said(/Adopted .*524.3 of 524.3 KB are good/).length, 1);
  const meta = await jsonWhere(join(stage.dataDir, "snapshot-meta.json"), () => true);
  assert.deepEqual(meta["somebody_elses"], [1, 2]);
  assert.equal(meta["original_filename"], "Nano_64_1.7z");
  assert.equal(
    (await jsonWhere(join(stage.dataDir, "mirror_state.json"), () => true))["last_seq"],
    first.seq,
  );
  await mirror.stop();
});

Deno.test({
  name: "swarm goes on with a half-written archive of the first Python mirror, under its own names",
  ignore,
}, async () => {
  await using stage = await SwarmStage.open();
  const first = await stage.publish("abcdefgh");
  await writePythonState(stage, first, "first");
  // As libtorrent leaves it: of full length, with holes.
  const half = contentOf("abcdefgh");
  half.fill(0, 2 * PIECE, 6 * PIECE);
  await Deno.writeFile(join(stage.dataDir, ARCHIVE), half);
  // Both names of the key, as its image sets them.
  await using mirror = stage.mirror([], { AUTHORITY_PUBKEY: TEST_KEY, PRODUCER_SIGNING_PUBKEY: TEST_KEY });
  await mirror.switched(first);
  await mirror.mustHold(first);
  const { uploaded } = await stage.swarm.status(first.seed);
  assert.ok(uploaded > 0 && uploaded <= 5 * PIECE, `${uploaded} bytes were fetched, 4 pieces were missing`);
  const meta = await jsonWhere(join(stage.dataDir, "snapshot-meta.json"), () => true);
  assert.deepEqual(
    [meta["authority_pubkey"], meta["authority_pubkey_nano"], meta["source_url"]],
    [TEST_KEY, "nano_1xyz", "https://example.org/x.7z"],
  );
  await mirror.stop();
});

Deno.test(
  { name: "swarm accepts no pointer below the seq that the Python mirror had seen", ignore },
  async () => {
    await using stage = await SwarmStage.open();
    const first = await stage.publish("abcd");
    await writePythonState(stage, first, "second");
    const path = join(stage.dataDir, "mirror_state.json");
    const state = JSON.parse(await Deno.readTextFile(path));
    await Deno.writeTextFile(
      path,
      JSON.stringify({ ...state, last_seq: 1000, last_info_hash: "ab".repeat(32) }),
    );
    await using mirror = stage.mirror();
    await mirror.program.stderrLine(/Ignored a DHT item at seq 1: a newer one was seen before/);
    await mirror.program.stderrLine(/below the seq 1000 seen before/);
    assert.equal(mirror.said(/New snapshot detected/).length, 0);
    const error = await jsonWhere(path, ({ phase }) => phase === "error");
    assert.equal(error["last_seq"], 1000);
    await mirror.stop();
  },
);

Deno.test(
  { name: "swarm serves what it has at once when it is started again, in a silent DHT too", ignore },
  async () => {
    await using stage = await SwarmStage.open();
    const first = await stage.publish("abcdefgh");
    {
      await using mirror = stage.mirror();
      await mirror.switched(first);
      await mirror.stop();
    }
    await Deno.remove(join(stage.dataDir, ".nano-snap", "dht.json"));
    await using again = stage.mirror([], {}, `127.0.0.1:${freePort()}`);
    await again.seeding(first);
    const dir = await stage.target();
    const leech = await stage.swarm.addLeech({ dir, torrent: first.torrent.torrent });
    await stage.swarm.connect(leech, await again.port(), { asV2: true });
    await stage.swarm.done(leech);
    assert.equal(sha256OfFile(join(dir, ARCHIVE)), first.sha256);
    assert.deepEqual(again.said(/Checking/), [], "nothing was hashed again");
    // Nobody answers: it says so, and goes on.
    await again.program.stderrLine(/Cannot find a snapshot of .*no DHT node answered.*still seeding/);
    const state = await jsonWhere(
      join(stage.dataDir, "mirror_state.json"),
      ({ last_error }) => last_error !== "",
    );
    assert.equal(state["phase"], "seeding");
    assert.match(String(state["last_error"]), /no DHT node answered/);
    await again.stop();
  },
);

Deno.test({ name: "swarm hashes again what was changed behind its back, and mends it", ignore }, async () => {
  await using stage = await SwarmStage.open();
  const first = await stage.publish("abcdefgh");
  await using mirror = stage.mirror();
  await mirror.switched(first);
  const path = join(stage.dataDir, ARCHIVE);
  const file = await Deno.open(path, { write: true });
  await file.seek(3 * PIECE + 5, Deno.SeekMode.Start);
  await file.write(new Uint8Array(100));
  file.close();
  mirror.program.kill("SIGHUP");
  await mirror.program.stderrLine(/was changed or taken away: it is not seeded any more/);
  for (let left = 600; !await holds(path, first.sha256); left--) {
    assert.ok(left > 0, "it was not mended");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await mirror.mustHold(first);
  await mirror.stop();
});

Deno.test(
  { name: "swarm ends 9 where another one is, and 6 in a producer's directory", ignore },
  async () => {
    await using stage = await SwarmStage.open(2);
    await using mirror = stage.mirror();
    await mirror.port();
    await using second = stage.mirror();
    const held = await second.program.finished();
    assert.equal(held.code, 9, held.stderr);
    assert.match(
      held.stderr,
      new RegExp(`another instance holds it \\(nano-snap swarm, process ${mirror.program.pid}`),
    );
    await mirror.stop();
    await Deno.writeTextFile(join(stage.dataDir, "publisher_state.json"), "{}");
    await using third = stage.mirror();
    const refused = await third.program.finished();
    assert.equal(refused.code, 6, refused.stderr);
    assert.match(refused.stderr, /producer's output directory/);
  },
);

Deno.test(
  { name: "swarm runs --on-update after each switch, looks at SIGHUP, and keeps older ones", ignore },
  async () => {
    await using stage = await SwarmStage.open();
    const first = await stage.publish("abcd");
    const [hook, facts] = [stage.temp.join("hook"), stage.temp.join("facts")];
    await Deno.writeTextFile(
      hook,
      `#!/bin/sh\necho "$NANO_SNAP_SEQ $NANO_SNAP_INFO_HASH $NANO_SNAP_PATH $# [$DHT_PRIVATE_KEY]" >> "${facts}"\n`,
      { mode: 0o755 },
    );
    const more = ["--poll-interval", "12h", "--on-update", hook, "--keep", "1"];
    await using mirror = stage.mirror(more, { DHT_PRIVATE_KEY: "secret" });
    await mirror.switched(first);
    await mirror.program.stderrLine(/hook ended well/);
    const second = await stage.publish("abXY");
    mirror.program.kill("SIGHUP");
    await mirror.switched(second);
    const place = join(stage.dataDir, ARCHIVE);
    for (let left = 300;; left--) {
      const lines = (await Deno.readTextFile(facts)).trimEnd().split("\n");
      if (lines.length === 2) {
        assert.deepEqual(lines, [first, second].map(({ seq, hash }) => `${seq} ${hash} ${place} 0 []`));
        break;
      }
      assert.ok(left > 0, lines.join("\n"));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // The one before is on disk, and served.
    const kept = join(stage.dataDir, ".nano-snap", "kept", first.hash, ARCHIVE);
    assert.equal(sha256OfFile(kept), first.sha256);
    const third = await stage.publish("QRST");
    mirror.program.kill("SIGHUP");
    await mirror.switched(third);
    const leech = await stage.swarm.addLeech({ dir: await stage.target(), torrent: second.torrent.torrent });
    await stage.swarm.connect(leech, await mirror.port(), { asV2: true });
    await stage.swarm.done(leech);
    assert.deepEqual(
      [...Deno.readDirSync(join(stage.dataDir, ".nano-snap", "kept"))].map(({ name }) => name),
      [
        second.hash,
      ],
    );
    await mirror.stop();
    // And after a new start.
    await using again = stage.mirror(["--keep", "1", "--no-refresh"]);
    await again.program.stderrLine(new RegExp(`Seeding the kept ${second.hash.slice(0, 16)}`));
    assert.deepEqual(again.said(/Checking/), []);
    await again.stop();
  },
);

async function holds(path: string, sha256: string): Promise<boolean> {
  return await Deno.stat(path).catch(() => undefined) !== undefined && sha256OfFile(path) === sha256;
}

Deno.test({
  name: "swarm tells trackers of its start, its whole snapshot and its end, within ten seconds",
  ignore,
}, async () => {
  await using stage = await SwarmStage.open(4);
  await using tracker = new HttpTrackerStub();
  await using mute = new MuteTracker();
  const first = await stage.publish("abcd");
  const trackers = [tracker.url, mute.url].flatMap((url) => ["--tracker", url]);
  const where = ["--data-dir", stage.dataDir, "--bind", "127.0.0.1", "--port", "0", "--no-metrics"];
  const whose = ["--dht-bootstrap", stage.swarm.bootstrap(), "--authority", TEST_KEY];
  await using mirror = new Mirror(
    nanoSnap(["swarm", ...where, ...whose, ...trackers], 60_000),
    stage.dataDir,
  );
  await mirror.switched(first);
  const hashes = [first.torrent.v1!, first.hash.slice(0, 40)];
  for (const infoHash of hashes) await tracker.announced({ infoHash, event: "completed" });
  await mirror.stop();
  for (const hash of hashes) {
    const events = tracker.eventsOf(hash, undefined);
    assert.deepEqual([events[0], events.includes("completed"), events.at(-1)], ["started", true, "stopped"]);
  }
  assert.equal((await jsonWhere(join(stage.dataDir, "mirror_state.json"), () => true))["phase"], "stopped");
});

/** Takes every announce and never answers. */
class MuteTracker implements AsyncDisposable {
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => this.#over.promise.then(() => new Response("too late")),
  );
  readonly #over = Promise.withResolvers<void>();

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/announce`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.resolve();
    await this.#server.shutdown();
  }
}
