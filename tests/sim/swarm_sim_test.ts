// Our Session and Swarm against peers of every character, in virtual minutes and real milliseconds. A world that goes
// wrong says its number.

import assert from "node:assert/strict";
import { PieceSet } from "../../lib/torrent/piece_set.ts";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";
import { seeded } from "../torrent/seeded.ts";
import { GOOD, LARGE_BYTES, type LeechRun, runLeech } from "./leech_run.ts";
import type { Character } from "./scripted_peer.ts";

const LARGE = new FixtureTorrent("hybrid", 262_144, [LARGE_BYTES]);
/** A few pieces, for what is about the end. */
const SMALL = new FixtureTorrent("v2", 65_536, [300_000]);
/** Three pieces of 64 blocks. */
const COARSE = new FixtureTorrent("v2", 1 << 20, [3_000_000]);
const PLAIN = new FixtureTorrent("v1", 65_536, [300_000, 7, 200_000]);

/** Fetches from peers of these characters. @returns Also what they sent beyond the content, in parts of it. */
async function fetchFrom(
  characters: readonly Character[],
  options: { torrent?: FixtureTorrent; seed?: number; limitMs?: number; isMagnet?: boolean } = {},
): Promise<LeechRun & { readonly waste: number }> {
  const { torrent = LARGE, seed = 1, limitMs = 120_000, isMagnet = false } = options;
  const run = await runLeech(torrent, characters, { seed, limitMs, isMagnet });
  return { ...run, waste: run.sentBytes / torrent.layout.totalLength - 1 };
}

Deno.test("a swarm of equal seeds is used to the full, and little is sent twice", async () => {
  const { tookMs, waste, peers } = await fetchFrom([GOOD, GOOD, GOOD, GOOD]);
  assert.ok(tookMs < 1.2 * 16_600_000 / 4000, `${tookMs} ms`);
  assert.ok(waste <= 0.03, `${waste} sent twice`);
  for (const { deeds } of peers) assert.ok(deeds.sentBytes > 2_000_000, "everybody sends");
});

Deno.test("a slow peer does not hold up the end", async () => {
  const slow = { latencyMs: 300, bytesPerSec: 20_000 };
  const { tookMs, waste } = await fetchFrom([GOOD, GOOD, GOOD, GOOD, slow]);
  assert.ok(tookMs < 1.3 * 16_600_000 / 4000, `${tookMs} ms`);
  assert.ok(waste <= 0.03, `${waste} sent twice`);
});

Deno.test("a line of high latency is filled", async () => {
  // As much as the window of a connection in this internet lets through.
  const far = { latencyMs: 50, bytesPerSec: 4_000_000 };
  const { tookMs } = await fetchFrom([far]);
  assert.ok(tookMs < 1.5 * 16_600_000 / 4000, `${tookMs} ms`);
});

Deno.test("a peer that sends bad data is banned, and the rest is fetched without it", async () => {
  const liar = { ...GOOD, spoils: () => true };
  const { leech, peers, waste } = await fetchFrom([GOOD, liar, GOOD]);
  assert.equal(leech.swarm.book.isBanned("10.0.0.2"), true);
  assert.equal(leech.swarm.book.bannedCount, 1);
  assert.equal(peers[1]!.deeds.connections, 1, "not dialed again");
  assert.ok(waste <= 0.06, `${waste} sent in vain`);
});

for (const torrent of [SMALL, PLAIN]) {
  Deno.test(`a peer that spoils one block of each piece is found among many senders (${torrent.info.kind})`, async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const liar = { ...GOOD, spoils: (_: number, block: number) => block === 2 };
      const { leech } = await fetchFrom([GOOD, liar], { torrent, seed });
      assert.ok(leech.swarm.book.bannedCount <= 1, `world ${seed}: an honest peer was banned`);
      assert.equal(leech.swarm.book.isBanned("10.0.0.1"), false);
    }
  });
}

