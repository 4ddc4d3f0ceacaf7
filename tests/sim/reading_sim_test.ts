// Downloads that somebody reads along with (`get --extract`): the reader is kept busy, and neither the download nor the
// swarm pays for it. Virtual minutes, real milliseconds.

import assert from "node:assert/strict";
import { type Reader, ReadWindow, type Wanted } from "../../lib/torrent/read_window.ts";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";
import { SimPeer, type SimPeerOptions } from "./sim_peer.ts";
import { World } from "./world.ts";

/** 64 pieces of 16 blocks. */
const TORRENT = new FixtureTorrent("hybrid", 262_144, [64 * 262_144]);
const BYTES = TORRENT.layout.totalLength;
const MB = 1_000_000;
/** As if nobody read along. */
const ANYTHING: Wanted = { first: [], waitingFor: undefined, from: 0, soonEnd: 0, end: 0, isStrict: false };

/** Reads what is here, in order, at a rate. */
class SimReader implements Reader {
  readonly #world: World;
  readonly #msPerPiece: number;
  readonly #pieces: number;
  readonly #cameMs = new Map<number, number>();
  /** When each piece was read to its end. */
  readonly #readMs: number[] = [];

  constructor(
    world: World,
    peer: SimPeer,
    torrent: FixtureTorrent,
    bytesPerSec: number,
    options: { most?: number } = {},
  ) {
    this.#world = world;
    this.#pieces = torrent.layout.pieceCount;
    this.#msPerPiece = 1000 * torrent.layout.pieceLength / bytesPerSec;
    peer.onGoodPiece = (piece) => this.#cameMs.set(piece, world.clock.nowMs());
    const bytesPerSecond = () => peer.swarm.downRate.perSecond(world.clock.nowMs());
    const window = new ReadWindow({ layout: torrent.layout, reader: this, bytesPerSecond, ...options });
    peer.download.picker.follow(() => window.look());
  }

