// `nano-snap get` that finds its peers by trackers alone: libtorrent seeds announce to a stub on loopback, there is no
// DHT, and what the stub hears from us is what BEP 3, 12, 15 and 52 want to hear.

import assert from "node:assert/strict";
import { mustGet, needStage, type Published, Stage } from "./stage.ts";
import { HttpTrackerStub, SilentUdp, type TrackerStub, UdpTrackerStub } from "./tracker_stub.ts";

const SMALL = 25_000;
const KIB = 1024;
const BY_TRACKER = { blocks: SMALL, pieceSize: 256 * KIB, pointer: false, announce: false } as const;
/** No DHT: what is found is found by trackers. */
const TRACKERS_ONLY = { dht: false, trackers: true } as const;
const WHOLE_LIFE = ["started", "completed", "stopped"];

Deno.test({
  name: "get --torrent announces both hashes of a hybrid to its HTTP tracker, and finds the seed there",
  ignore: needStage("7zz"),
  async fn() {
    await using tracker = new HttpTrackerStub();
    await using stage = await Stage.open(0);
    const published = await stage.publish({ ...BY_TRACKER, trackers: [tracker.url] });
    await seedIsKnown(tracker, published);
    await using run = stage.get(["--torrent", published.torrent.torrent], TRACKERS_ONLY);
    await mustGet(run, published, stage.dataDir);
    for (const hash of hashesOf(published)) {
      assert.deepEqual(tracker.eventsOf(hash, seedPort(published)), WHOLE_LIFE, hash);
    }
    assertOnePeer(tracker, published);
    const ours = fromUs(tracker, published);
    const started = ours.filter((one) => one.event === "started");
    assert.deepEqual(started.map((one) => one.left), [published.torrent.size, published.torrent.size]);
    const ended = ours.filter((one) => one.event !== "started");
    assert.deepEqual([...new Set(ended.map((one) => one.left))], [0]);
    assert.ok(ended.every((one) => one.downloaded >= published.torrent.size));
    assert.deepEqual(ours.map((one) => one.numWant), ours.map((one) => one.event === "stopped" ? 0 : 200));
  },
});

Deno.test({
  name: "get --magnet with tr=udp: gets a hybrid by its v2 hash, and announces v1 once it knows it",
  ignore: needStage("7zz"),
  async fn() {
    await using tracker = await UdpTrackerStub.start();
    await using stage = await Stage.open(0);
    const published = await stage.publish({ ...BY_TRACKER, trackers: [tracker.url] });
    await seedIsKnown(tracker, published);
    const magnet = `${published.torrent.magnet_v2}&tr=${encodeURIComponent(tracker.url)}`;
    await using run = stage.get(["--magnet", magnet], TRACKERS_ONLY);
    await mustGet(run, published, stage.dataDir);
    for (const hash of hashesOf(published)) {
      assert.deepEqual(tracker.eventsOf(hash, seedPort(published)), WHOLE_LIFE, hash);
    }
    assertOnePeer(tracker, published);
    const ours = fromUs(tracker, published);
    assert.equal(ours[0]?.infoHash, published.torrent.v2?.slice(0, 40));
    assert.equal(ours[0]?.left, 16_384, "nobody knows the size before the metadata");
    assert.equal(tracker.urlData.at(-1), "/announce");
  },
});

for (const listed of [false, true]) {
  Deno.test({
    name: `get --magnet finds a v2-only torrent by an HTTP tracker with ${
      listed ? "listed" : "compact"
    } peers`,
    ignore: needStage("7zz"),
    async fn() {
      await using tracker = new HttpTrackerStub({ listed });
      await using stage = await Stage.open(0);
      const published = await stage.publish({ ...BY_TRACKER, kind: "v2", trackers: [tracker.url] });
      await seedIsKnown(tracker, published);
      const magnet = `${published.torrent.magnet_v2}&tr=${encodeURIComponent(tracker.url)}`;
      await using run = stage.get(["--magnet", magnet], TRACKERS_ONLY);
      await mustGet(run, published, stage.dataDir);
      const hashes = new Set(fromUs(tracker, published).map((one) => one.infoHash));
      assert.deepEqual([...hashes], [published.torrent.v2?.slice(0, 40)]);
      assert.deepEqual(tracker.eventsOf(published.torrent.v2, seedPort(published)), WHOLE_LIFE);
    },
  });
}

