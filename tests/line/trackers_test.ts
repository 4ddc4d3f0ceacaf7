// Which trackers a fetch tells of what, and that they meet one peer under all of a torrent's names.

import assert from "node:assert/strict";
import { parseMagnet } from "../../lib/torrent/magnet.ts";
import { readSource } from "../../lib/mirror/target.ts";
import { trackerLists, Trackers } from "../../lib/line/trackers.ts";
import { STREAM_TRACKERS } from "../../lib/stream.ts";
import type { Machine } from "../../lib/mirror/machine.ts";
import { TrackerWorld } from "../torrent/tracker_world.ts";

const [A, B, C] = [
  "http://a.example/announce",
  "http://b.example/announce",
  "http://c.example/announce",
] as const;
const USE = { enabled: true, named: [] };

Deno.test("trackerLists() has the torrent's own tiers, as they are", () => {
  assert.deepEqual(trackerLists({ trackers: [[A, B], [C]] }, USE), [[[A, B], [C]]]);
  assert.deepEqual(trackerLists({ trackers: [] }, USE), []);
});

Deno.test("trackerLists() has the stream's two for a pointer, unless the user names others", () => {
  assert.deepEqual(trackerLists({ trackers: undefined }, USE), [[STREAM_TRACKERS]]);
  assert.deepEqual(trackerLists({ trackers: undefined }, { enabled: true, named: [A] }), [[[A]]]);
  // As upstream's torrents and magnets have them.
  const magnet = "magnet:?xt=urn:btmh:1220" + "ab".repeat(32) +
    "&tr=udp%3A%2F%2Ftracker.opentrackr.org%3A1337%2Fannounce&tr=udp%3A%2F%2Ftracker.torrent.eu.org%3A451%2Fannounce";
  assert.deepEqual(STREAM_TRACKERS, parseMagnet(magnet).trackers);
});

Deno.test("trackerLists() tells each that the user named for itself, and none of them twice", () => {
  const named = { enabled: true, named: [B, C, B] };
  assert.deepEqual(trackerLists({ trackers: [[A, B], [C]] }, named), [[[B]], [[C]], [[A]]]);
});

Deno.test("trackerLists() is empty with --no-trackers", () => {
  for (const trackers of [undefined, [[A]]]) {
    assert.deepEqual(trackerLists({ trackers }, { enabled: false, named: [A] }), []);
  }
});

Deno.test("readSource() puts each tracker of a magnet into a tier of its own", () => {
  const text = `magnet:?xt=urn:btmh:1220${"ab".repeat(32)}&tr=${encodeURIComponent(A)}&tr=${
    encodeURIComponent(B)
  }`;
  const named = readSource({ kind: "magnet", text }, {} as never);
  assert.ok(named.kind === "target");
  assert.deepEqual(named.target.trackers, [[A], [B]]);
});

Deno.test("announce() tells of each hash once, as one peer, and ends when told", async () => {
  const world = new TrackerWorld();
  world.onHttp = () => ({ text: "d5:peers6:\x01\x02\x03\x04\x00\x05e" });
  const { clock, random, net, http } = world;
  const machine = { clock, random, net, http, client: "nano-snap 9.9" } as Machine;
  const stop = new AbortController();
  const found: string[] = [];
  await using trackers = new Trackers({
    machine,
    lists: [[[A]], [[B]]],
    peerId: new Uint8Array(20).fill(0x41),
    port: 6881,
    bind: [],
    stats: () => ({ downloaded: 0, uploaded: 0, left: 1 }),
    needsPeers: () => false,
    onPeer: (peer, source) => found.push(`${peer.host} ${source}`),
    report: () => {},
    signal: stop.signal,
  });
  const v2Short = new Uint8Array(20).fill(0x42);
  const tasks = trackers.announce({ v1: undefined, v2Short });
  await world.clock.sleep(10);
  tasks.push(...trackers.announce({ v1: new Uint8Array(20).fill(0x43), v2Short }));
  await world.clock.sleep(10);
  trackers.complete();
  stop.abort();
  await Promise.all(tasks);
  const lives = new Map<string, string[]>();
  for (const { url: { host, searchParams } } of world.got) {
    const life = `${host} ${searchParams.get("info_hash")?.[0]}`;
    lives.set(life, [...(lives.get(life) ?? []), searchParams.get("event") ?? ""]);
  }
  const whole = ["started", "completed", "stopped"];
  assert.deepEqual(
    lives,
    new Map(["a.example B", "b.example B", "a.example C", "b.example C"].map((x) => [x, whole])),
  );
  assert.equal(new Set(world.got.map(({ url }) => url.searchParams.get("key"))).size, 1);
  assert.deepEqual(new Set(found), new Set(["1.2.3.4 tracker-v2", "1.2.3.4 tracker-v1"]));
});
