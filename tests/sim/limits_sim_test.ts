// Limits with many peers at once, on virtual time: a rate that is shared must not come in surges, and a bound on
// connections holds while some are being opened by us and some by others.

import assert from "node:assert/strict";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";
import { SimPeer } from "./sim_peer.ts";
import { World } from "./world.ts";

const KIB = 1 << 10;

for (const limit of [400 * KIB, 2000 * KIB]) {
  Deno.test(`a limit of ${limit} bytes a second holds over any 10 s with twenty seeds that have more`, async () => {
    const seconds = 40;
    const torrent = new FixtureTorrent("v2", 64 * KIB, [Math.ceil(1.1 * seconds * limit)]);
    const world = new World();
    const line = { up: 1000 * KIB, latencyMs: 20 };
    const peers = Array.from(
      { length: 20 },
      (_, i) => new SimPeer(world, torrent, { ...line, here: "all", seed: i }),
    );
    const leech = new SimPeer(world, torrent, { latencyMs: 20, downLimit: limit, seed: 99 });
    leech.learn(...peers);
    const totals: number[] = [];
    for (let second = 1; second <= seconds; second++) {
      await world.runUntil(1000 * second);
      totals.push(leech.swarm.downRate.total);
    }
    for (let i = 10; i < seconds; i++) {
      const share = (totals[i]! - totals[i - 10]!) / (10 * limit);
      assert.ok(share > 0.95 && share < 1.05, `${share} of the limit before second ${i + 1}`);
    }
    for (const peer of [leech, ...peers]) await peer[Symbol.asyncDispose]();
  });
}

Deno.test("maxPeers holds while two are being dialed and two dial us", async () => {
  const torrent = new FixtureTorrent("v2", 64 * KIB, [4 << 20]);
  const world = new World();
  const far = [1, 2].map((seed) =>
    new SimPeer(world, torrent, { here: "all", up: 100 * KIB, latencyMs: 100, seed })
  );
  const leech = new SimPeer(world, torrent, { maxPeers: 2, latencyMs: 100, seed: 3 });
  const near = [4, 5].map((seed) => new SimPeer(world, torrent, { latencyMs: 10, seed }));
  leech.learn(...far);
  for (const peer of near) peer.learn(leech);
  let most = 0;
  for (let atMs = 50; atMs < 5000; atMs += 50) {
    await world.runUntil(atMs);
    most = Math.max(most, leech.host.connections);
  }
  assert.equal(most, 2);
  for (const peer of [leech, ...far, ...near]) await peer[Symbol.asyncDispose]();
});

Deno.test("a lowered maxPeers sends away whoever brings nothing, and the download goes on with the others", async () => {
  const torrent = new FixtureTorrent("v2", 64 * KIB, [8 << 20]);
  const world = new World();
  const seeds = [1, 2].map((seed) =>
    new SimPeer(world, torrent, { here: "all", up: 100 * KIB, latencyMs: 20, seed })
  );
  const leech = new SimPeer(world, torrent, { latencyMs: 20, seed: 3 });
  const others = [4, 5, 6].map((seed) => new SimPeer(world, torrent, { latencyMs: 20, seed, isMiser: true }));
  // Nobody is named by the user but by those who come in.
  for (const { endpoint } of seeds) leech.session.learn(leech.swarm, endpoint, "dht-v2");
  for (const peer of others) peer.learn(leech);
  await world.runUntil(5000);
  assert.equal(leech.host.connections, 5);
  leech.session.maxPeers = 2;
  const hosts = () => [...leech.swarm.peers].map(({ endpoint }) => endpoint.host).toSorted();
  const ofSeeds = seeds.map(({ host }) => host.address).toSorted();
  assert.deepEqual(hosts(), ofSeeds);
  assert.equal(
    leech.closed.filter((why) => /is one too many: there are to be 2 at most$/.test(why)).length,
    3,
  );
  const before = leech.swarm.downRate.total;
  await world.runUntil(15_000);
  // They come again, and are not let in.
  assert.deepEqual(hosts(), ofSeeds);
  assert.ok(leech.swarm.downRate.total - before > 1500 * KIB, `${leech.swarm.downRate.total - before}`);
  leech.session.maxPeers = 1;
  assert.equal(leech.swarm.connections, 1);
  for (const peer of [leech, ...seeds, ...others]) await peer[Symbol.asyncDispose]();
});
