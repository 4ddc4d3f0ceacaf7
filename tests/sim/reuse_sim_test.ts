// A mirror that goes from one snapshot to the next with an older copy on its disk, on virtual time: what it takes from
// peers that tell block hashes, lie about them, refuse them or say nothing, and how long that takes.

import assert from "node:assert/strict";
import type { HttpStreams } from "../../lib/ports.ts";
import { runWebSeeds } from "../../lib/torrent/web_seeds.ts";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";
import { Leech } from "./leech.ts";
import { GOOD, LARGE_BYTES, type LeechRun, runLeech } from "./leech_run.ts";
import { type Character, ScriptedPeer } from "./scripted_peer.ts";
import { World } from "./world.ts";

const TORRENT = new FixtureTorrent("hybrid", 262_144, [LARGE_BYTES]);
const BLOCKS = Math.ceil(LARGE_BYTES / 16_384);

/** Fetches what an older copy does not have. @returns Also how many blocks peers sent. */
async function update(
  characters: readonly Character[],
  oldHas: (piece: number, block: number) => boolean,
  options: { isLikely?: boolean; seed?: number; torrent?: FixtureTorrent } = {},
): Promise<LeechRun & { readonly sentBlocks: number }> {
  const { isLikely = true, seed = 1, torrent = TORRENT } = options;
  const limitMs = 180_000;
  const run = await runLeech(torrent, characters, { seed, limitMs, isMagnet: false, oldHas, isLikely });
  return { ...run, sentBlocks: Math.ceil(run.sentBytes / 16_384) };
}

/** One block in five is new, somewhere else in each piece. */
const mostly = (piece: number, block: number) => (piece * 3 + block * 7) % 5 !== 0;
const NEW = Array.from({ length: 64 }, (_, piece) => piece).flatMap((piece) =>
  Array.from(
    { length: TORRENT.layout.blockCount(TORRENT.layout.piece(piece)!) },
    (_, b) => mostly(piece, b),
  )
).filter((has) => !has).length;

Deno.test("of an older copy only the blocks that are new come over the line, at the line's speed", async () => {
  const { leech, sentBlocks, tookMs, peers } = await update([GOOD, GOOD, GOOD], mostly);
  assert.equal(leech.old!.sums!.foundBlocks, BLOCKS - NEW);
  assert.equal(leech.old!.sums!.comparedPieces, 64);
  assert.ok(leech.old!.isEnded, "its files are closed");
  // In the end game eight blocks may come twice from each.
  assert.ok(sentBlocks <= NEW + 24, `${sentBlocks} blocks came, ${NEW} are new`);
  const idealMs = 1000 * NEW * 16_384 / 3_000_000;
  assert.ok(tookMs < 1.2 * idealMs + 500, `${tookMs} ms, ${idealMs} at the line's speed`);
  for (const { deeds } of peers) assert.ok(deeds.sentBytes > 0, "everybody sends");
});

Deno.test("a copy that has everything leaves nothing to fetch", async () => {
  const { sentBlocks } = await update([GOOD], () => true);
  assert.equal(sentBlocks, 0);
});

Deno.test("a peer that lies about block hashes is banned, and the others' are used", async () => {
  const { leech, peers, sentBlocks } = await update([{ ...GOOD, hashes: "lie" }, GOOD, GOOD], mostly);
  assert.deepEqual(leech.banned, [peers[0]!.host.address]);
  assert.equal(leech.old!.sums!.foundBlocks, BLOCKS - NEW);
  assert.ok(sentBlocks <= NEW + 40, `${sentBlocks} blocks came, ${NEW} are new`);
});

Deno.test("a peer that tells no block hashes gives blocks all the same, and another tells them", async () => {
  for (const hashes of ["refuse", "silence"] as const) {
    const { leech, peers, sentBlocks } = await update([{ ...GOOD, hashes }, GOOD], mostly);
    assert.deepEqual(leech.banned, []);
    assert.ok(peers[0]!.deeds.sentBytes > 0);
    assert.ok(sentBlocks <= NEW + 80, `${hashes}: ${sentBlocks} blocks came, ${NEW} are new`);
  }
});

Deno.test("where nobody tells block hashes all is fetched, and the line stands still for seconds at most", async () => {
  for (const hashes of ["refuse", "silence"] as const) {
    const { leech, sentBlocks, tookMs } = await update([{ ...GOOD, hashes }, { ...GOOD, hashes }], mostly);
    assert.equal(leech.old!.sums!.foundBlocks, 0);
    assert.ok(sentBlocks <= BLOCKS + 8, `${sentBlocks} of ${BLOCKS}`);
    assert.ok(tookMs < 16_600_000 / 2000 + 6000, `${hashes}: ${tookMs} ms`);
  }
});

