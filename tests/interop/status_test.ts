// What a run says of itself while libtorrent is at its other end: metrics, probes, status.json, `status` and `health`,
// all by the real program.

import assert from "node:assert/strict";
import { join } from "node:path";
import { writeNoise } from "./kinds.ts";
import { nanoSnap } from "./stage.ts";
import { need, tempDir } from "./support.ts";
import { LibtorrentSwarm, TEST_KEY } from "./swarm.ts";
import { SwarmStage } from "./swarm_stage.ts";

const ARCHIVE = "nano-ledger-snapshot.7z";
const SIZE = 3_000_000;
/** Slow enough that whoever fetches it is seen fetching, whatever the machine does meanwhile. */
const SLOW = 20_000;

/** Runs a command to its end. */
async function say(...args: string[]) {
  await using run = nanoSnap(args, 30_000);
  const { code, stdout, stderr } = await run.finished();
  return { code, stdout, stderr };
}

/** Asks again and again until the answer holds. */
async function when<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  for (let left = 300;; left--) {
    const answer = await ask();
    if (holds(answer)) return answer;
    assert.ok(left > 0, JSON.stringify(answer));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** All samples, by name and labels. */
async function scrape(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.trimEnd().split("\n").filter((line) => !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const [, name = "", value] = /^(\S+(?:\{.*\})?) (\S+)$/.exec(line)!;
    return [name.replace(/^nano_snapshot_/, ""), Number(value)];
  }));
}

Deno.test({
  name: "produce seed tells of a libtorrent leech over HTTP, in status.json, by status and by health",
  ignore: need("libtorrent"),
}, async () => {
  await using temp = await tempDir();
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 2 });
  const dir = temp.join("out");
  await Deno.mkdir(dir);
  await writeNoise(join(dir, ARCHIVE), SIZE);
  const made = await say(
    ...["produce", "torrent", join(dir, ARCHIVE), "--piece-size", "64K"],
    ...["--original-filename", "Nano_64_2026_08_12.7z"],
  );
  const v2 = /^info_hash=(\w+)$/m.exec(made.stdout)?.[1];
  assert.ok(v2 !== undefined, made.stderr);
  await Deno.writeTextFile(join(dir, "snapshot-meta.json"), JSON.stringify({ torrent_info_hash: v2 }));

  const flags = ["--no-dht", "--no-trackers", "--bind", "127.0.0.1", "--port", "0", "--metrics-port", "0"];
  await using seeding = nanoSnap(["produce", "seed", "--output-dir", dir, ...flags], 120_000);
  const url = /http:\S+(?=\/metrics)/.exec((await seeding.stderrLine(/Metrics at /)).text)![0];
  const port = Number(/\d+$/.exec((await seeding.stderrLine(/Listening on port/)).text)![0]);
  await seeding.stderrLine(/→ seeding/);
  const info = `generation_info{service="producer",info_hash="${v2}",sequence="",` +
    `original_filename="Nano_64_2026_08_12.7z"}`;
  const idle = await scrape(url);
  assert.deepEqual(Object.fromEntries(idle), {
    bytes_uploaded_total: 0,
    bytes_downloaded_total: 0,
    'size_bytes{service="producer"}': SIZE,
    [info]: 1,
    'swarm_peers{role="leecher"}': 0,
    'swarm_peers{role="seeder"}': 0,
    swarm_connections: 0,
    swarm_dht_nodes: 0,
    ready: 1,
    'state{service="producer",state="seeding"}': 1,
  });
  assert.deepEqual(await (await fetch(`${url}/readyz`)).text(), "ready\n");

  const leech = await swarm.addLeech({
    dir: await Deno.makeTempDir({ dir: temp.path }),
    torrent: join(dir, `${ARCHIVE}.torrent`),
    downLimit: SLOW,
  });
  await swarm.connect(leech, port);
  const busy = await when(() => scrape(url), (seen) => seen.get('swarm_peers{role="leecher"}') === 1);
  assert.equal(busy.get('swarm_peers{role="seeder"}'), 0);
  assert.equal(busy.get("swarm_connections"), 1);
  // The file is written every five seconds.
  const json = await when(
    async () => JSON.parse((await say("status", "--data-dir", dir, "--json")).stdout),
    ({ peers }) => peers.connections === 1,
  );
  assert.deepEqual([json.role, json.phase, json.info_hash, json.healthy], ["produce", "seeding", v2, true]);
  assert.deepEqual(json.peers, { leechers: 1, seeds: 0, connections: 1 });
  assert.match(
    (await say("status", "--url", url)).stdout,
    /^ {2}peers +1 leechers, 0 seeds, 1 conn/m,
  );

  await swarm.limits(leech, { downLimit: 0 });
  await swarm.done(leech);
  await when(() => scrape(url), (seen) => (seen.get("bytes_uploaded_total") ?? 0) >= SIZE);
  const gone = await when(() => scrape(url), (seen) => seen.get('swarm_peers{role="leecher"}') === 0);
  assert.equal([...gone.keys()].filter((name) => name.startsWith("generation_info")).length, 1);

  for (const where of [["--data-dir", dir], ["--url", url]]) {
    assert.deepEqual(await say("health", ...where), { code: 0, stdout: "produce seed seeds\n", stderr: "" });
  }
  // Whoever finds the directory held leaves its holder's word alone.
  await using second = nanoSnap(["produce", "seed", "--output-dir", dir, ...flags], 30_000);
  assert.equal((await second.finished()).code, 9);
  assert.equal((await say("health", "--data-dir", dir)).code, 0);
  seeding.kill("SIGKILL");
  await seeding.finished();
  const after = await say("health", "--data-dir", dir);
  assert.equal(after.code, 1);
  assert.match(after.stderr, /^nano-snap: produce seed does not run any more: its process \d+ is gone$/);
});

