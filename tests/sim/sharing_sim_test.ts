// Many of our own clients among one another on virtual time: does everybody get everything, how far from the ideal, and
// does it pay to give. A world that goes wrong says its number.

import assert from "node:assert/strict";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";
import { SimPeer, type SimPeerOptions } from "./sim_peer.ts";
import { World } from "./world.ts";

const KIB = 1 << 10;
/** 128 pieces of 4 blocks. */
const TORRENT = new FixtureTorrent("v2", 64 * KIB, [8 << 20]);
const SMALL = new FixtureTorrent("v2", 64 * KIB, [4 << 20]);

type Option = Omit<SimPeerOptions, "seed">;

/**
 * Runs a world of one client per option, each of which dials those before it, until all have everything, and checks
 * what every run must hold.
 *
 * @param onFirst Called when the first of those that had not everything has it.
 */
async function share(
  number: number,
  torrent: FixtureTorrent,
  options: readonly Option[],
  onFirst: (peers: readonly SimPeer[]) => void = () => {},
): Promise<SimPeer[]> {
  const world = new World();
  const peers = options.map((option, i) =>
    new SimPeer(world, torrent, { ...option, seed: 100 * number + i })
  );
  const leeches = peers.filter((_, i) => options[i]!.here !== "all");
  const isOver = () => leeches.every((peer) => peer.completeMs !== undefined);
  try {
    for (const [i, peer] of peers.entries()) peer.learn(...peers.slice(0, i));
    await world.run(() => leeches.some((peer) => peer.completeMs !== undefined), LIMIT_MS);
    onFirst(peers);
    await world.run(isOver, LIMIT_MS);
    for (const peer of peers) {
      assert.deepEqual(peer.faults, [], "nobody is blamed");
      assert.ok(peer.download.wastedBytes <= 0.03 * torrent.layout.totalLength, "little comes twice");
    }
    return peers;
  } catch (error) {
    throw new Error(`world ${number} went wrong`, { cause: error });
  } finally {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  }
}

const LIMIT_MS = 1_800_000;
const copies = (count: number, option: Option) => Array.from({ length: count }, () => option);
const mean = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
const lastMs = (peers: readonly SimPeer[]) => Math.max(...peers.map((peer) => peer.completeMs!));

for (const number of [1, 2, 3]) {
  Deno.test(`eight leeches spread what one seed sends, in world ${number}`, async () => {
    const rate = 200 * KIB;
    const size = TORRENT.layout.totalLength;
    const line = { up: rate, down: 4 * rate, latencyMs: 20 };
    const options = [{ ...line, here: "all" as const }, ...copies(8, line)];
    const peers = await share(number, TORRENT, options, ([, ...leeches]) => {
      for (const { download } of leeches) assert.ok(download.doneBytes > 0.85 * size, "nobody starves");
    });
    // Ideal: the seed sends each piece once. Without one another they would take eight times as long.
    const idealMs = 1000 * size / rate;
    assert.ok(lastMs(peers.slice(1)) < 1.6 * idealMs, `${lastMs(peers.slice(1)) / idealMs} of the ideal`);
    assert.ok(peers[0]!.swarm.uploadedBytes < 1.6 * size, "the seed repeats little");
  });

  Deno.test(`two leeches next to a slow seed need little more than its time for one, in world ${number}`, async () => {
    const size = TORRENT.layout.totalLength;
    const options = [
      { up: 200 * KIB, latencyMs: 20, here: "all" as const },
      ...copies(2, { up: 1000 * KIB, latencyMs: 20 }),
    ];
    const peers = await share(number, TORRENT, options);
    const alone = 1000 * size / (200 * KIB);
    assert.ok(lastMs(peers.slice(1)) < 1.3 * alone, `${lastMs(peers.slice(1)) / alone} of the time for one`);
    assert.ok(peers[0]!.swarm.uploadedBytes < 1.3 * size);
  });

  Deno.test(`who gives nothing gets less, in world ${number}`, async () => {
    const line = { up: 50 * KIB, down: 200 * KIB, latencyMs: 20 };
    const isMiser = (i: number) => i % 4 === 0;
    // No seed: each piece is at the start with a third of those who give.
    const options = Array.from({ length: 20 }, (_, i) => {
      const here = [...TORRENT.layout.pieces()].filter((piece) => (piece + i) % 3 === 0);
      return isMiser(i) ? { ...line, isMiser: true } : { ...line, here };
    });
    await share(number, TORRENT, options, (peers) => {
      const got = (those: boolean) =>
        mean(peers.filter((_, i) => isMiser(i) === those).map(({ swarm }) => swarm.downRate.total));
      const part = got(true) / got(false);
      assert.ok(part < 0.75, `${part} of what the others got`);
      assert.ok(part > 0.2, "but what by chance is given away");
    });
  });

  Deno.test(`a seed serves more than it has slots for, everybody in turn, in world ${number}`, async () => {
    const size = SMALL.layout.totalLength;
    const up = 200 * KIB;
    // They give one another nothing, and some have ten times the line of others.
    const options = Array.from(
      { length: 16 },
      (_, i) => ({ up: 100 * KIB, down: (i % 2 === 0 ? 1000 : 100) * KIB, latencyMs: 30, isMiser: true }),
    );
    const peers = await share(
      number,
      SMALL,
      [{ up, latencyMs: 20, here: "all" }, ...options],
      ([, ...all]) => {
        for (const { download } of all) assert.ok(download.doneBytes > 0.2 * size, "nobody is left out");
      },
    );
    const idealMs = 1000 * 16 * size / up;
    assert.ok(lastMs(peers.slice(1)) < 1.15 * idealMs, `${lastMs(peers.slice(1)) / idealMs} of the ideal`);
  });
}
