import assert from "node:assert/strict";
import type { PieceIndex } from "../../lib/torrent/layout.ts";
import { Picker } from "../../lib/torrent/picker.ts";
import { PieceSet } from "../../lib/torrent/piece_set.ts";
import { type Reader, ReadWindow, tailPieces } from "../../lib/torrent/read_window.ts";
import { FakePeer } from "./fake_peer.ts";
import { layoutOf } from "./fixtures.ts";
import { seeded } from "./seeded.ts";

const PIECE = 32_768;

/**
 * A picker of one-block turns that follows a reader. Letters: `#` here, `.` missing; peers `#` has.
 *
 * @param options.rate Pieces a second: two seconds of it come in order.
 */
function drawn(
  us: string,
  peers: readonly string[],
  options: { rate?: number; most?: number; seed?: number } = {},
) {
  const layout = layoutOf("v2", PIECE, [us.length * PIECE]);
  const here = new PieceSet(us.length);
  for (const [piece, letter] of [...us].entries()) if (letter === "#") here.add(piece);
  const random = seeded(options.seed ?? 1);
  const picker = new Picker({ layout, here, random, isReady: () => true, keepHashes: false });
  const reader = { position: 0, waitingFor: undefined as number | undefined };
  const bytesPerSecond = () => (options.rate ?? 0) * PIECE;
  const window = new ReadWindow({ layout, reader, bytesPerSecond, most: options.most });
  picker.follow(() => window.look());
  const fakes = peers.map((drawing, i) => {
    const pieces = new PieceSet(drawing.length);
    for (const [piece, letter] of [...drawing].entries()) if (letter === "#") pieces.add(piece);
    if (!pieces.isFull) picker.onBitfield(pieces);
    return new FakePeer(i + 1, pieces.isFull ? undefined : pieces);
  });
  return { picker, reader, peers: fakes, layout };
}

/** Fetches from the peer, piece by piece. @returns In which order. */
function orderOf(world: ReturnType<typeof drawn>, peer: FakePeer, most = Infinity): number[] {
  const order: number[] = [];
  while (order.length < most) {
    const blocks = peer.pick(world.picker, 2);
    if (blocks.length === 0) break;
    const piece = blocks[0]![0];
    assert.ok(blocks.every(([one]) => one === piece));
    for (const [, block] of blocks) {
      peer.settle(piece, block);
      world.picker.activePiece(piece)!.receive(block, peer.number);
    }
    world.picker.finish(world.picker.activePiece(piece)!);
    order.push(piece);
  }
  return order;
}

Deno.test("pick() with a reader begins with both ends, then goes on in order", () => {
  const world = drawn("..........", ["##########"], { rate: 5 });
  assert.deepEqual(orderOf(world, world.peers[0]!), [0, 9, 1, 2, 3, 4, 5, 6, 7, 8]);
});

Deno.test("pick() with a reader takes what is before it in order, then the window, then anything, rarest first", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = drawn(".".repeat(100), ["#".repeat(100)], { rate: 1, seed });
    const order = orderOf(world, world.peers[0]!);
    assert.deepEqual(order.slice(0, 3), [0, 99, 1], "both ends, and two seconds from the reader on");
    // Two minutes ahead, but no more than a quarter of what is missing.
    const within = order.map((piece, i) => piece < i + 25 || piece === 99);
    assert.ok(within.every(Boolean), order.join());
    assert.notDeepEqual(order.slice(3), order.slice(3).toSorted((a, b) => a - b), "not in order");
  }
});

Deno.test("pick() with a reader far behind what is here takes the rarest of all", () => {
  const us = "#".repeat(70) + ".".repeat(100);
  const world = drawn(us, ["#".repeat(170)], { rate: 0 });
  const order = orderOf(world, world.peers[0]!);
  assert.equal(order[0], 169);
  assert.ok(Math.max(...order.slice(1, 11)) > 110, order.join());
});

Deno.test("pick() with a reader moves on with it", () => {
  const world = drawn(".".repeat(40), ["#".repeat(40)], { rate: 1 });
  assert.deepEqual(orderOf(world, world.peers[0]!, 2), [0, 39]);
  world.reader.position = 10;
  assert.deepEqual(orderOf(world, world.peers[0]!, 2), [10, 11]);
  const next = orderOf(world, world.peers[0]!, 4);
  assert.ok(next.every((piece) => piece >= 12 && piece < 24), next.join());
});

Deno.test("pick() with a reader gives what it waits for to everybody, before anything new", () => {
  const world = drawn(".".repeat(12), ["#".repeat(12), "#".repeat(12)], { rate: 1 });
  const [a, b] = world.peers as [FakePeer, FakePeer];
  assert.deepEqual(orderOf(world, a, 2), [0, 11]);
  world.reader.position = world.reader.waitingFor = 7;
  assert.deepEqual(a.pick(world.picker, 1), [[7, 0]]);
  assert.deepEqual(b.pick(world.picker, 1), [[7, 1]], "a share of a's piece");
});

Deno.test("pick() with a reader asks for it again when all others have brought something meanwhile", () => {
  const world = drawn(".".repeat(12), ["#".repeat(12), "#".repeat(12)], { rate: 1 });
  const [a, b] = world.peers as [FakePeer, FakePeer];
  assert.deepEqual(orderOf(world, b, 2), [0, 11]);
  world.reader.position = world.reader.waitingFor = 1;
  assert.deepEqual(a.pick(world.picker, 2), [[1, 0], [1, 1]]);
  assert.deepEqual(orderOf(world, b, 3).includes(1), false);
  assert.deepEqual(b.pick(world.picker, 1), [[1, 1]], "from its end");
  assert.deepEqual(b.pick(world.picker, 1), [[1, 0]]);
  const [[next]] = b.pick(world.picker, 1) as [[PieceIndex, number]];
  assert.ok(next > 1, "two are asked at most");
});