Deno.test("a liar that has left before it is found out is banned all the same, and told of", async () => {
  const liar = { ...GOOD, spoils: () => true, hangsUpAfter: 3 };
  const { leech } = await fetchFrom([liar, { ...GOOD, bytesPerSec: 200_000 }], { torrent: SMALL });
  assert.deepEqual(leech.banned, ["10.0.0.1"]);
  assert.equal(leech.swarm.book.isBanned("10.0.0.1"), true);
  assert.ok(leech.closed.some((why) => why === "10.0.0.1:6881 closed by the peer"), String(leech.closed));
});

Deno.test("a seed that falls asleep for half a minute is used again when it wakes up", async () => {
  const { tookMs } = await fetchFrom([{ ...GOOD, sleeps: [5000, 35_000] }]);
  assert.ok(tookMs < 75_000, `${tookMs} ms`);
});

Deno.test("a seed that falls asleep leaves its blocks to others", async () => {
  const { tookMs } = await fetchFrom([GOOD, { ...GOOD, sleeps: [3000, 1e9] }]);
  assert.ok(tookMs < 40_000, `${tookMs} ms`);
});

Deno.test("a peer that refuses everything is not asked in a tight loop", async () => {
  const { peers } = await fetchFrom([{ ...GOOD, latencyMs: 1 }, { ...GOOD, latencyMs: 1, refuses: true }]);
  assert.ok(peers[1]!.deeds.requests < 500, `${peers[1]!.deeds.requests} requests`);
});

Deno.test("a mute peer costs nothing", async () => {
  const { tookMs } = await fetchFrom([{ ...GOOD, isMute: true }, GOOD, { ...GOOD, isMute: true }]);
  assert.ok(tookMs < 1.2 * 16_600, `${tookMs} ms`);
});

Deno.test("a seed that chokes again and again is used in between, with the fast extension or without", async () => {
  for (const fast of [true, false]) {
    const { tookMs } = await fetchFrom([{ ...GOOD, fast, chokesEach: 200 }]);
    assert.ok(tookMs < 45_000, `${tookMs} ms`);
  }
});

Deno.test("a seed that hangs up again and again is dialed again, as it was useful", async () => {
  const { tookMs, peers } = await fetchFrom([{ ...GOOD, hangsUpAfter: 100 }]);
  assert.ok(peers[0]!.deeds.connections >= 10);
  assert.ok(tookMs < 60_000, `${tookMs} ms`);
});

Deno.test("peers with parts of it are used for what they have, and only that is asked of the seed", async () => {
  const [even, odd] = [new PieceSet(LARGE.layout.pieceCount), new PieceSet(LARGE.layout.pieceCount)];
  for (let piece = 0; piece < LARGE.layout.pieceCount; piece++) (piece % 2 === 0 ? even : odd).add(piece);
  const { tookMs } = await fetchFrom([{ ...GOOD, pieces: even }, { ...GOOD, pieces: odd }]);
  assert.ok(tookMs < 1.3 * 16_600 / 2, `${tookMs} ms`);
});

Deno.test("a magnet is fetched through peers without metadata, with a wrong one, and mute ones", async () => {
  const lie = LARGE.info.bytes.slice();
  lie[lie.length - 2]! ^= 1;
  const characters = [
    { ...GOOD, metadata: lie },
    { ...GOOD, isMute: true },
    { ...GOOD, metadata: undefined },
    GOOD,
  ];
  const { leech, tookMs } = await fetchFrom(characters, { isMagnet: true });
  assert.equal(leech.swarm.book.isBanned("10.0.0.1"), true);
  assert.equal(leech.swarm.book.bannedCount, 1);
  assert.ok(tookMs < 30_000, `${tookMs} ms`);
});

Deno.test("a magnet's piece layers are fetched though some lie, refuse or stay silent about them", async () => {
  for (const hashes of ["lie", "refuse", "silence"] as const) {
    const { leech, tookMs } = await fetchFrom([{ ...GOOD, hashes }, GOOD], { isMagnet: true });
    assert.equal(leech.swarm.book.isBanned("10.0.0.1"), hashes === "lie");
    assert.ok(tookMs < 30_000, `${hashes}: ${tookMs} ms`);
  }
});

