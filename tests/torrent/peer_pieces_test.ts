// What a peer says of its pieces, in which order, and how often.

import assert from "node:assert/strict";
import { WireFault } from "../../lib/errors.ts";
import { MAX_EARLY_HAVES, MAX_WHOLE_SETS } from "../../lib/torrent/limits.ts";
import { PeerPieces } from "../../lib/torrent/peer_pieces.ts";

const COUNT = 7;
const ALL = Uint8Array.of(0b1111_1110);

/** A peer's pieces, and what was told of them. @param count Of the torrent. */
function world(count: number | "unknown" = COUNT) {
  const told: string[] = [];
  const pieces = new PeerPieces((change) =>
    told.push(
      change.kind === "all"
        ? `${[...change.before ?? ["all"]]} -> ${[...pieces.set ?? ["all"]]}`
        : `${change.kind} ${change.piece}`,
    )
  );
  if (count !== "unknown") pieces.learn(count);
  return { pieces, told };
}

Deno.test("PeerPieces follows what the peer says of all its pieces, of a new one and of a lost one", () => {
  const { pieces, told } = world();
  pieces.onBitfield(Uint8Array.of(0b1010_0000));
  pieces.onHave(2);
  pieces.onHave(6);
  pieces.onDontHave(0);
  pieces.onDontHave(0);
  assert.deepEqual([...pieces.set!], [2, 6]);
  pieces.onHaveAll();
  pieces.onHave(3);
  assert.equal(pieces.set, undefined);
  pieces.onHaveNone();
  assert.deepEqual(told, [" -> 0,2", "have 6", "dont-have 0", "2,6 -> all", "all -> "]);
});

Deno.test("PeerPieces: a full bitfield is everything, and all haves together are too", () => {
  const { pieces } = world();
  pieces.onBitfield(ALL);
  assert.deepEqual([pieces.set, pieces.isAll], [undefined, true]);
  const slow = world().pieces;
  for (let piece = 0; piece < COUNT; piece++) {
    assert.equal(slow.isAll, false);
    slow.onHave(piece);
  }
  assert.equal(slow.isAll, true);
});

Deno.test("PeerPieces: a seed that lost a piece has all the others", () => {
  const { pieces, told } = world();
  pieces.onHaveAll();
  pieces.onDontHave(3);
  assert.deepEqual([...pieces.set!], [0, 1, 2, 4, 5, 6]);
  assert.deepEqual(told, [" -> all", "all -> 0,1,2,4,5,6"]);
});

Deno.test("has() takes a number of any size", () => {
  const { pieces } = world();
  pieces.onHave(6);
  assert.deepEqual([6, 7, 8, 2 ** 32 - 1].map((piece) => pieces.has(piece)), [true, false, false, false]);
  assert.equal(world("unknown").pieces.has(0), false);
});

Deno.test("learn() reads an early bitfield and the haves after it, in order, and does so once", () => {
  const { pieces, told } = world("unknown");
  const bits = Uint8Array.of(0b1100_0000);
  pieces.onHave(6);
  pieces.onBitfield(bits);
  bits.fill(0); // the receive buffer goes on
  pieces.onHave(4);
  assert.deepEqual([pieces.isKnown, told], [false, []]);
  pieces.learn(COUNT);
  pieces.learn(COUNT);
  assert.deepEqual([...pieces.set!], [0, 1, 4]);
  assert.deepEqual(told, [" -> 0,1", "have 4"]);
});

Deno.test("learn() reads an early word of having everything", () => {
  const { pieces, told } = world("unknown");
  pieces.onHaveAll();
  assert.equal(pieces.isAll, false);
  pieces.learn(COUNT);
  assert.deepEqual([pieces.isAll, told], [true, [" -> all"]]);
});

Deno.test("learn() reads the last early word on all pieces, and forgets what was said before it", () => {
  const { pieces, told } = world("unknown");
  pieces.onHave(COUNT); // of no such torrent, and taken back
  pieces.onHaveAll();
  pieces.onHave(5);
  pieces.onHaveNone();
  pieces.onHave(2);
  pieces.learn(COUNT);
  assert.deepEqual([[...pieces.set!], told], [[2], ["have 2"]]);
});

Deno.test("learn() refuses what was said early and fits no such torrent", () => {
  const tooLong = world("unknown").pieces;
  tooLong.onBitfield(new Uint8Array(2));
  assert.throws(() => tooLong.learn(COUNT), WireFault);
  const tooHigh = world("unknown").pieces;
  tooHigh.onHave(COUNT);
  assert.throws(() => tooHigh.learn(COUNT), WireFault);
});

Deno.test("PeerPieces refuses a piece or a bitfield that the torrent has not", () => {
  assert.throws(() => world().pieces.onHave(COUNT), WireFault);
  assert.throws(() => world().pieces.onBitfield(new Uint8Array(2)), WireFault);
  const { pieces, told } = world();
  pieces.onDontHave(COUNT);
  assert.deepEqual(told, []);
});

Deno.test("onHave() takes a bounded number before the metadata is known", () => {
  const { pieces } = world("unknown");
  for (let i = 0; i < MAX_EARLY_HAVES; i++) pieces.onHave(i % COUNT);
  assert.throws(() => pieces.onHave(0), WireFault);
  pieces.learn(COUNT);
  assert.equal(pieces.set!.isFull, true);
});

Deno.test("PeerPieces refuses a peer that tells of all its pieces again and again, by whichever message", () => {
  const ways: ((pieces: PeerPieces) => void)[] = [
    (pieces) => pieces.onHaveAll(),
    (pieces) => pieces.onHaveNone(),
    (pieces) => pieces.onBitfield(ALL),
    (pieces) => {
      pieces.onHaveAll();
      pieces.onDontHave(3);
    },
  ];
  for (const way of ways) {
    const { pieces, told } = world();
    assert.throws(() => {
      for (let i = 0; i <= MAX_WHOLE_SETS; i++) way(pieces);
    }, WireFault);
    assert.equal(told.length, MAX_WHOLE_SETS);
  }
  const { pieces } = world();
  pieces.onHaveAll();
  for (let i = 0; i < 100; i++) {
    pieces.onDontHave(3);
    pieces.onHave(3);
  }
});
