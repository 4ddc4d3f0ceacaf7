// `produce seed` as a process: what it publishes and serves is found, fetched and unpacked by libtorrent and by our own
// `get`; it changes over to a new archive under the eyes of whoever fetches the old one; and it ends as it should.

import assert from "node:assert/strict";
import { join } from "node:path";
import { flip } from "./damage.ts";
import { ledgerFixture } from "./ledger_fixture.ts";
import { writeNoise } from "./kinds.ts";
import { nanoSnap, needStage } from "./stage.ts";
import { need, type RunningProgram, sha256OfFile, tempDir } from "./support.ts";
import { LibtorrentSwarm, TEST_KEY } from "./swarm.ts";
import { HttpTrackerStub } from "./tracker_stub.ts";

const KEY = { DHT_PRIVATE_KEY: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" };
const ARCHIVE = "nano-ledger-snapshot.7z";

interface Seeding extends AsyncDisposable {
  readonly program: RunningProgram;
  readonly port: number;
}

/** Starts the daemon on loopback and waits until it serves. */
async function startSeed(
  dir: string,
  more: readonly string[],
  env: Record<string, string> = {},
): Promise<Seeding> {
  const args = ["produce", "seed", "--output-dir", dir, "--bind", "127.0.0.1", "--port", "0", ...more];
  const program = nanoSnap(args, 180_000, env);
  const { text } = await program.stderrLine(/Listening on port \d+/);
  await program.stderrLine(/Seeding \/.*: /);
  const port = Number(/port (\d+)/.exec(text)![1]);
  return { program, port, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

async function mustPublish(
  swarm: LibtorrentSwarm,
  file: string,
  more: readonly string[] = [],
): Promise<string> {
  const where = ["--dht-bootstrap", swarm.bootstrap(), "--bind", "127.0.0.1", "--no-trackers"];
  await using run = nanoSnap(["produce", "publish", file, ...where, ...more], 60_000, KEY);
  const { code, stdout, stderr } = await run.finished();
  assert.equal(code, 0, stderr);
  return /^info_hash=(\w+)$/m.exec(stdout)![1]!;
}

/** Everything but the put: the pair as it lies in the folder. */
async function mustPrepare(dir: string, size: number, name = ARCHIVE): Promise<string> {
  const file = join(dir, name);
  await Deno.mkdir(dir, { recursive: true });
  // A new file takes the name, as the pipeline does it.
  await writeNoise(`${file}.new-${size}`, size);
  await Deno.rename(`${file}.new-${size}`, file);
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 2 });
  const args = [
    "--dht-bootstrap",
    swarm.bootstrap(),
    "--bind",
    "127.0.0.1",
    "--dry-run",
    "--piece-size",
    "64K",
  ];
  await using run = nanoSnap(["produce", "publish", file, ...args, "--no-trackers"], 60_000, KEY);
  const { code, stdout, stderr } = await run.finished();
  assert.equal(code, 0, stderr);
  return /^info_hash=(\w+)$/m.exec(stdout)![1]!;
}

// deno-lint-ignore no-explicit-any
async function statsWhere(dir: string, holds: (stats: any) => boolean): Promise<Record<string, unknown>> {
  const path = join(dir, "seeder-stats.json");
  for (let left = 300;; left--) {
    const stats = JSON.parse(await Deno.readTextFile(path).catch(() => "{}"));
    if (holds(stats)) return stats;
    assert.ok(left > 0, JSON.stringify(stats));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

Deno.test({
  name: "produce publish, produce seed: libtorrent and our get fetch at once what the DHT names",
  ignore: needStage("7zz"),
}, async () => {
  await using temp = await tempDir();
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 8 });
  await using tracker = new HttpTrackerStub();
  const ledger = await ledgerFixture();
  const dir = temp.join("out");
  await Deno.mkdir(dir);
  const archive = join(dir, ARCHIVE);
  await Deno.copyFile(await ledger.archive("7z"), archive);
  const v2 = await mustPublish(swarm, archive);
  await using seeding = await startSeed(dir, [
    ...["--dht-bootstrap", swarm.bootstrap()],
    ...["--tracker", tracker.url],
    ...["--metrics-port", "0"],
  ], KEY);
  await seeding.program.stderrLine(/Published seq 1 /);
  // At once, not with the next line of statistics.
  const metrics = seeding.program.stderrLines.map(({ text }) => /http:\S+(?=\/metrics)/.exec(text)?.[0]);
  const ready = await fetch(`${metrics.find((url) => url !== undefined)}/readyz`);
  assert.equal(await ready.text(), "ready\n");
  const stats = await statsWhere(dir, ({ dht_verified }) => dht_verified === true);
  assert.equal(stats["torrent_info_hash"], v2);
  assert.deepEqual([stats["dht_sequence"], stats["seeder_ready"], stats["state"]], [1, true, "seeding"]);
  const item = await swarm.dhtGet();
  assert.equal(item.v, `33323a${v2}`);

  // Both know the magnet, or the key, and nothing else.
  const target = await Deno.makeTempDir({ dir: temp.path });
  const leech = await swarm.addLeech({
    dir: target,
    magnet: `magnet:?xt=urn:btmh:1220${item.v!.slice(6)}`,
    dht: true,
  });
  const common = [
    "--bind",
    "127.0.0.1",
    "--port",
    "0",
    "--no-trackers",
    "--dht-bootstrap",
    swarm.bootstrap(),
  ];
  await using get = nanoSnap(
    ["get", "--extract", "--json", "--data-dir", temp.join("data"), "--authority", TEST_KEY, ...common],
    90_000,
  );
  await swarm.done(leech, 90_000);
  assert.equal(sha256OfFile(join(target, ARCHIVE)), sha256OfFile(archive));
  const got = await get.finished();
  assert.equal(got.code, 0, got.stderr);
  assert.equal(sha256OfFile(temp.join("data", "data.ldb")), ledger.sha256);

  const atMs = performance.now();
  seeding.program.kill("SIGTERM");
  const { code } = await seeding.program.finished();
  assert.equal(code, 143);
  assert.ok(performance.now() - atMs < 10_000);
  for (
    const hash of [
      v2,
      JSON.parse(await Deno.readTextFile(join(dir, "snapshot-meta.json"))).torrent_info_hash_v1,
    ]
  ) {
    assert.deepEqual(tracker.eventsOf(hash, undefined), ["started", "stopped"]);
  }
  assert.equal((await statsWhere(dir, ({ state }) => state === "stopped"))["total_upload_mib"] !== 0, true);
});

Deno.test({
  name: "produce seed takes a new archive at SIGHUP while a libtorrent leech goes on with the old one",
  ignore: need("libtorrent"),
}, async () => {
  await using temp = await tempDir();
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 8 });
  const dir = temp.join("out");
  const [first, sizes] = [await mustPrepare(dir, 6_000_000), [6_000_000, 3_000_000]] as const;
  const oldSha = sha256OfFile(join(dir, ARCHIVE));
  const oldTorrent = temp.join("old.torrent");
  await Deno.copyFile(join(dir, `${ARCHIVE}.torrent`), oldTorrent);
  await using seeding = await startSeed(dir, [
    ...["--dht-bootstrap", swarm.bootstrap(), "--no-trackers"],
    ...["--retain", "1"],
  ], KEY);
  await statsWhere(dir, ({ dht_sequence }) => dht_sequence === 1);
  const oldTarget = await Deno.makeTempDir({ dir: temp.path });
  const old = await swarm.addLeech({ dir: oldTarget, torrent: oldTorrent, downLimit: 600_000 });
  await swarm.connect(old, seeding.port);

  const second = await mustPrepare(dir, sizes[1]);
  seeding.program.kill("SIGHUP");
  const stats = await statsWhere(dir, (stats) => stats.dht_sequence === 2 && stats.dht_verified);
  assert.equal(stats["torrent_info_hash"], second);
  assert.equal((await swarm.dhtGet()).v, `33323a${second}`);
  assert.ok((await swarm.status(old)).progress < 1, "the old one is still being fetched");
  const newTarget = await Deno.makeTempDir({ dir: temp.path });
  const fresh = await swarm.addLeech({ dir: newTarget, magnet: `magnet:?xt=urn:btmh:1220${second}` });
  await swarm.connect(fresh, seeding.port, { asV2: true });
  await swarm.done(fresh, 30_000);
  await swarm.done(old, 60_000);
  assert.equal(sha256OfFile(join(oldTarget, ARCHIVE)), oldSha);
  assert.equal(sha256OfFile(join(newTarget, ARCHIVE)), sha256OfFile(join(dir, ARCHIVE)));
  assert.equal(sha256OfFile(join(dir, "retained", first, ARCHIVE)), oldSha);
  await statsWhere(dir, ({ retained_torrent_count }) => retained_torrent_count === 1);

  // Started anew, it finds both, and checks neither again.
  seeding.program.kill("SIGINT");
  assert.equal((await seeding.program.finished()).code, 130);
  await using again = await startSeed(dir, ["--no-dht", "--no-trackers", "--retain", "1"]);
  await again.program.stderrLine(/Seeding the retained/);
  assert.ok(again.program.stderrLines.every(({ text }) => !/Checking/.test(text)));
  const third = await swarm.addLeech({
    dir: await Deno.makeTempDir({ dir: temp.path }),
    torrent: oldTorrent,
  });
  await swarm.connect(third, again.port, { asV2: true });
  await swarm.done(third, 30_000);
});

