// UDP trackers in virtual time: what is sent when, and which answers count.

import assert from "node:assert/strict";
import { concatBytes, parseHex, toHex, utf8 } from "../../lib/bytes.ts";
import { OperationFailed } from "../../lib/errors.ts";
import type { AnnounceReply, AnnounceRequest, TrackerEvent } from "../../lib/torrent/tracker_wire.ts";
import { UdpTrackers } from "../../lib/torrent/udp_trackers.ts";
import { TrackerWorld } from "./tracker_world.ts";

const V4 = { host: "192.0.2.1", port: 1337 };
const V6 = { host: "2001:db8::9", port: 1337 };
const URL4 = "udp://192.0.2.1:1337/announce";
const ID = parseHex("1122334455667788")!;
const PEER = parseHex("c0000205" + "1ae1")!;
const PEER6 = parseHex("20010db8000000000000000000000005" + "1ae1")!;
const never = new AbortController().signal;

const request = (event: TrackerEvent = "started"): AnnounceRequest => ({
  infoHash: new Uint8Array(20).fill(1),
  peerId: new Uint8Array(20).fill(2),
  port: 6881,
  key: 7,
  downloaded: 0,
  uploaded: 0,
  left: 1,
  event,
  peersWanted: 200,
  trackerId: undefined,
});

const transactionOf = (packet: Uint8Array) => packet.slice(12, 16);
const isConnect = (packet: Uint8Array) => packet[11] === 0;
const connected = (packet: Uint8Array, id = ID) =>
  concatBytes(parseHex("00000000")!, transactionOf(packet), id);
const announced = (packet: Uint8Array, peers = PEER) =>
  concatBytes(parseHex("00000001")!, transactionOf(packet), parseHex("000007080000000000000001")!, peers);
const refused = (packet: Uint8Array, why: string) =>
  concatBytes(parseHex("00000003")!, transactionOf(packet), utf8(why));
const good = (packet: Uint8Array) => isConnect(packet) ? connected(packet) : announced(packet);

function open(world: TrackerWorld, bind: readonly string[] = []): UdpTrackers {
  return new UdpTrackers({ net: world.net, clock: world.clock, random: world.random, bind });
}

async function ask(
  trackers: UdpTrackers,
  options: { url?: string; event?: TrackerEvent; signal?: AbortSignal } = {},
) {
  const replies: AnnounceReply[] = [];
  const reply = await trackers.announce(options.url ?? URL4, request(options.event), {
    signal: options.signal ?? never,
    onReply: (one) => replies.push(one),
  });
  return { reply, replies };
}

Deno.test("announce() connects, announces with the id it got, and gives the peers", async () => {
  const world = new TrackerWorld();
  const { packets } = world.addUdpTracker(V4, good);
  await using trackers = open(world);
  const { reply, replies } = await ask(trackers);
  assert.deepEqual(reply.peers, [{ host: "192.0.2.5", port: 6881 }]);
  assert.equal(reply.intervalSeconds, 1800);
  assert.deepEqual(replies, [reply]);
  assert.deepEqual(packets.map(({ bytes }) => bytes.length), [16, 98 + 2 + "/announce".length]);
  assert.deepEqual(packets[1]?.bytes.subarray(0, 8), ID);
  assert.notEqual(toHex(transactionOf(packets[0]!.bytes)), toHex(transactionOf(packets[1]!.bytes)));
});

Deno.test("announce() keeps a connection id for a minute, for each address and port", async () => {
  const world = new TrackerWorld();
  const first = world.addUdpTracker(V4, good);
  const second = world.addUdpTracker({ ...V4, port: 1338 }, good);
  await using trackers = open(world);
  await ask(trackers);
  await world.clock.sleep(59_999);
  await ask(trackers);
  await ask(trackers, { url: "udp://192.0.2.1:1338" });
  const connects = (of: typeof first) => of.packets.filter(({ bytes }) => isConnect(bytes)).length;
  assert.deepEqual([connects(first), first.packets.length, connects(second)], [1, 3, 1]);
  await world.clock.sleep(1);
  await ask(trackers);
  assert.equal(connects(first), 2);
});

Deno.test("announce() sends again after 15 and 45 s, and gives up after 60", async () => {
  const world = new TrackerWorld();
  const { packets } = world.addUdpTracker(V4, () => undefined);
  await using trackers = open(world);
  await assert.rejects(ask(trackers), (error) => {
    assert.ok(error instanceof OperationFailed);
    assert.equal(error.message, "no answer in 60 s");
    return true;
  });
  assert.deepEqual(packets.map(({ atMs }) => atMs), [0, 15_000, 45_000]);
  assert.equal(new Set(packets.map(({ bytes }) => toHex(bytes))).size, 1, "the same packet each time");
});