Deno.test({
  name: "get goes on to the next tier while a dead tracker keeps it waiting",
  ignore: needStage("7zz"),
  async fn() {
    await using dead = await SilentUdp.start();
    await using tracker = await UdpTrackerStub.start();
    await using stage = await Stage.open(0);
    const published = await stage.publish({ ...BY_TRACKER, trackers: [tracker.url] });
    await seedIsKnown(tracker, published);
    const tr = [dead.url, tracker.url].map((url) => `&tr=${encodeURIComponent(url)}`).join("");
    await using run = stage.get(["--magnet", `${published.torrent.magnet_v2}${tr}`], TRACKERS_ONLY);
    await mustGet(run, published, stage.dataDir);
    const [first] = fromUs(tracker, published);
    const lateMs = (first?.atMs ?? Infinity) - await dead.asked;
    assert.ok(lateMs < 5000, `the next tier was asked ${Math.round(lateMs)} ms after the dead one`);
    assert.deepEqual(tracker.eventsOf(published.torrent.v2, seedPort(published)), WHOLE_LIFE);
  },
});

Deno.test({
  name: "get --tracker tells a tracker of a torrent that names none",
  ignore: needStage("7zz"),
  async fn() {
    await using tracker = new HttpTrackerStub();
    await using stage = await Stage.open(0);
    const published = await stage.publish(BY_TRACKER);
    const peer = ["--peer", `127.0.0.1:${seedPort(published)}`];
    const named = ["--tracker", `${tracker.url}?passkey=0123`];
    const source = ["--magnet", published.torrent.magnet_v2 ?? ""];
    await using run = stage.get([...source, ...peer, ...named], TRACKERS_ONLY);
    await mustGet(run, published, stage.dataDir);
    for (const hash of hashesOf(published)) {
      assert.deepEqual(tracker.eventsOf(hash, seedPort(published)), WHOLE_LIFE, hash);
    }
    assert.ok(tracker.targets.every((target) => target.startsWith("/announce?passkey=0123&info_hash=")));
  },
});

Deno.test({
  name: "get --no-trackers tells none, whoever named it",
  ignore: needStage("7zz"),
  async fn() {
    await using tracker = new HttpTrackerStub();
    await using stage = await Stage.open(0);
    const published = await stage.publish({ ...BY_TRACKER, trackers: [tracker.url] });
    await seedIsKnown(tracker, published);
    const known = tracker.heard.length;
    const source = ["--torrent", published.torrent.torrent, "--tracker", tracker.url];
    await using run = stage.get([...source, "--stall-timeout", "2"], { dht: false });
    const { code, stderr } = await run.finished();
    assert.equal(code, 8, stderr);
    assert.match(stderr, /--tracker has no effect with --no-trackers/);
    assert.equal(tracker.heard.length, known);
  },
});

/** Both names of a hybrid, the one name of any other, as trackers know them. */
function hashesOf({ torrent }: Published): string[] {
  return [torrent.v1, torrent.v2].flatMap((hash) => hash === null ? [] : [hash.slice(0, 40)]);
}

function seedPort({ seeds }: Published): number | undefined {
  return seeds[0]?.port;
}

function fromUs(tracker: TrackerStub, published: Published) {
  return tracker.heard.filter((one) => one.port !== seedPort(published));
}

async function seedIsKnown(tracker: TrackerStub, published: Published): Promise<void> {
  const port = seedPort(published) ?? 0;
  for (const infoHash of hashesOf(published)) await tracker.announced({ infoHash, port });
}

/** All that is not the seed's came from one peer with one port and one key. */
function assertOnePeer(tracker: TrackerStub, published: Published): void {
  const ours = fromUs(tracker, published);
  for (const name of ["peerId", "port", "key"] as const) {
    assert.equal(new Set(ours.map((one) => one[name])).size, 1, name);
  }
  assert.match(ours[0]?.peerId ?? "", /^2d4e5330313030/, "-NS0100");
}
