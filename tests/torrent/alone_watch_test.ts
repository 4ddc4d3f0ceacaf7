import assert from "node:assert/strict";
import { AloneWatch } from "../../lib/torrent/alone_watch.ts";
import { ALONE_MS } from "../../lib/torrent/limits.ts";
import { Picker } from "../../lib/torrent/picker.ts";
import { PieceSet } from "../../lib/torrent/piece_set.ts";
import { FakePeer } from "./fake_peer.ts";
import { layoutOf } from "./fixtures.ts";
import { seeded } from "./seeded.ts";

const BLOCKS = 8;

function peer(number: number, rate: number, other: { choked?: boolean; has?: boolean } = {}) {
  const { choked = false, has = true } = other;
  const requests = { rate: { perSecond: () => rate } };
  return { number, choked, interested: true, snubbed: false, requests, has: () => has };
}

/** One piece, which failed and is now fetched by peer 1 alone. */
function failed(): Picker {
  const picker = new Picker({
    layout: layoutOf("v2", BLOCKS * 16_384, [BLOCKS * 16_384]),
    here: new PieceSet(1),
    random: seeded(1),
    isReady: () => true,
    keepHashes: false,
  });
  const first = new FakePeer(9);
  for (const [piece, block] of first.pick(picker, BLOCKS)) picker.activePiece(piece)!.receive(block, 9);
  picker.restart(picker.activePiece(0)!);
  new FakePeer(1).pick(picker, BLOCKS);
  return picker;
}

Deno.test("AloneWatch ends the turn of a peer that would take long, when another has the piece too", () => {
  const [slow, other] = [peer(1, 1000), peer(2, 0)];
  const watch = new AloneWatch();
  const picker = failed();
  assert.deepEqual([...watch.dawdlers(picker, [slow, other], 0)], []);
  assert.deepEqual([...watch.dawdlers(picker, [slow, other], ALONE_MS - 1)], []);
  assert.deepEqual([...watch.dawdlers(picker, [slow, other], ALONE_MS)], [slow]);
});

Deno.test("AloneWatch leaves the piece to a peer that is nearly done, and where nobody else can send it", () => {
  const nearly = peer(1, BLOCKS * 16_384 / 10);
  const slow = peer(1, 1000);
  const cases = [
    [nearly, peer(2, 0)],
    [slow],
    [slow, peer(2, 0, { choked: true })],
    [slow, peer(2, 0, { has: false })],
  ];
  for (const peers of cases) {
    const watch = new AloneWatch();
    const picker = failed();
    watch.dawdlers(picker, peers, 0);
    assert.deepEqual([...watch.dawdlers(picker, peers, 10 * ALONE_MS)], []);
  }
});

Deno.test("AloneWatch makes each further turn twice as long, so that slow peers alone come to an end", () => {
  const peers = [peer(1, 1000), peer(2, 1000)];
  const watch = new AloneWatch();
  const picker = failed();
  const turns: number[] = [];
  let sinceMs = 0;
  for (let nowMs = 0; nowMs < 1_000_000; nowMs += 1000) {
    const [over] = watch.dawdlers(picker, peers, nowMs);
    if (over === undefined) continue;
    turns.push(nowMs - sinceMs);
    const { piece } = picker.activePiece(0)!;
    for (let block = 0; block < BLOCKS; block++) picker.release(piece, block);
    picker.disown(over.number);
    new FakePeer(3 - over.number).pick(picker, BLOCKS);
    sinceMs = nowMs + 1000;
  }
  // What is left takes 131 s at that rate: the fourth turn is long enough.
  assert.deepEqual(turns, [ALONE_MS, 2 * ALONE_MS, 4 * ALONE_MS]);
});

Deno.test("AloneWatch minds no piece that has not failed", () => {
  const picker = failed();
  picker.finish(picker.activePiece(0)!);
  assert.deepEqual([...new AloneWatch().dawdlers(picker, [peer(1, 1), peer(2, 1)], 1e9)], []);
  assert.deepEqual([...new AloneWatch().dawdlers(undefined, [], 0)], []);
});