Deno.test("announce() loses no announce with a lost datagram", async () => {
  const world = new TrackerWorld();
  let seen = 0;
  const { packets } = world.addUdpTracker(V4, (packet) => ++seen % 2 === 1 ? undefined : good(packet));
  await using trackers = open(world);
  await ask(trackers);
  assert.deepEqual(packets.map(({ atMs }) => atMs), [0, 15_000, 15_000, 30_000]);
});

Deno.test("announce() takes no answer from elsewhere, of another transaction, or of the wrong kind", async () => {
  const world = new TrackerWorld();
  const liar = world.udp.open({ host: "203.0.113.66", port: 1337 });
  const neighbour = world.udp.open({ ...V4, port: 1 });
  const forged = parseHex("ffffffffffffffff")!;
  const socket = world.udp.open(V4);
  let announcedId = "";
  socket.onDatagram((packet, from) => {
    if (!isConnect(packet)) {
      announcedId = toHex(packet.subarray(0, 8));
      return socket.send(announced(packet), from);
    }
    const other = packet.slice();
    other[15]! ^= 1;
    for (const stranger of [liar, neighbour]) stranger.send(connected(packet, forged), from);
    socket.send(connected(other, forged), from);
    socket.send(announced(packet), from);
    socket.send(new Uint8Array(0), from);
    socket.send(connected(packet).subarray(0, 12), from);
    socket.send(connected(packet), from);
    socket.send(connected(packet, forged), from);
  });
  await using trackers = open(world);
  const { replies } = await ask(trackers);
  assert.equal(announcedId, toHex(ID));
  assert.equal(replies.length, 1);
});

Deno.test("announce() says why the tracker refuses, whether it connects or announces", async () => {
  for (const refusesConnect of [true, false]) {
    const world = new TrackerWorld();
    world.addUdpTracker(V4, (packet) => {
      return isConnect(packet) && !refusesConnect ? connected(packet) : refused(packet, "not here");
    });
    await using trackers = open(world);
    await assert.rejects(ask(trackers), /^OperationFailed: it refuses: not here$/);
    assert.equal(world.clock.nowMs(), 0, "a refusal is not waited for again");
  }
});

Deno.test("announce() connects anew when a tracker has forgotten a connection id, once", async () => {
  const world = new TrackerWorld();
  let known = ID;
  const { packets } = world.addUdpTracker(V4, (packet) => {
    if (isConnect(packet)) return connected(packet, known);
    return toHex(packet.subarray(0, 8)) === toHex(known) ? announced(packet) : refused(packet, "mismatch");
  });
  await using trackers = open(world);
  await ask(trackers);
  known = parseHex("0000000000000001")!;
  await ask(trackers, { event: "none" });
  assert.deepEqual(packets.map(({ bytes }) => isConnect(bytes) ? "c" : "a").join(""), "caaca");
});

Deno.test("announce() asks both families at once, and a dead one delays nothing", async () => {
  const world = new TrackerWorld();
  world.names.set("t.example", [V4.host, "192.0.2.2", V6.host]);
  const four = world.addUdpTracker(V4, () => undefined);
  world.addUdpTracker(V6, (packet) => isConnect(packet) ? connected(packet) : announced(packet, PEER6));
  await using trackers = open(world);
  const stop = new AbortController();
  const { reply } = await ask(trackers, { url: "udp://t.example:1337/announce", signal: stop.signal });
  assert.deepEqual(reply.peers, [{ host: "2001:db8::5", port: 6881 }]);
  assert.equal(world.clock.nowMs(), 0);
  assert.equal(four.packets.length, 1);
  // Only who answered knows us, and only who knows us is told that we stop.
  await ask(trackers, { url: "udp://t.example:1337/announce", event: "stopped", signal: stop.signal });
  assert.equal(four.packets.length, 1);
  stop.abort();
});

Deno.test("announce() sends from the addresses given only", async () => {
  const world = new TrackerWorld();
  world.names.set("t.example", [V4.host, V6.host]);
  const four = world.addUdpTracker(V4, good);
  const six = world.addUdpTracker(V6, good);
  await using trackers = open(world, ["198.51.100.77"]);
  await ask(trackers, { url: "udp://t.example:1337" });
  assert.deepEqual([four.packets.length, six.packets.length], [2, 0]);
  await assert.rejects(ask(trackers, { url: "udp://[2001:db8::9]:1337" }), /no IPv6 address to send from/);
});

Deno.test("announce() ends when the signal aborts, and when the name has no address", async () => {
  const world = new TrackerWorld();
  world.addUdpTracker(V4, () => undefined);
  await using trackers = open(world);
  const stop = new AbortController();
  const asking = ask(trackers, { signal: stop.signal });
  stop.abort();
  await assert.rejects(asking, OperationFailed);
  assert.equal(world.clock.nowMs(), 0);
  await assert.rejects(ask(trackers, { url: "udp://nowhere.example:1/" }), /its address cannot be found/);
});
