// Whom it asks, how much, and when it gives up; what comes of it over a line is tests/sim/reuse_sim_test.ts.

import assert from "node:assert/strict";
import { BlockReuse } from "../../lib/torrent/block_reuse.ts";
import { HASH_TIMEOUT_MS, MAX_LEAF_REQUESTS_SENT } from "../../lib/torrent/limits.ts";
import type { PeerCore } from "../../lib/torrent/peer_core.ts";
import { Picker } from "../../lib/torrent/picker.ts";
import { PieceSet } from "../../lib/torrent/piece_set.ts";
import type { HashSpan } from "../../lib/torrent/wire.ts";
import { FakePeer } from "./fake_peer.ts";
import { FixtureTorrent, MemoryStorage } from "./fixture_torrent.ts";
import { OldCopy } from "./old_copy.ts";
import { seeded } from "./seeded.ts";

/** Twenty pieces of four blocks. */
const TORRENT = new FixtureTorrent("v2", 65_536, [20 * 65_536]);

/** A reuse of a copy that has the first block of each piece. */
function world(options: { aheadBlocks?: number } = {}, isLikely = true) {
  const { layout } = TORRENT;
  const layers = TORRENT.layers()!;
  const picker = new Picker({
    layout,
    here: new PieceSet(layout.pieceCount),
    random: seeded(1),
    isReady: () => true,
    keepHashes: true,
  });
  const tasks: (() => void)[] = [];
  const old = new OldCopy({
    torrent: TORRENT,
    storage: new MemoryStorage(layout),
    has: (_, block) => block === 0,
    later: (task) => tasks.push(task),
  });
  const begun: number[] = [];
  const reuse = new BlockReuse({
    layout,
    layers,
    picker,
    random: seeded(1),
    begin: (piece) => {
      begun.push(piece);
      picker.begin(piece);
    },
    old: old.blocks(isLikely),
    ...options,
  });
  const work = () => tasks.splice(0).forEach((task) => task());
  return { picker, reuse, old, begun, work };
}

/** What it needs of a peer. An idle one is asked for no blocks. */
function someone(number: number, options: { isV2?: boolean; isIdle?: boolean } = {}) {
  const asked: HashSpan[] = [];
  const { isV2 = true, isIdle = false } = options;
  const out = { hashSpan: (_: number, span: HashSpan) => void asked.push(span) };
  const core = {
    ...{ number, isGreeted: true, isV2, nowMs: 0, pieces: undefined, has: () => true, out },
    ...{ choked: false, interested: true, snubbed: false, askedCount: isIdle ? 0 : 1 },
  };
  return { asked, peer: core as unknown as PeerCore };
}

Deno.test("BlockReuse asks each peer for a few pieces at a time, nobody for the same, and only who speaks v2", () => {
  const { reuse } = world();
  const all = [someone(1), someone(2), someone(3, { isV2: false })];
  reuse.ask(all.map(({ peer }) => peer));
  assert.deepEqual(all.map(({ asked }) => asked.length), [MAX_LEAF_REQUESTS_SENT, MAX_LEAF_REQUESTS_SENT, 0]);
  const indices = all.flatMap(({ asked }) => asked.map(({ index }) => index));
  assert.equal(new Set(indices).size, indices.length);
});

Deno.test("BlockReuse begins a piece once the copy was looked at, and is over after the last one", () => {
  const { reuse, old, begun, work, picker } = world();
  const { asked, peer } = someone(1);
  reuse.ask([peer]);
  for (let span = asked.shift(); span !== undefined; span = asked.shift()) {
    assert.equal(reuse.onHashes(peer, span, TORRENT.answer(span)!), true);
    work();
    reuse.ask([peer]);
  }
  assert.equal(new Set(begun).size, 20);
  assert.deepEqual([reuse.isOver, old.isEnded, picker.held], [true, true, 0]);
  assert.equal(old.sums!.foundBlocks, 20);
});

Deno.test("BlockReuse waits for who answers slowly, and asks somebody else instead of who does not at all", () => {
  const { reuse, work } = world();
  const [slow, mute] = [someone(1), someone(2)];
  const peers = [slow.peer, mute.peer];
  reuse.tick(peers, 0);
  const muteIndices = mute.asked.map(({ index }) => index);
  for (let ms = 1000; ms <= 4 * HASH_TIMEOUT_MS; ms += 1000) {
    Object.assign(slow.peer, { nowMs: ms });
    if (ms % 8000 === 0) {
      const span = slow.asked.shift()!;
      reuse.onHashes(slow.peer, span, TORRENT.answer(span)!);
      work();
    }
    reuse.tick(peers, ms);
  }
  assert.equal(mute.asked.length, MAX_LEAF_REQUESTS_SENT, "it rests");
  assert.ok(slow.asked.some(({ index }) => muteIndices.includes(index)), "its pieces are asked of the other");
});

Deno.test("BlockReuse lets pieces go for a web seed, which is no peer and tells no hashes", () => {
  const { reuse, picker } = world();
  const seed = new FakePeer(9);
  for (let ms = 0; ms < 3000; ms += 1000) {
    assert.deepEqual(seed.pick(picker, 4), [], "hashes may still come");
    reuse.tick([], ms);
  }
  for (let ms = 3000; ms < 6000; ms += 1000) {
    seed.pick(picker, 4);
    reuse.tick([], ms);
  }
  assert.equal(seed.pick(picker, 4).length, 4);
});

Deno.test("BlockReuse.close() gives all back, and believes no answer that comes later", async () => {
  const { reuse, picker, old, begun, work } = world();
  const { asked, peer } = someone(1);
  reuse.ask([peer]);
  const [first, second] = asked as [HashSpan, HashSpan];
  reuse.onHashes(peer, first, TORRENT.answer(first)!);
  await reuse.close();
  work();
  assert.equal(reuse.onHashes(peer, second, TORRENT.answer(second)!), true);
  work();
  assert.deepEqual([begun, old.isEnded, picker.held, picker.missing], [[], true, 0, 20]);
});

Deno.test("BlockReuse asks nobody who is busy once enough is begun, and who is idle all the same", () => {
  const { reuse, work } = world({ aheadBlocks: 8 });
  const [slow, idle] = [someone(1), someone(2, { isIdle: true })];
  reuse.ask([slow.peer]);
  for (const span of slow.asked.splice(0)) reuse.onHashes(slow.peer, span, TORRENT.answer(span)!);
  work();
  reuse.ask([slow.peer, idle.peer]);
  assert.deepEqual([slow.asked.length, idle.asked.length], [0, MAX_LEAF_REQUESTS_SENT]);
});

Deno.test("BlockReuse lets pieces go for who is idle and tells no hashes, though another tells some", () => {
  const { reuse, picker, work } = world();
  const [teller, idle] = [someone(1), someone(2, { isV2: false, isIdle: true })];
  const peers = [teller.peer, idle.peer];
  for (let ms = 0; ms < 5000; ms += 1000) {
    assert.equal(picker.missing > 0, ms > 3000, `${ms} ms`);
    reuse.tick(peers, ms);
    const span = teller.asked.shift()!;
    reuse.onHashes(teller.peer, span, TORRENT.answer(span)!);
    work();
  }
});

Deno.test("BlockReuse.tick() asks somebody who comes as an iterator's first", () => {
  const { reuse } = world({}, false);
  const { asked, peer } = someone(1);
  reuse.tick([peer].values(), 0);
  assert.equal(asked.length, MAX_LEAF_REQUESTS_SENT);
});
