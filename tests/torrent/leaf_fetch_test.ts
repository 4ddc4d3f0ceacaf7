import assert from "node:assert/strict";
import { WireFault } from "../../lib/errors.ts";
import { LeafFetch } from "../../lib/torrent/leaf_fetch.ts";
import { HASH_TIMEOUT_MS } from "../../lib/torrent/limits.ts";
import type { PeerCore } from "../../lib/torrent/peer_core.ts";
import type { HashSpan } from "../../lib/torrent/wire.ts";
import { FixtureTorrent } from "./fixture_torrent.ts";

/** Two files of two pieces of four blocks. */
const TORRENT = new FixtureTorrent("v2", 65_536, [131_072, 131_072]);
const FIRST = TORRENT.layout.piece(0)!;
const THIRD = TORRENT.layout.piece(2)!;

/** What the fetch needs of a peer. */
function someone(number: number, options: { isV2?: boolean; has?: (piece: number) => boolean } = {}) {
  const asked: HashSpan[] = [];
  const { isV2 = true, has = () => true } = options;
  const out = { hashSpan: (_: number, span: HashSpan) => asked.push({ ...span, root: span.root.slice() }) };
  return { asked, peer: { number, isGreeted: true, isV2, has, out } as unknown as PeerCore };
}

function leavesOf(piece: number): Uint8Array {
  const span = TORRENT.layers()!.leafRequest(TORRENT.layout.piece(piece)!)!;
  return TORRENT.answer(span)!.subarray(0, 4 * 32);
}

Deno.test("LeafFetch asks one peer that has the piece and speaks v2, and gives its proven leaves", () => {
  const fetch = new LeafFetch(TORRENT.layers()!);
  const [v1, without, good, other] = [
    someone(1, { isV2: false }),
    someone(2, { has: () => false }),
    someone(3),
    someone(4),
  ];
  const peers = [v1, without, good, other].map(({ peer }) => peer);
  fetch.tick(peers, 0);
  fetch.want(FIRST);
  fetch.want(FIRST);
  fetch.tick(peers, 1000);
  fetch.tick(peers, 2000);
  assert.deepEqual([v1, without, good, other].map(({ asked }) => asked.length), [0, 0, 1, 0]);
  const [span] = good.asked as [HashSpan];
  assert.deepEqual([span.base, span.index, span.count, span.proofLayers], [0, 0, 4, 2]);
  assert.deepEqual(fetch.onHashes(good.peer, span, TORRENT.answer(span)!), {
    piece: FIRST,
    leaves: leavesOf(0),
  });
  assert.equal(fetch.onHashes(good.peer, span, TORRENT.answer(span)!), undefined, "once");
});

Deno.test("LeafFetch tells pieces of two files apart that have one place each in theirs", () => {
  const fetch = new LeafFetch(TORRENT.layers()!);
  const { asked, peer } = someone(1);
  fetch.want(FIRST);
  fetch.want(THIRD);
  fetch.tick([peer], 0);
  assert.equal(asked.length, 2);
  const [first, third] = asked as [HashSpan, HashSpan];
  assert.equal(fetch.onHashes(peer, third, TORRENT.answer(third)!)?.piece, THIRD);
  fetch.onReject(peer, third);
  assert.equal(fetch.onHashes(peer, first, TORRENT.answer(first)!)?.piece, FIRST);
});

Deno.test("LeafFetch asks somebody else after a refusal and after silence, nobody twice", () => {
  const fetch = new LeafFetch(TORRENT.layers()!);
  const all = [someone(1), someone(2), someone(3)];
  const peers = all.map(({ peer }) => peer);
  fetch.want(FIRST);
  fetch.tick(peers, 0);
  fetch.onReject(peers[0]!, all[0]!.asked[0]!);
  fetch.tick(peers, 1);
  fetch.tick(peers, HASH_TIMEOUT_MS);
  assert.deepEqual(all.map(({ asked }) => asked.length), [1, 1, 0]);
  fetch.tick(peers, 1 + HASH_TIMEOUT_MS);
  fetch.tick(peers, 2 + 2 * HASH_TIMEOUT_MS);
  fetch.tick(peers, 3 + 3 * HASH_TIMEOUT_MS);
  assert.deepEqual(all.map(({ asked }) => asked.length), [1, 1, 1]);
});

Deno.test("LeafFetch faults an answer that proves nothing, and ignores what it did not ask for", () => {
  const fetch = new LeafFetch(TORRENT.layers()!);
  const [asked, stranger] = [someone(1), someone(2)];
  fetch.want(FIRST);
  fetch.tick([asked.peer], 0);
  const [span] = asked.asked as [HashSpan];
  const hashes = TORRENT.answer(span)!;
  assert.equal(fetch.onHashes(stranger.peer, span, hashes), undefined);
  hashes[0]! ^= 1;
  assert.throws(() => fetch.onHashes(asked.peer, span, hashes), WireFault);
});

Deno.test("LeafFetch forgets a piece that is here after all", () => {
  const fetch = new LeafFetch(TORRENT.layers()!);
  const { asked, peer } = someone(1);
  fetch.want(FIRST);
  fetch.forget(FIRST);
  fetch.tick([peer], 0);
  assert.equal(asked.length, 0);
});