Deno.test("a magnet: a peer whose early bitfield fits no torrent is closed alone", async () => {
  const { leech } = await fetchFrom([{ ...GOOD, bitfield: new Uint8Array(3) }, GOOD], { isMagnet: true });
  assert.ok(
    leech.closed.some((why) => why.startsWith("10.0.0.1:") && why.includes("bitfield")),
    String(leech.closed),
  );
});

Deno.test("a piece that failed does not stay with a peer that refuses it", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const characters = [
      { latencyMs: 20, bytesPerSec: 200_000 },
      { latencyMs: 50, bytesPerSec: 300_000, spoils: (_: number, block: number) => block === 2 },
      { latencyMs: 100, bytesPerSec: 1_000_000, refuses: true },
      { latencyMs: 5, bytesPerSec: 1_000_000, refuses: true },
    ];
    await fetchFrom(characters, { torrent: SMALL, seed, limitMs: 60_000 });
  }
});

Deno.test("a piece that failed does not stay with a peer that brings it by drops", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const drips = { latencyMs: 1, bytesPerSec: 1_000_000, dripMs: 15_000 };
    const characters = [
      { latencyMs: 50, bytesPerSec: 200_000 },
      { latencyMs: 50, bytesPerSec: 300_000, spoils: (_: number, block: number) => block % 8 === 2 },
      drips,
      drips,
    ];
    const { leech } = await fetchFrom(characters, { torrent: COARSE, seed, limitMs: 120_000 });
    assert.ok(!leech.banned.includes("10.0.0.1"), `world ${seed}`);
  }
});

/** Some character, more or less bad. */
function someone(random: () => number): Character {
  const below = (n: number) => Math.floor(random() * n);
  const base = { latencyMs: 5 + below(200), bytesPerSec: 50_000 + below(2_000_000) };
  const fast = random() < 0.7;
  switch (below(13)) {
    case 0:
      return { ...base, fast, chokesEach: 1 + below(30) };
    case 1:
      return { ...base, fast, hangsUpAfter: 1 + below(40) };
    case 2:
      return { ...base, fast, isMute: true };
    case 3:
      return { ...base, refuses: true };
    case 4:
      return { ...base, fast, sleeps: [1000 + below(3000), 30_000] };
    case 5: {
      const share = random();
      return { ...base, fast, spoils: () => random() < share };
    }
    case 6: {
      const pieces = new PieceSet(SMALL.layout.pieceCount);
      for (let piece = 0; piece < pieces.size; piece++) if (random() < 0.5) pieces.add(piece);
      return { ...base, fast, pieces };
    }
    case 7:
      return { ...base, hashes: (["lie", "refuse", "silence"] as const)[below(3)]! };
    case 8:
      return {
        ...base,
        metadata: below(2) === 0 ? undefined : SMALL.info.bytes.map((byte, i) => i === 9 ? 0 : byte),
      };
    case 9:
      return { ...base, fast, bitfield: new Uint8Array(below(3)) };
    default:
      return { ...base, fast };
  }
}

/** Whether whoever does that may be banned for it. */
function isBad({ spoils, hashes, metadata, bitfield }: Character): boolean {
  return spoils !== undefined || bitfield !== undefined || hashes === "lie" || metadata !== undefined;
}

Deno.test("any crowd with one honest seed in it gets everything through, and bans no honest peer", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seeded(seed);
    const crowd = Array.from({ length: Math.floor(8 * random()) }, () => someone(random));
    const honest = { latencyMs: 20, bytesPerSec: 200_000 };
    const isMagnet = seed % 2 === 0;
    const { leech } = await fetchFrom([honest, ...crowd], {
      torrent: SMALL,
      seed,
      limitMs: 300_000,
      isMagnet,
    });
    for (const [i, character] of [honest, ...crowd].entries()) {
      if (isBad(character)) continue;
      const isBanned = leech.swarm.book.isBanned(`10.0.0.${i + 1}`);
      assert.equal(isBanned, false, `world ${seed}: banned honest peer ${i + 1}`);
    }
  }
});