Deno.test({
  name: "get tells in status.json how far it is, and how it ended",
  ignore: need("libtorrent"),
}, async () => {
  await using temp = await tempDir();
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 2 });
  const source = temp.join("source");
  await Deno.mkdir(source);
  await writeNoise(join(source, ARCHIVE), SIZE);
  const torrent = await swarm.createTorrent({
    path: join(source, ARCHIVE),
    torrent: temp.join("t.torrent"),
    pieceSize: 65536,
  });
  const seed = await swarm.addSeed({ dir: source, torrent: torrent.torrent, upLimit: SLOW });
  const dir = temp.join("data");
  const flags = ["--no-dht", "--no-trackers", "--bind", "127.0.0.1", "--port", "0", "--data-dir", dir];
  const args = ["get", "--torrent", torrent.torrent, "--peer", `127.0.0.1:${seed.port}`, ...flags];
  await using get = nanoSnap(args, 60_000);
  await get.stderrLine(/Download: /);
  const json = await when(
    async () => JSON.parse((await say("status", "--data-dir", dir, "--json")).stdout),
    ({ progress }) => progress?.done_bytes > 0,
  );
  assert.deepEqual([json.role, json.phase, json.info_hash], ["get", "downloading", torrent.v2]);
  assert.deepEqual([json.size_bytes, json.progress.total_bytes, json.served, json.metrics], [
    SIZE,
    SIZE,
    false,
    null,
  ]);
  assert.equal((await say("health", "--data-dir", dir)).stdout, "get is on its way (downloading)\n");
  get.kill("SIGINT");
  assert.equal((await get.finished()).code, 130);
  const ended = await say("status", "--data-dir", dir);
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /^nano-snap: get ended \d+ s ago: Interrupted: what is whole is kept/);

  await using again = nanoSnap(args, 60_000);
  await swarm.limits(seed, { upLimit: 0 });
  assert.equal((await again.finished()).code, 0);
  assert.match((await say("health", "--data-dir", dir)).stderr, /^nano-snap: get ended \d+ s ago$/);
});

Deno.test({
  name: "swarm tells of its first fetch and of what it serves, ready once it seeds",
  ignore: need("libtorrent"),
}, async () => {
  await using stage = await SwarmStage.open();
  const first = await stage.publish("abcdefgh", { upLimit: SLOW });
  const dir = stage.dataDir;
  await using mirror = nanoSnap([
    ...["swarm", "--data-dir", dir, "--bind", "127.0.0.1", "--port", "0", "--metrics-port", "0"],
    ...["--no-trackers", "--poll-interval", "1", "--dht-bootstrap", stage.swarm.bootstrap()],
    ...["--authority", TEST_KEY],
  ], 120_000);
  const url = /http:\S+(?=\/metrics)/.exec((await mirror.stderrLine(/Metrics at /)).text)![0];
  await mirror.stderrLine(/Download: /);
  const json = await when(
    async () => JSON.parse((await say("status", "--data-dir", dir, "--json")).stdout),
    ({ progress }) => progress?.done_bytes > 0,
  );
  assert.deepEqual(
    [json.role, json.phase, json.info_hash, json.seq, json.served, json.ready, json.healthy],
    ["swarm", "downloading", first.hash, first.seq, false, false, true],
  );
  const early = await fetch(`${url}/readyz`);
  assert.deepEqual([early.status, await early.text()], [503, "not ready: downloading\n"]);

  await stage.swarm.limits(first.seed, { upLimit: 0 });
  const seen = await when(() => scrape(url), (seen) => seen.get("ready") === 1);
  const info = [...seen.keys()].filter((name) => name.startsWith("generation_info"));
  assert.deepEqual(info, [
    `generation_info{service="mirror",info_hash="${first.hash}",sequence="${first.seq}",original_filename="Nano_64_1.7z"}`,
  ]);
  assert.equal(seen.get('size_bytes{service="mirror"}'), first.size);
  assert.equal(seen.get('dht_sequence{service="mirror"}'), first.seq);
  // End game may bring a block twice.
  const whole = await when(
    () => scrape(url),
    (seen) => (seen.get("bytes_downloaded_total") ?? 0) >= first.size,
  );
  assert.equal(whole.get('state{service="mirror",state="seeding"}'), 1);
  const health = await say("health", "--data-dir", dir);
  assert.deepEqual([health.code, health.stdout], [0, `swarm seeds seq ${first.seq}\n`]);
  mirror.kill("SIGTERM");
  assert.equal((await mirror.finished()).code, 143);
  assert.match((await say("health", "--data-dir", dir)).stderr, /^nano-snap: swarm ended \d+ s ago/);
});
