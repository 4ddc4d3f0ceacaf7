import assert from "node:assert/strict";
import type { RunEvent, RunFacts, Standing } from "../../lib/events.ts";
import { Monitor } from "../../lib/status/monitor.ts";
import { SEEDING } from "./moments.ts";

/** A monitor over a clock that the test moves. */
function watching() {
  const clock = { now: 1000, unixMs: () => clock.now };
  const monitor = new Monitor({ role: "swarm", version: "1", pid: 7, hostName: "h" }, clock);
  const at = (now: number, event: RunEvent) => {
    clock.now = now;
    monitor.take(event);
    return status();
  };
  const status = () => monitor.status({ isRunning: true, metricsUrl: undefined });
  return { clock, at, status };
}

const facts = (told: Partial<RunFacts>): RunEvent => ({ kind: "facts", facts: told });
const snapshot = {
  infoHash: "ab".repeat(32),
  infoHashV1: undefined,
  seq: 1370,
  name: "nano-ledger-snapshot.7z",
  originalFilename: "Nano_64_version_27_2026_08_12.7z",
  size: 57_600_000_000,
  path: "/x",
};
const standing = (told: Partial<Standing> = {}): RunEvent => ({
  kind: "standing",
  standing: {
    ...SEEDING.traffic,
    snapshot,
    kept: 0,
    newestSeq: 1370,
    foundUnixMs: 500,
    trouble: undefined,
    ...told,
  },
});
const fetching = {
  infoHash: snapshot.infoHash,
  seq: 1370,
  name: undefined,
  originalFilename: undefined,
  size: undefined,
};
const transfer = (doneBytes: number): RunEvent => ({
  kind: "transfer",
  progress: {
    doneBytes,
    totalBytes: 100,
    downRate: 5,
    upRate: 6,
    peers: 1,
    seeds: 2,
    connections: 4,
    etaSeconds: 9,
  },
});

Deno.test("status() tells the phase, and since when; the same phase again does not begin anew", () => {
  const { at, clock, status } = watching();
  assert.equal(status().phase, "starting");
  assert.equal(status().startedUnixMs, 1000);
  at(2000, { kind: "phase", phase: "seeding", previous: "starting" });
  at(3000, { kind: "phase", phase: "seeding", previous: "seeding" });
  clock.now = 5000;
  assert.deepEqual([status().phase, status().sinceUnixMs, status().updatedUnixMs], ["seeding", 2000, 5000]);
});

Deno.test("status() keeps a fact until it is told otherwise", () => {
  const { at } = watching();
  at(1, facts({ fetching, isReachable: true, lastError: "x" }));
  const later = at(2, facts({ lastError: undefined }));
  assert.equal(later.generation?.infoHash, snapshot.infoHash);
  assert.equal(later.isReachable, true);
  assert.equal(later.lastError, undefined);
});

Deno.test("status() takes all of a standing", () => {
  const { at } = watching();
  const seen = at(600, standing({ trouble: "the DHT is silent" }));
  assert.deepEqual(seen.traffic, SEEDING.traffic);
  assert.deepEqual(seen.generation, SEEDING.generation);
  assert.equal(seen.discoveredUnixMs, 500);
  assert.equal(seen.degraded, "the DHT is silent");
  assert.equal(at(700, { kind: "degraded", why: undefined }).degraded, undefined);
  assert.equal(at(800, { kind: "discovered", seq: 1, infoHash: "x", isNews: false }).discoveredUnixMs, 800);
});

Deno.test("status() names what is served, not what is fetched, until the switch", () => {
  const { at } = watching();
  assert.equal(at(1, facts({ fetching })).generation?.isServed, false);
  assert.equal(at(2, standing()).generation?.isServed, true);
  const next = { ...fetching, infoHash: "cd".repeat(32), seq: 1371 };
  assert.equal(at(3, facts({ fetching: next })).generation?.seq, 1370);
  const switched = at(4, {
    kind: "switched",
    snapshot: { ...snapshot, ...next, name: "n", originalFilename: "o", size: 5 },
  });
  assert.deepEqual(switched.generation, {
    infoHash: "cd".repeat(32),
    seq: 1371,
    torrentName: "n",
    originalFilename: "o",
    sizeBytes: 5,
    isServed: true,
  });
});

Deno.test("status() names what a pointer names while nothing is served", () => {
  const { at } = watching();
  const seen = at(1, { kind: "discovered", seq: 1371, infoHash: "cd".repeat(32), isNews: true });
  assert.deepEqual([seen.generation?.infoHash, seen.generation?.seq], ["cd".repeat(32), 1371]);
  at(2, facts({ fetching: { ...fetching, name: "n" } }));
  const again = at(3, { kind: "discovered", seq: 1372, infoHash: fetching.infoHash, isNews: false });
  assert.deepEqual([again.generation?.torrentName, again.generation?.seq], ["n", 1372]);
  assert.equal(at(4, standing()).generation?.seq, 1370, "what is served goes before");
});

Deno.test("status() never lets a total fall", () => {
  const { at } = watching();
  at(1, standing());
  const later = at(2, standing({ uploadedBytes: 5, peers: 0 }));
  assert.equal(later.traffic.uploadedBytes, SEEDING.traffic.uploadedBytes);
  assert.equal(later.traffic.peers, 0);
});

Deno.test("status() takes peers and rates from a download where no traffic is told", () => {
  const { at } = watching();
  const { traffic: seen, progress, beatUnixMs } = at(1, transfer(50));
  assert.deepEqual([seen.peers, seen.seeds, seen.connections, seen.downRate], [1, 2, 4, 5]);
  assert.deepEqual(progress, { label: "Download", doneBytes: 50, totalBytes: 100, etaSeconds: 9 });
  assert.equal(beatUnixMs, undefined, "a job that does not tell of its loop");
  assert.equal(at(2, { kind: "phase", phase: "finished", previous: "downloading" }).progress, undefined);
});

Deno.test("status() knows when the loop last turned", () => {
  const { at, clock, status } = watching();
  at(10, standing());
  at(20, { kind: "note", level: "info", logger: "x", text: "y" });
  clock.now = 99;
  assert.equal(status().beatUnixMs, 20);
});

Deno.test("status() says when the work came on: by bytes, other work, a newer snapshot, not by repetition", () => {
  const { at } = watching();
  const advanced = (now: number, event: RunEvent) => at(now, event).advancedUnixMs === now;
  const work = (label: string, doneBytes: number): RunEvent => (
    { kind: "work", label, doneBytes, totalBytes: 10 }
  );
  assert.ok(advanced(1, work("Checking", 0)), "it begins");
  assert.ok(!advanced(2, work("Checking", 0)));
  assert.ok(advanced(3, work("Checking", 1)));
  assert.ok(advanced(4, transfer(0)), "other work");
  assert.ok(!advanced(5, transfer(0)));
  assert.ok(advanced(6, transfer(1)));
  assert.ok(!advanced(7, transfer(0)), "a piece that turned out bad");
  const found: RunEvent = { kind: "discovered", seq: 1, infoHash: "x", isNews: true };
  assert.ok(advanced(8, found), "the first word of a snapshot");
  assert.ok(!advanced(9, found), "the same pointer brings a download on in no way");
  assert.ok(advanced(10, facts({ fetching })));
  assert.ok(!advanced(11, facts({ fetching: { ...fetching, seq: 1371 } })), "same again");
  assert.ok(advanced(12, standing()), "served");
  assert.ok(!advanced(13, standing()));
  const update = { ...fetching, infoHash: "cd" };
  assert.ok(!advanced(14, facts({ fetching: update })), "the old one is still served");
});