  get position(): number {
    for (;;) {
      const cameMs = this.#cameMs.get(this.#readMs.length);
      if (cameMs === undefined) break;
      const doneMs = Math.max(cameMs, this.#readMs.at(-1) ?? 0) + this.#msPerPiece;
      if (doneMs > this.#world.clock.nowMs()) break;
      this.#readMs.push(doneMs);
    }
    return this.#readMs.length;
  }

  get waitingFor(): number | undefined {
    const { position } = this;
    return position < this.#pieces && !this.#cameMs.has(position) ? position : undefined;
  }

  /** When it had read everything; undefined until then. */
  get doneMs(): number | undefined {
    return this.position === this.#pieces ? this.#readMs.at(-1) : undefined;
  }
}

/** One that reads along with seeds of these rates. @returns When its last piece came, and when it had read it. */
async function readFrom(
  seeds: readonly Omit<SimPeerOptions, "seed" | "here">[],
  options: { bytesPerSec: number; isFollowed?: boolean; most?: number },
): Promise<{ downloadMs: number; readMs: number }> {
  const world = new World();
  const others = seeds.map((rates, i) =>
    new SimPeer(world, TORRENT, { ...rates, here: "all", seed: 10 + i })
  );
  const peer = new SimPeer(world, TORRENT, { seed: 1, latencyMs: 10 });
  const { most } = options;
  const reader = new SimReader(world, peer, TORRENT, options.bytesPerSec, most === undefined ? {} : { most });
  if (options.isFollowed === false) peer.download.picker.follow(() => ANYTHING);
  peer.learn(...others);
  await world.run(() => reader.doneMs !== undefined, 300_000);
  const result = { downloadMs: peer.completeMs!, readMs: reader.doneMs! };
  for (const each of [peer, ...others]) await each[Symbol.asyncDispose]();
  return result;
}

Deno.test("a reader faster than the line is done soon after the last piece, and the line loses nothing", async () => {
  const seeds = [{ up: MB, latencyMs: 20 }];
  const plain = await readFrom(seeds, { bytesPerSec: 4 * MB, isFollowed: false });
  const along = await readFrom(seeds, { bytesPerSec: 4 * MB });
  assert.ok(along.downloadMs <= 1.02 * plain.downloadMs, `${along.downloadMs} ms of ${plain.downloadMs}`);
  assert.ok(along.readMs <= 1.05 * along.downloadMs, `read at ${along.readMs}, here at ${along.downloadMs}`);
  assert.ok(plain.readMs > 1.1 * plain.downloadMs, `without: ${plain.readMs} of ${plain.downloadMs}`);
});

Deno.test("a reader slower than the line never waits once it has begun", async () => {
  const { readMs } = await readFrom([{ up: 4 * MB, latencyMs: 20 }], { bytesPerSec: MB });
  const aloneMs = 1000 * BYTES / MB;
  assert.ok(readMs <= 1.05 * aloneMs, `${readMs} ms, alone ${aloneMs}`);
});

Deno.test("a reader does not wait for the slowest of its senders", async () => {
  const slow = { up: 20_000, latencyMs: 100 };
  const { readMs, downloadMs } = await readFrom([slow, { up: MB, latencyMs: 20 }, slow], {
    bytesPerSec: 4 * MB,
  });
  const bestMs = 1000 * BYTES / (MB + 40_000);
  assert.ok(downloadMs <= 1.2 * bestMs, `${downloadMs} ms of ${bestMs}`);
  assert.ok(readMs <= 1.1 * downloadMs, `read at ${readMs}, here at ${downloadMs}`);
});

Deno.test("a strict window holds the download back to its reader, and no more than that", async () => {
  const fast = [{ up: 8 * MB, latencyMs: 10 }];
  const aloneMs = 1000 * BYTES / MB;
  const { readMs, downloadMs } = await readFrom(fast, { bytesPerSec: MB, most: 8 });
  assert.ok(readMs <= 1.1 * aloneMs, `${readMs} ms, alone ${aloneMs}`);
  assert.ok(downloadMs >= aloneMs * (64 - 9) / 64, `${downloadMs} ms: it ran ahead`);
});

Deno.test("many that read along, begun at once, share among themselves", async () => {
  const torrent = new FixtureTorrent("hybrid", 16_384, [512 * 16_384]);
  const line = { up: MB / 5, latencyMs: 20 };
  const takes = async (isReading: boolean): Promise<number> => {
    const world = new World();
    const seed = new SimPeer(world, torrent, { ...line, here: "all", seed: 99 });
    const peers = Array.from({ length: 4 }, (_, i) => new SimPeer(world, torrent, { ...line, seed: i + 1 }));
    if (isReading) { for (const peer of peers) new SimReader(world, peer, torrent, 8 * MB); }
    for (const [i, peer] of peers.entries()) peer.learn(seed, ...peers.slice(0, i));
    await world.run(() => peers.every(({ completeMs }) => completeMs !== undefined), 600_000);
    for (const each of [seed, ...peers]) await each[Symbol.asyncDispose]();
    return Math.max(...peers.map(({ completeMs }) => completeMs!));
  };
  const [plainMs, alongMs] = [await takes(false), await takes(true)];
  // Fetching in the same order at the same time, they would have nothing for one another: four times the content from
  // the seed, 168 seconds.
  assert.ok(alongMs <= 2 * plainMs, `${alongMs} ms, without a reader ${plainMs}`);
});

Deno.test("who keeps no piece tells of none, gives none, and is served all the same", async () => {
  const world = new World();
  const seed = new SimPeer(world, TORRENT, { here: "all", up: MB, latencyMs: 20, seed: 1 });
  const passing = new SimPeer(world, TORRENT, { isPassing: true, latencyMs: 20, seed: 2 });
  const other = new SimPeer(world, TORRENT, { up: MB, latencyMs: 20, seed: 3 });
  passing.learn(seed, other);
  other.learn(seed);
  let most = 0;
  await world.run(() => {
    for (const peer of other.swarm.peers) {
      if (peer.endpoint.host === passing.host.address) most = Math.max(most, peer.pieces?.count ?? 0);
    }
    return passing.completeMs !== undefined && other.completeMs !== undefined;
  }, 300_000);
  assert.equal(most, 0);
  assert.equal(passing.swarm.uploadedBytes, 0);
  assert.ok(other.swarm.uploadedBytes > 0, "the other one gave what it had");
  for (const each of [seed, passing, other]) await each[Symbol.asyncDispose]();
});
