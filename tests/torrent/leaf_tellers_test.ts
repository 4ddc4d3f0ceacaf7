// Who is asked for block hashes, who is believed to tell them, and who rests; which pieces is block_reuse_test.ts's.

import assert from "node:assert/strict";
import type { PieceIndex } from "../../lib/torrent/layout.ts";
import { type LeafPeer, LeafTellers } from "../../lib/torrent/leaf_tellers.ts";
import {
  HASH_TIMEOUT_MS,
  MAX_LEAF_REJECTS,
  MAX_LEAF_REQUESTS_SENT,
  REJECT_PAUSE_MS,
} from "../../lib/torrent/limits.ts";
import { type HashSpan, ID } from "../../lib/torrent/wire.ts";

const ROOT = new Uint8Array(32).fill(1);

function piece(n: number): PieceIndex {
  return n as PieceIndex;
}

function spanOf(n: number): HashSpan {
  return { root: ROOT, base: 0, index: 4 * n, count: 4, proofLayers: 3 };
}

function someone(number: number, isV2 = true) {
  const asked: HashSpan[] = [];
  const hashSpan = (id: number, span: HashSpan) => {
    assert.equal(id, ID.hashRequest);
    asked.push(span);
  };
  const peer: LeafPeer = { number, isV2, out: { hashSpan } };
  return { peer, asked };
}

Deno.test("LeafTellers asks who speaks v2, each for a few pieces at a time", () => {
  const tellers = new LeafTellers();
  const { peer, asked } = someone(1);
  assert.equal(tellers.canTell(peer), true);
  assert.equal(tellers.canTell(someone(2, false).peer), false);
  for (let n = 0; n < MAX_LEAF_REQUESTS_SENT; n++) {
    assert.equal(tellers.hasRoom(peer), true);
    tellers.ask(peer, piece(n), spanOf(n));
  }
  assert.equal(tellers.hasRoom(peer), false);
  assert.equal(tellers.hasRoom(someone(2).peer), true);
  assert.deepEqual(asked.map(({ index }) => index), [0, 4, 8, 12]);
  assert.deepEqual([tellers.askedCount, tellers.isAsked(piece(0))], [MAX_LEAF_REQUESTS_SENT, true]);
  assert.equal(tellers.take(peer, spanOf(0)), 0);
  assert.deepEqual([tellers.hasRoom(peer), tellers.isAsked(piece(0))], [true, false]);
});

Deno.test("take() knows no answer that was not asked for: of another peer, another span, another file, or twice", () => {
  const tellers = new LeafTellers();
  const { peer } = someone(1);
  tellers.ask(peer, piece(1), spanOf(1));
  assert.equal(tellers.take(someone(2).peer, spanOf(1)), undefined);
  assert.equal(tellers.take(peer, spanOf(2)), undefined);
  assert.equal(tellers.take(peer, { ...spanOf(1), root: new Uint8Array(32) }), undefined);
  assert.equal(tellers.take(peer, spanOf(1)), 1);
  assert.equal(tellers.take(peer, spanOf(1)), undefined);
});

Deno.test("onRefused() keeps the piece from that peer, and gives one that refuses again and again a rest", () => {
  const tellers = new LeafTellers();
  const { peer } = someone(1);
  tellers.advance(5000);
  for (let n = 0; n < MAX_LEAF_REJECTS; n++) {
    assert.equal(tellers.canTell(peer), true);
    tellers.ask(peer, piece(n), spanOf(n));
    tellers.onRefused(tellers.take(peer, spanOf(n))!, peer);
    assert.equal(tellers.hasRefused(piece(n), peer), true);
    assert.equal(tellers.hasRefused(piece(n), someone(2).peer), false);
  }
  assert.equal(tellers.canTell(peer), false);
  tellers.advance(5000 + REJECT_PAUSE_MS - 1);
  assert.equal(tellers.canTell(peer), false);
  tellers.advance(5000 + REJECT_PAUSE_MS);
  assert.equal(tellers.canTell(peer), true);
});

Deno.test("onTold() begins the count of refusals anew", () => {
  const tellers = new LeafTellers();
  const { peer } = someone(1);
  for (let n = 0; n < 3 * MAX_LEAF_REJECTS; n++) {
    tellers.onRefused(piece(n), peer);
    if (n % 2 === 1) tellers.onTold(peer);
  }
  assert.equal(tellers.canTell(peer), true);
});

Deno.test("refused() names pieces that nobody is asked about now, until they are forgotten", () => {
  const tellers = new LeafTellers();
  const [a, b] = [someone(1), someone(2)];
  for (const { peer } of [a, b]) {
    for (const n of [1, 2]) tellers.onRefused(piece(n), peer);
  }
  tellers.onRefused(piece(3), a.peer);
  tellers.ask(b.peer, piece(2), spanOf(2));
  assert.deepEqual([...tellers.refused()], [[1, 2], [3, 1]]);
  tellers.forget(piece(1));
  assert.deepEqual([...tellers.refused()], [[3, 1]]);
  assert.equal(tellers.hasRefused(piece(1), a.peer), false);
  tellers.forgetAll();
  assert.deepEqual([...tellers.refused()], []);
});

Deno.test("giveUpSilent() takes back what nobody answered, and waits for who answers one after the other", () => {
  const tellers = new LeafTellers();
  const [slow, mute] = [someone(1), someone(2)];
  for (const [i, { peer }] of [slow, mute].entries()) {
    for (const n of [1, 2]) tellers.ask(peer, piece(10 * i + n), spanOf(10 * i + n));
  }
  tellers.advance(HASH_TIMEOUT_MS - 1);
  tellers.giveUpSilent();
  assert.equal(tellers.askedCount, 4);
  tellers.take(slow.peer, spanOf(1));
  tellers.onTold(slow.peer);
  tellers.advance(HASH_TIMEOUT_MS);
  tellers.giveUpSilent();
  assert.deepEqual([2, 11, 12].map((n) => tellers.isAsked(piece(n))), [true, false, false]);
  assert.deepEqual([slow, mute].map(({ peer }) => tellers.canTell(peer)), [true, false]);
  assert.equal(tellers.hasRefused(piece(11), mute.peer), true);
  tellers.advance(2 * HASH_TIMEOUT_MS);
  tellers.giveUpSilent();
  assert.equal(tellers.askedCount, 0);
});

Deno.test("leave() takes back what the peer was asked, without blame", () => {
  const tellers = new LeafTellers();
  const [gone, other] = [someone(1), someone(2)];
  tellers.ask(gone.peer, piece(1), spanOf(1));
  tellers.ask(other.peer, piece(2), spanOf(2));
  tellers.leave(gone.peer);
  assert.deepEqual([tellers.isAsked(piece(1)), tellers.isAsked(piece(2))], [false, true]);
  assert.deepEqual([...tellers.refused()], []);
});

Deno.test("advance() never goes back", () => {
  const tellers = new LeafTellers();
  const { peer } = someone(1);
  tellers.advance(1000);
  for (let n = 0; n < MAX_LEAF_REJECTS; n++) tellers.onRefused(piece(n), peer);
  tellers.advance(1000 + REJECT_PAUSE_MS);
  tellers.advance(0);
  assert.equal(tellers.canTell(peer), true);
});
