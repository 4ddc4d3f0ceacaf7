import assert from "node:assert/strict";
import { WireFault } from "../../lib/errors.ts";
import { HashFetch, type HashPeer } from "../../lib/torrent/hash_fetch.ts";
import { Layout } from "../../lib/torrent/layout.ts";
import { MerkleTree } from "../../lib/torrent/merkle.ts";
import { PieceLayers } from "../../lib/torrent/piece_layers.ts";
import type { HashSpan } from "../../lib/torrent/wire.ts";
import { sha256 } from "../../lib/hash.ts";
import { layoutOf } from "./fixtures.ts";

/** A file of 2000 pieces of one block: four requests. Only its leaves exist. */
function world() {
  const hashes = new Uint8Array(2000 * 32);
  for (let i = 0; i < 2000; i++) hashes.set(sha256(Uint8Array.of(i >> 8, i)), 32 * i);
  const tree = new MerkleTree({ hashes });
  const made = layoutOf("v2", 16_384, [2000 * 16_384]);
  const files = [{ ...made.files[0]!, piecesRoot: tree.root }];
  const layers = new PieceLayers(Layout.of({ kind: "v2", pieceLength: 16_384, pieceCount: 2000, files }));
  return { tree, layers, fetch: new HashFetch(layers) };
}

class Peer implements HashPeer {
  readonly asked: HashSpan[] = [];
  constructor(readonly number: number) {}
  request(span: HashSpan): void {
    this.asked.push(span);
  }
  /** The oldest request, as an answer echoes it. */
  next(): HashSpan {
    const span = this.asked.shift()!;
    return { ...span, root: span.root.slice() };
  }
}

Deno.test("HashFetch asks each peer for two spans at a time, nobody twice, until all is proven", () => {
  const { tree, layers, fetch } = world();
  const [a, b, c] = [new Peer(1), new Peer(2), new Peer(3)];
  for (const peer of [a, b, c]) fetch.addPeer(peer, 0);
  fetch.addPeer(a, 0);
  assert.deepEqual([a, b, c].map(({ asked }) => asked.length), [2, 2, 0]);
  assert.equal(new Set([...a.asked, ...b.asked]).size, 4);
  for (const peer of [b, a, a, b]) {
    const span = peer.next();
    assert.equal(fetch.onHashes(peer.number, span, tree.answer(span)!, 10), true);
  }
  assert.equal(layers.isComplete, true);
  assert.equal(c.asked.length, 0);
});

Deno.test("HashFetch asks another peer when the answer is late, and leaves the late one alone for a while", () => {
  const { tree, layers, fetch } = world();
  const [slow, quick] = [new Peer(1), new Peer(2)];
  fetch.addPeer(slow, 0);
  fetch.addPeer(quick, 0);
  for (let i = 0; i < 2; i++) {
    const span = quick.next();
    fetch.onHashes(2, span, tree.answer(span)!, 10);
  }
  fetch.tick(999);
  assert.equal(quick.asked.length, 0);
  fetch.tick(1000);
  assert.deepEqual(quick.asked, slow.asked);
  fetch.tick(10_001);
  assert.equal(slow.asked.length, 2, "not asked again");
  assert.equal(fetch.onHashes(1, slow.asked[0]!, new Uint8Array(32), 10_002), false, "no longer its answer");
  for (let i = 0; i < 2; i++) {
    const span = quick.next();
    assert.equal(fetch.onHashes(2, span, tree.answer(span)!, 10_003), true);
  }
  assert.equal(layers.isComplete, true);
});