Deno.test({ name: "produce seed refuses what it cannot seed", ignore: need("libtorrent") }, async (t) => {
  await using temp = await tempDir();
  const whole = temp.join("whole");
  await mustPrepare(whole, 300_000);
  const cases: [name: string, spoil: (dir: string) => Promise<void> | void, code: number, why: RegExp][] = [
    ["no folder", (dir) => Deno.remove(dir, { recursive: true }), 6, /there is no such folder/],
    [
      "no snapshot-meta.json",
      (dir) => Deno.remove(join(dir, "snapshot-meta.json")),
      6,
      /has no snapshot-meta/,
    ],
    ["no archive", (dir) => Deno.remove(join(dir, ARCHIVE)), 6, /no archive there has its .torrent/],
    [
      "no torrent",
      (dir) => Deno.remove(join(dir, `${ARCHIVE}.torrent`)),
      6,
      /no archive there has its .torrent/,
    ],
    [
      "another torrent",
      (dir) => edit(dir, { torrent_info_hash: "ab".repeat(32) }),
      6,
      /names abababababababab/,
    ],
    ["a meta without a hash", (dir) => edit(dir, { torrent_info_hash: 7 }), 6, /names no torrent/],
    [
      "a damaged torrent",
      (dir) => Deno.writeTextFile(join(dir, `${ARCHIVE}.torrent`), "d4:infoi1ee"),
      4,
      /Cannot use/,
    ],
    [
      "another size",
      (dir) => Deno.writeTextFile(join(dir, ARCHIVE), "short"),
      4,
      /has 5 bytes, its torrent is of 300000/,
    ],
    ["one bit", (dir) => flip(join(dir, ARCHIVE), 200_000), 4, /piece 3 is not that of its torrent/],
  ];
  for (const [name, spoil, code, why] of cases) {
    await t.step(name, async () => {
      const dir = temp.join(name);
      await Deno.mkdir(dir);
      for await (const { name: file, isFile } of Deno.readDir(whole)) {
        if (isFile) await Deno.copyFile(join(whole, file), join(dir, file));
      }
      await spoil(dir);
      await using run = nanoSnap(
        [
          "produce",
          "seed",
          "--output-dir",
          dir,
          "--bind",
          "127.0.0.1",
          "--port",
          "0",
          "--no-dht",
          "--no-trackers",
        ],
        30_000,
      );
      const result = await run.finished();
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr.split("\n").at(-1) ?? "", why);
    });
  }
  await t.step("a folder that another seeder has", async () => {
    await using seeding = await startSeed(whole, ["--no-dht", "--no-trackers"]);
    await using second = nanoSnap(
      ["produce", "seed", "--output-dir", whole, "--bind", "127.0.0.1", "--port", "0", "--no-dht"],
      30_000,
    );
    const { code, stderr } = await second.finished();
    assert.equal(code, 9, stderr);
    assert.match(stderr, /another seeder has it/);
    seeding.program.kill("SIGTERM");
    assert.equal((await seeding.program.finished()).code, 143);
  });
});

async function edit(dir: string, changed: Record<string, unknown>): Promise<void> {
  const path = join(dir, "snapshot-meta.json");
  await Deno.writeTextFile(
    path,
    JSON.stringify({ ...JSON.parse(await Deno.readTextFile(path)), ...changed }),
  );
}
