// An announcer's life in virtual time, with HTTP trackers that answer as the test says.

import assert from "node:assert/strict";
import type { Endpoint } from "../../lib/ports.ts";
import { Announcer, type AnnouncerOptions } from "../../lib/torrent/tracker.ts";
import { UdpTrackers } from "../../lib/torrent/udp_trackers.ts";
import { type HttpAnswer, TrackerWorld } from "./tracker_world.ts";

const GOOD = { text: "d8:intervali1800e5:peers6:\x01\x02\x03\x04\x00\x05e" };
const A = "http://a.example/announce";
const B = "http://b.example/announce";
const HOUR = 3_600_000;

function announcer(world: TrackerWorld, options: Partial<AnnouncerOptions> = {}) {
  const peers: Endpoint[] = [];
  const log: string[] = [];
  const made = new Announcer({
    tiers: [[A]],
    infoHash: new Uint8Array(20).fill(0xab),
    peerId: new TextEncoder().encode("-NS0100-0123456789ab"),
    port: 6881,
    bind: [],
    key: 1,
    userAgent: "nano-snap/test",
    net: world.net,
    http: world.http,
    udp: new UdpTrackers({ net: world.net, clock: world.clock, random: world.random, bind: [] }),
    clock: world.clock,
    random: world.random,
    stats: () => ({ downloaded: 1, uploaded: 2, left: 3 }),
    needsPeers: () => false,
    onPeers: (found) => peers.push(...found),
    log: (level, text) => log.push(`${level}: ${text}`),
    ...options,
  });
  return { made, peers, log };
}

/** Stops the run at a moment of virtual time. */
async function runFor(world: TrackerWorld, made: Announcer, ms: number, meanwhile = () => {}): Promise<void> {
  const stop = new AbortController();
  const running = made.run(stop.signal);
  await world.clock.sleep(ms);
  meanwhile();
  stop.abort();
  await running;
}

Deno.test("run() says started, comes back after the interval, and ends with stopped", async () => {
  const world = new TrackerWorld();
  world.onHttp = () => GOOD;
  const { made, peers } = announcer(world);
  await runFor(world, made, HOUR - 1);
  assert.deepEqual(world.said, ["a.example started", "a.example -", "a.example stopped"]);
  assert.deepEqual(world.got.map(({ atMs }) => atMs), [0, 1_800_000, HOUR - 1]);
  assert.deepEqual(peers, [{ host: "1.2.3.4", port: 5 }, { host: "1.2.3.4", port: 5 }]);
  const { searchParams } = world.got[2]!.url;
  assert.deepEqual(["downloaded", "uploaded", "left", "numwant"].map((name) => searchParams.get(name)), [
    "1",
    "2",
    "3",
    "0",
  ]);
});

Deno.test("complete() is said at once, and before stopped when the end comes with it", async () => {
  const world = new TrackerWorld();
  world.onHttp = () => GOOD;
  const first = announcer(world).made;
  const running = new AbortController();
  const done = first.run(running.signal);
  await world.clock.sleep(1000);
  first.complete();
  await world.clock.sleep(1000);
  assert.deepEqual(world.got.map(({ atMs }) => atMs), [0, 1000]);
  running.abort();
  await done;
  const second = announcer(world).made;
  await runFor(world, second, 1000, () => second.complete());
  const events = ["started", "completed", "stopped"].map((event) => `a.example ${event}`);
  assert.deepEqual(world.said, [...events, ...events]);
});

Deno.test("run() hears a started that is on its way before it says goodbye", async () => {
  const world = new TrackerWorld();
  const answered = Promise.withResolvers<void>();
  const http = {
    get: async (...args: Parameters<typeof world.http.get>) => {
      const response = await world.http.get(...args);
      if (args[0].includes("event=started")) await answered.promise;
      return response;
    },
  };
  world.onHttp = () => GOOD;
  const { made } = announcer(world, { http });
  const stop = new AbortController();
  const running = made.run(stop.signal);
  await world.clock.sleep(10);
  made.complete();
  stop.abort();
  assert.deepEqual(world.said, ["a.example started"]);
  answered.resolve();
  await running;
  assert.deepEqual(world.said, ["started", "completed", "stopped"].map((event) => `a.example ${event}`));
});