Deno.test("HashFetch asks twice as many peers with each second in which nobody answers", () => {
  const { tree, fetch } = world();
  const peers = Array.from({ length: 40 }, (_, i) => new Peer(i));
  for (const peer of peers) fetch.addPeer(peer, 0);
  const counts = [0, 1000, 2000, 3000, 4000].map((nowMs) => {
    fetch.tick(nowMs);
    return peers.filter(({ asked }) => asked.length > 0).length;
  });
  assert.deepEqual(counts, [2, 4, 8, 16, 32], "four spans, two at each peer");
  const last = peers[31]!;
  const span = last.next();
  assert.equal(fetch.onHashes(31, span, tree.answer(span)!, 4001), true);
  assert.equal(fetch.onHashes(0, span, tree.answer(span)!, 4002), false, "the silent ones come too late");
});

Deno.test("HashFetch comes back after a minute to the only peer there is", () => {
  const { fetch } = world();
  const peer = new Peer(1);
  fetch.addPeer(peer, 0);
  fetch.tick(10_001);
  fetch.tick(70_000);
  assert.equal(peer.asked.length, 2);
  fetch.tick(70_001);
  assert.equal(peer.asked.length, 4);
});

Deno.test("HashFetch takes a refused span to somebody else, and does not ask the refuser again at once", () => {
  const { fetch } = world();
  const [no, yes] = [new Peer(1), new Peer(2)];
  fetch.addPeer(no, 0);
  const [first, second] = [no.next(), no.next()];
  fetch.onReject(1, first, 5);
  fetch.onReject(1, second, 5);
  fetch.onReject(1, second, 5);
  assert.equal(no.asked.length, 0, "no tight loop");
  fetch.addPeer(yes, 10);
  assert.deepEqual(yes.asked.map(({ index }) => index), [first.index, second.index]);
  fetch.onReject(1, yes.asked[0]!, 11);
  fetch.tick(11);
  assert.equal(yes.asked.length, 2, "a stranger cannot refuse for another");
});

Deno.test("HashFetch faults hashes that prove nothing, and asks somebody else for them", () => {
  const { tree, layers, fetch } = world();
  const [liar, honest] = [new Peer(1), new Peer(2)];
  fetch.addPeer(liar, 0);
  fetch.addPeer(honest, 0);
  const span = liar.next();
  const wrong = tree.answer(span)!;
  wrong[40]! ^= 1;
  assert.throws(() => fetch.onHashes(1, span, wrong, 10), WireFault);
  fetch.removePeer(1);
  for (let round = 0; round < 4; round++) {
    const span = honest.next();
    assert.equal(fetch.onHashes(2, span, tree.answer(span)!, 20), true);
  }
  assert.equal(layers.isComplete, true);
});

Deno.test("HashFetch faults an answer that is cut short or too long", () => {
  for (const change of [-32, 32]) {
    const { tree, fetch } = world();
    const peer = new Peer(1);
    fetch.addPeer(peer, 0);
    const span = peer.next();
    const right = tree.answer(span)!;
    const wrong = new Uint8Array(right.length + change);
    wrong.set(right.subarray(0, wrong.length));
    assert.throws(() => fetch.onHashes(1, span, wrong, 10), WireFault);
  }
});

Deno.test("HashFetch ignores answers to what nobody asked", () => {
  const { tree, layers, fetch } = world();
  const peer = new Peer(1);
  fetch.addPeer(peer, 0);
  const span = peer.next();
  const right = tree.answer(span)!;
  assert.equal(fetch.onHashes(2, span, right, 10), false, "somebody else's");
  assert.equal(fetch.onHashes(1, { ...span, count: 256 }, right, 10), false, "another span");
  assert.equal(fetch.onHashes(1, span, right, 10), true);
  assert.equal(fetch.onHashes(1, span, right, 10), false, "twice");
  assert.equal(layers.isComplete, false);
});

Deno.test("HashFetch asks nothing when every piece hash is known", () => {
  const fetch = new HashFetch(new PieceLayers(layoutOf("v2", 32_768, [5, 32_768])));
  const peer = new Peer(1);
  fetch.addPeer(peer, 0);
  fetch.tick(1000);
  assert.deepEqual(peer.asked, []);
});