Deno.test("pick() with a reader shares no piece that must have one sender", () => {
  const world = drawn("............", ["############", "############"]);
  const [a, b] = world.peers as [FakePeer, FakePeer];
  const [[piece]] = a.pick(world.picker, 2) as [[PieceIndex, number]];
  const active = world.picker.activePiece(piece)!;
  for (const block of [0, 1]) {
    active.receive(block, 1);
    a.settle(piece, block);
  }
  world.picker.restart(active);
  world.reader.waitingFor = piece;
  assert.deepEqual(a.pick(world.picker, 1), [[piece, 0]]);
  assert.ok(b.pick(world.picker, 2).every(([one]) => one !== piece));
});

Deno.test("pick() with a reader asks a seed for what is rare, and others in order, where some have not all", () => {
  const world = drawn(".".repeat(40), ["#".repeat(40), "#".repeat(30) + "...." + "#".repeat(6)], { rate: 2 });
  const [seed, other] = world.peers as [FakePeer, FakePeer];
  assert.deepEqual(orderOf(world, other, 6), [0, 39, 1, 2, 3, 4]);
  world.reader.position = 26;
  assert.deepEqual(orderOf(world, seed, 4).toSorted(), [30, 31, 32, 33]);
});

Deno.test("pick() with a strict window begins nothing behind it until the reader has come on", () => {
  const world = drawn(".".repeat(20), ["#".repeat(20)], { most: 4 });
  const [peer] = world.peers as [FakePeer];
  assert.deepEqual(orderOf(world, peer).toSorted((a, b) => a - b), [0, 1, 2, 3, 19], "four, and the last");
  assert.deepEqual(peer.pick(world.picker, 9), []);
  world.reader.position = 2;
  assert.deepEqual(orderOf(world, peer).toSorted(), [4, 5]);
  world.reader.waitingFor = 12;
  assert.deepEqual(orderOf(world, peer), [12], "whatever it waits for");
  assert.equal(world.picker.missing, 20 - 8);
});

Deno.test("pick() remembers who has nothing to begin with until that may have changed", () => {
  const layout = layoutOf("v2", PIECE, [6 * PIECE]);
  const asked: number[] = [];
  const isReady = (piece: number) => asked.push(piece) > 0;
  const picker = new Picker({ layout, here: new PieceSet(6), random: seeded(1), isReady, keepHashes: false });
  const pieces = new PieceSet(6);
  const looked: number[] = [];
  const watched = { has: (piece: number) => looked.push(piece) > 0 && pieces.has(piece) } as PieceSet;
  const peer = new FakePeer(1, watched);
  const looks = () => looked.splice(0).length;
  assert.deepEqual(peer.pick(picker, 2), []);
  assert.equal(looks(), 6);
  assert.deepEqual(peer.pick(picker, 2), []);
  assert.equal(looks(), 0, "nothing has changed");
  picker.onHave(3, 2);
  assert.deepEqual(peer.pick(picker, 2), []);
  assert.equal(looks(), 0, "another peer's piece");
  pieces.add(4);
  picker.onHave(4, 1);
  assert.deepEqual(peer.pick(picker, 2), [[4, 0], [4, 1]]);
  looks();
  // A piece that failed is wanted again, from anybody.
  assert.deepEqual(peer.pick(picker, 2), []);
  for (const block of [0, 1]) {
    peer.settle(4, block);
    picker.activePiece(4)!.receive(block, 1);
  }
  picker.restart(picker.activePiece(4)!);
  assert.deepEqual(peer.pick(picker, 2), [[4, 0], [4, 1]]);
});

Deno.test("tailPieces() covers the last 32 KiB, however long pieces are", () => {
  assert.deepEqual(tailPieces(layoutOf("v2", 16_384, [10 * 16_384])), [8, 9]);
  assert.deepEqual(tailPieces(layoutOf("v2", 16_384, [10 * 16_384 - 1])), [7, 8, 9]);
  assert.deepEqual(tailPieces(layoutOf("v2", 1 << 20, [(5 << 20) + 10])), [4, 5]);
  assert.deepEqual(tailPieces(layoutOf("v2", 1 << 20, [100])), [0]);
});

Deno.test("look() is arithmetic: it reads ahead by the rate, and never past the end", () => {
  const layout = layoutOf("v2", 16_384, [1000 * 16_384]);
  const reader: Reader = { position: 990, waitingFor: undefined };
  const fast = new ReadWindow({ layout, reader, bytesPerSecond: () => 16_384 * 20 }).look();
  assert.deepEqual([fast.from, fast.soonEnd, fast.end, fast.isStrict], [990, 1000, 1000, false]);
  const begun = { position: 10, waitingFor: 7 };
  const slow = new ReadWindow({ layout, reader: begun, bytesPerSecond: () => 0 }).look();
  assert.deepEqual([slow.from, slow.soonEnd, slow.end], [10, 12, 74]);
  assert.deepEqual(slow.first, [7, 0, 998, 999]);
  const several = { position: 10, waitingFor: 12, othersWaitFor: [40, 500] };
  const shared = new ReadWindow({ layout, reader: several, bytesPerSecond: () => 0 }).look();
  assert.deepEqual([shared.from, shared.waitingFor, shared.first], [10, 12, [40, 500, 0, 998, 999]]);
  const strict = new ReadWindow({ layout, reader: begun, bytesPerSecond: () => 1e9, most: 16 }).look();
  assert.deepEqual([strict.soonEnd, strict.end, strict.isStrict], [26, 26, true]);
});