Deno.test("run() waits 2 s at most for trackers that fall silent at the end", async () => {
  const world = new TrackerWorld();
  world.onHttp = (url) => url.searchParams.get("event") === "stopped" ? "silent" : GOOD;
  const { made } = announcer(world);
  await runFor(world, made, 5000);
  assert.equal(world.clock.nowMs(), 7000);
  assert.deepEqual(world.said, ["a.example started", "a.example stopped"]);
});

Deno.test("run() says nothing to trackers that never answered, and does not wait for them", async () => {
  const world = new TrackerWorld();
  world.onHttp = () => "silent";
  const { made } = announcer(world);
  await runFor(world, made, 5000);
  assert.equal(world.clock.nowMs(), 5000);
  assert.deepEqual(world.said, ["a.example started"]);
});

Deno.test("run() does not wait at the end for a resolver that hangs", async () => {
  for (const url of [A, "udp://a.example:1/announce"]) {
    const world = new TrackerWorld();
    const resolve = () => new Promise<never>(() => {});
    const net = { ...world.net, resolve };
    const udp = new UdpTrackers({ net, clock: world.clock, random: world.random, bind: [] });
    const { made } = announcer(world, { net, udp, tiers: [[url]] });
    await runFor(world, made, 100);
    assert.equal(
      world.clock.nowMs(),
      1100,
      "only an announce that is a moment old is waited for, for a second",
    );
  }
});

Deno.test("run() goes on to the next tier 3 s into a silence, and at once after a failure", async () => {
  for (const [answer, lateMs] of [["silent", 3000], ["refused", 0]] as const) {
    const world = new TrackerWorld();
    world.onHttp = (url) => url.host === "a.example" ? answer : GOOD;
    const { made } = announcer(world, { tiers: [[A], [B]] });
    await runFor(world, made, 4000);
    assert.equal(world.got.find(({ url }) => url.host === "b.example")?.atMs, lateMs);
    assert.deepEqual(world.said.slice(-1), ["b.example stopped"]);
  }
});

Deno.test("run() outlives every kind of bad answer, and logs it without path or query", async () => {
  const bad: { answer: { status?: number; text: string }; logged: RegExp }[] = [
    { answer: { text: "<html>no</html>" }, logged: /failed: BEP 3: bencoding/ },
    { answer: { text: "" }, logged: /failed: BEP 3/ },
    { answer: { text: "le" }, logged: /failed: BEP 3: the reply is not a dictionary/ },
    { answer: { status: 500, text: "oops" }, logged: /failed: it answers with status 500/ },
    { answer: { status: 404, text: "d5:peers0:e" }, logged: /failed: it answers with status 404/ },
    { answer: { status: 400, text: "d14:failure reason2:noe" }, logged: /failed: it refuses: no/ },
    { answer: { text: "d14:failure reason2:no5:peers6:abcdefe" }, logged: /failed: it refuses: no/ },
  ];
  for (const { answer, logged } of bad) {
    const world = new TrackerWorld();
    world.onHttp = () => answer;
    const { made, peers, log } = announcer(world, {
      tiers: [["http://a.example/announce/secret?key=secret"]],
    });
    await runFor(world, made, 1000);
    assert.match(log.join("\n"), logged);
    assert.ok(!log.join("\n").includes("secret"));
    assert.deepEqual(peers, []);
  }
});

Deno.test("run() hands on a tracker's warning, and its peers all the same", async () => {
  const world = new TrackerWorld();
  world.onHttp = () => ({ text: "d5:peers6:\x01\x02\x03\x04\x00\x0515:warning message7:go awaye" });
  const { made, peers, log } = announcer(world);
  await runFor(world, made, 10);
  assert.equal(peers.length, 1);
  assert.ok(log.includes("info: Tracker a.example warns: go away"));
});

/** A reply that names our port at these addresses. */
function listed(hosts: readonly string[]): HttpAnswer {
  const list = hosts.map((host) => `d2:ip${host.length}:${host}4:porti6881ee`).join("");
  return { text: `d11:external ip4:\x05\x06\x07\x085:peersl${list}ee` };
}