Deno.test("a copy with nothing in common is given up after a sample, and costs no second", async () => {
  const { leech, tookMs, sentBlocks } = await update([GOOD, GOOD], () => false, { isLikely: false });
  // Every piece was in the sample, as there are no more.
  assert.ok(leech.old!.sums!.isInVain);
  assert.ok(leech.old!.isEnded);
  assert.ok(sentBlocks <= BLOCKS + 8);
  assert.ok(tookMs < 1.05 * 16_600_000 / 2000 + 1000, `${tookMs} ms`);
});

Deno.test("of a copy of a kind that shares nothing most pieces are fetched at once, and compared once one shares", async () => {
  // 300 pieces of 4 blocks: a sample is 64.
  const torrent = new FixtureTorrent("v2", 65_536, [300 * 65_536]);
  const vain = await update([GOOD], () => false, { isLikely: false, torrent });
  assert.deepEqual(vain.leech.old!.sums!.comparedPieces, 64);
  const worth = await update([GOOD], (_, block) => block !== 2, { isLikely: false, torrent });
  assert.ok(worth.leech.old!.looked.length > 200, `${worth.leech.old!.looked.length}`);
  assert.ok(worth.sentBlocks < 600, `${worth.sentBlocks} of 1200 blocks came, 300 are new`);
});

Deno.test("a few pieces of an unlikely copy are let go within seconds, though nobody tells their hashes", async () => {
  const torrent = new FixtureTorrent("v2", 65_536, [1000 * 65_536]);
  const world = new World();
  const peer = new ScriptedPeer(world, torrent, { ...GOOD, hashes: "silence" });
  await using leech = new Leech(world, torrent, {
    seed: 1,
    isMagnet: false,
    oldHas: () => true,
    isLikely: false,
  });
  leech.learn(peer.endpoint);
  await world.runUntil(15_000);
  assert.ok(leech.old!.isEnded);
  assert.equal(leech.swarm.download!.picker.held, 0);
  assert.ok(leech.pieces.length > 150, "meanwhile all others came");
});

Deno.test("a peer that lies about blocks is found out though most of the piece lay here", async () => {
  const liar = { ...GOOD, spoils: () => true };
  const { leech, peers } = await update([liar, GOOD, GOOD], mostly);
  assert.deepEqual(leech.banned, [peers[0]!.host.address]);
});

Deno.test("a web seed does not wait for a teller that takes its time, as long as there are pieces held", async () => {
  const world = new World();
  // It tells of one piece each second, which would take a minute, and gives nothing.
  const teller = new ScriptedPeer(world, TORRENT, { ...GOOD, refuses: true, hashesMs: 1000 });
  await using leech = new Leech(world, TORRENT, { seed: 1, isMagnet: false, oldHas: mostly });
  leech.learn(teller.endpoint);
  const stop = new AbortController();
  const http: HttpStreams = {
    open: async (_url, { headers = {}, signal }) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers["range"]!)!.map(Number);
      await world.clock.sleep(30, signal);
      const parts = rangeOf(first!, last!)[Symbol.iterator]();
      return {
        status: 206,
        headers: new Map([["content-range", `bytes ${first}-${last}/${LARGE_BYTES}`]]),
        read: () => Promise.resolve(parts.next().value ?? null),
        close: () => {},
      };
    },
  };
  const { swarm } = leech;
  const running = runWebSeeds({
    ...{ urls: ["http://a.example/fixture"], swarm, http, clock: world.clock, client: "us 1" },
    ...{ downLimit: undefined, ownLimit: undefined, note: () => {} },
  }, stop.signal);
  world.mustNotFail(running);
  await world.run(() => leech.isComplete, 180_000);
  stop.abort();
  await running;
  assert.ok(world.clock.nowMs() < 20_000, `${world.clock.nowMs()} ms`);
});

/** Those bytes of the torrent's one file, piece by piece. */
function* rangeOf(first: number, last: number): Generator<Uint8Array> {
  const { pieceLength } = TORRENT.layout;
  for (let at = first; at <= last;) {
    const n = Math.floor(at / pieceLength);
    const end = Math.min(last + 1, (n + 1) * pieceLength);
    yield TORRENT.bytes(TORRENT.layout.piece(n)!, at - n * pieceLength, end - at);
    at = end;
  }
}
