// Those who have everything, among one another and among those who want it.

import assert from "node:assert/strict";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";
import { SimPeer, type SimPeerOptions } from "./sim_peer.ts";
import { World } from "./world.ts";

const KIB = 1 << 10;
const TORRENT = new FixtureTorrent("v2", 64 * KIB, [4 << 20]);
const LIMIT_MS = 1_800_000;
const LINE = { up: 500 * KIB, latencyMs: 20 };

function open(world: World, ...options: readonly Omit<SimPeerOptions, "seed">[]): SimPeer[] {
  return options.map((option, seed) => new SimPeer(world, TORRENT, { ...LINE, ...option, seed }));
}

async function close(peers: readonly SimPeer[]): Promise<void> {
  for (const peer of peers) await peer[Symbol.asyncDispose]();
}

Deno.test("two seeds that meet part at once and do not dial one another again", async () => {
  const world = new World();
  const peers = open(world, { here: "all" }, { here: "all" });
  const [a, b] = peers as [SimPeer, SimPeer];
  try {
    a.learn(b);
    await world.run(() => a.closed.length > 0, LIMIT_MS);
    assert.match(a.closed[0]!, /needs nothing/);
    await world.run(() => world.clock.nowMs() > 600_000, LIMIT_MS);
    assert.equal(a.closed.length + b.closed.length, 2);
    assert.equal(a.swarm.connections + b.swarm.connections, 0);
  } finally {
    await close(peers);
  }
});

Deno.test("a leech that has become whole parts from the seed, and serves others", async () => {
  const world = new World();
  const peers = open(world, { here: "all" }, {}, {});
  const [seed, first, second] = peers as [SimPeer, SimPeer, SimPeer];
  try {
    first.learn(seed);
    await world.run(() => first.completeMs !== undefined, LIMIT_MS);
    await world.run(() => seed.swarm.connections === 0, LIMIT_MS);
    second.learn(first);
    await world.run(() => second.completeMs !== undefined, LIMIT_MS);
    assert.equal(seed.swarm.uploadedBytes, TORRENT.layout.totalLength);
    assert.equal(first.swarm.uploadedBytes, TORRENT.layout.totalLength);
  } finally {
    await close(peers);
  }
});

Deno.test("a seed dials a leech that cannot reach it", async () => {
  const world = new World();
  const peers = open(world, { here: "all" }, {});
  const [seed, leech] = peers as [SimPeer, SimPeer];
  try {
    seed.learn(leech);
    await world.run(() => leech.completeMs !== undefined, LIMIT_MS);
  } finally {
    await close(peers);
  }
});

Deno.test("two of our kind that dial one another keep one connection, and the leech gets everything by it", async () => {
  const world = new World();
  const peers = open(world, { here: "all" }, {});
  const [seed, leech] = peers as [SimPeer, SimPeer];
  try {
    seed.learn(leech);
    leech.learn(seed);
    await world.run(() => leech.download.doneBytes > 0, LIMIT_MS);
    assert.deepEqual([seed.swarm.connections, leech.swarm.connections], [1, 1]);
    await world.run(() => leech.completeMs !== undefined, LIMIT_MS);
    assert.deepEqual(
      leech.closed.filter((why) => why.includes("twice")).length +
        seed.closed.filter((why) => why.includes("twice")).length,
      2,
    );
  } finally {
    await close(peers);
  }
});

for (const count of [4, 30]) {
  Deno.test(`a seed gives each of ${count} leeches at least half of what another gets in a minute`, async () => {
    const world = new World();
    // They give one another nothing: what they have is the seed's.
    const peers = open(
      world,
      { here: "all", up: 100 * KIB },
      ...Array.from({ length: count }, () => ({ isMiser: true })),
    );
    const [seed, ...leeches] = peers as [SimPeer, ...SimPeer[]];
    try {
      for (const leech of leeches) leech.learn(seed);
      // While everybody still wants something.
      for (let minute = 0; minute < Math.min(5, Math.floor(count * 4 * KIB / 100 / 60)); minute++) {
        const before = leeches.map(({ swarm }) => swarm.downRate.total);
        const endMs = world.clock.nowMs() + 60_000;
        await world.run(() => world.clock.nowMs() >= endMs, LIMIT_MS);
        const got = leeches.map(({ swarm }, i) => swarm.downRate.total - before[i]!);
        assert.ok(Math.min(...got) >= Math.max(...got) / 2, `minute ${minute}: ${got}`);
      }
    } finally {
      await close(peers);
    }
  });
}