async function heardFrom(tracker: string, hosts: readonly string[], bind: readonly string[] = []) {
  const world = new TrackerWorld();
  world.names.set("home.example", ["192.168.0.7"]);
  world.onHttp = () => listed(hosts);
  const { made, peers } = announcer(world, { bind, tiers: [[`http://${tracker}/announce`]] });
  await runFor(world, made, 10);
  return peers.map((peer) => peer.host);
}

Deno.test("run() does not hand on ourselves: our port at an address that is ours", async () => {
  const hosts = ["127.0.0.1", "5.6.7.8", "127.0.0.2", "1.2.3.4"];
  assert.deepEqual(
    await heardFrom("127.0.0.1", hosts),
    ["1.2.3.4"],
    "who listens everywhere listens on loopback",
  );
  assert.deepEqual(await heardFrom("127.0.0.1", hosts, ["127.0.0.2"]), ["127.0.0.1", "1.2.3.4"]);
});

Deno.test("run() takes addresses of our own network from a tracker in it only", async () => {
  const nobodys = ["0.1.2.3", "224.0.0.1", "255.255.255.255", "::", "ff02::1"];
  const hosts = ["192.168.0.9", "10.0.0.1", ...nobodys, "1.2.3.4", "2001:db8::1"];
  for (const tracker of ["a.example", "1.2.3.5"]) {
    assert.deepEqual(await heardFrom(tracker, hosts), ["1.2.3.4", "2001:db8::1"]);
  }
  for (const tracker of ["home.example", "10.9.9.9"]) {
    const all = ["192.168.0.9", "10.0.0.1", "1.2.3.4", "2001:db8::1"];
    assert.deepEqual(await heardFrom(tracker, hosts), all);
  }
});

Deno.test("run() asks nothing of this machine but /announce, by whatever name", async () => {
  const world = new TrackerWorld();
  world.onHttp = () => GOOD;
  world.names.set("sly.example", ["192.0.2.1", "127.0.0.1"]);
  const refused = [
    "127.0.0.1/admin",
    "127.1:80/",
    "[::1]/x",
    "localhost/x",
    "sly.example/x",
    "0.0.0.0/x",
    "[::ffff:127.0.0.1]/x",
  ];
  const allowed = ["127.0.0.1/announce.php", "192.0.2.1/x"];
  for (const place of [...refused, ...allowed]) {
    const { made } = announcer(world, { tiers: [[`http://${place}`]] });
    await runFor(world, made, 10);
  }
  assert.deepEqual([...new Set(world.got.map(({ url }) => url.hostname + url.pathname))], allowed);
});

Deno.test("run() asks sooner while nobody is connected, but within the tracker's least pause", async () => {
  const world = new TrackerWorld();
  world.onHttp = () => ({ text: "d8:intervali1800e12:min intervali90e5:peers0:e" });
  const { made } = announcer(world, { needsPeers: () => world.clock.nowMs() < 150_000 });
  await runFor(world, made, 1_000_000);
  assert.deepEqual(world.got.map(({ atMs }) => atMs), [0, 90_000, 1_000_000]);
});

Deno.test("run() rejects with our own bug", async () => {
  const world = new TrackerWorld();
  world.onHttp = () => GOOD;
  const { made } = announcer(world, {
    onPeers: () => {
      throw new TypeError("ours");
    },
  });
  await assert.rejects(made.run(new AbortController().signal), /ours/);
});

Deno.test("run() announces by HTTP from the bound address of the tracker's family, and from nowhere without one", async () => {
  const from = async (tracker: string, bind: readonly string[]) => {
    const world = new TrackerWorld();
    world.onHttp = () => GOOD;
    const { made, log } = announcer(world, { bind, tiers: [[`http://${tracker}/announce`]] });
    await runFor(world, made, 1000);
    return world.got[0]?.from ?? log.find((line) => line.includes("failed")) ?? "anywhere";
  };
  const [four, six] = ["192.0.2.1", "2001:db8::2"];
  assert.equal(await from("1.2.3.4", [six, four]), four);
  assert.equal(await from("[2001:db8::7]", [four, six]), six);
  assert.equal(await from("unknown.example", [four]), four);
  for (const bind of [[], ["0.0.0.0"], ["::", four]]) assert.equal(await from("1.2.3.4", bind), "anywhere");
  assert.match(await from("1.2.3.4", [six]), /it has no address of a family that we are bound to/);
});
