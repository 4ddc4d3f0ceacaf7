// Which piece a peer begins. What becomes of its blocks is picker_test.ts's, which draws its peers in the same way. Of
// pieces that are equally rare any may be first: nothing here depends on which.

import assert from "node:assert/strict";
import fc from "fast-check";
import type { PieceIndex } from "../../lib/torrent/layout.ts";
import { hasPiece, MissingPieces, type PieceHolder } from "../../lib/torrent/missing_pieces.ts";
import { PieceSet } from "../../lib/torrent/piece_set.ts";
import type { Wanted } from "../../lib/torrent/read_window.ts";
import { layoutOf } from "./fixtures.ts";
import { seeded } from "./seeded.ts";

const PIECE_LENGTH = 65_536;

/** `#` for a piece that is there. */
function setOf(drawing: string): PieceSet {
  const set = new PieceSet(drawing.length);
  for (const [piece, letter] of [...drawing].entries()) if (letter === "#") set.add(piece);
  return set;
}

/** Pieces that we lack, and peers as what they have, a letter per piece; one that has all of them is a seed. */
function drawn(us: string, peers: readonly string[], isReady: (piece: number) => boolean = () => true) {
  const missing = new MissingPieces({
    layout: layoutOf("v2", PIECE_LENGTH, [us.length * PIECE_LENGTH]),
    here: setOf(us),
    random: seeded(1),
    isReady,
  });
  const holders = peers.map((drawing, number): PieceHolder & { suggested: number[] } => {
    const pieces = setOf(drawing);
    if (!pieces.isFull) { for (const piece of pieces) missing.raise(piece); }
    return { number, pieces: pieces.isFull ? undefined : pieces, suggested: [] };
  });
  return { missing, holders };
}

/** Somebody who reads along: pieces before `soonEnd` in order, those before `end` rarest first. */
function reading(wanted: Partial<Wanted> & { soonEnd: number; end: number }): Wanted {
  return { first: [], waitingFor: undefined, from: 0, isStrict: false, ...wanted };
}

/** Everything that the peer begins, in order. */
function takeAll(missing: MissingPieces, peer: PieceHolder, wanted?: Wanted): number[] {
  const taken: number[] = [];
  for (let piece = missing.take(peer, wanted); piece !== undefined; piece = missing.take(peer, wanted)) {
    taken.push(piece);
  }
  return taken;
}

Deno.test("take() begins the rarest first, only what the peer has and we lack, and nothing twice", () => {
  const { missing, holders: [a, b] } = drawn("#.......", ["########", "#####...", "###....."]);
  const taken = takeAll(missing, a!);
  const groups = [taken.slice(0, 3), taken.slice(3, 5), taken.slice(5)].map((group) => group.toSorted());
  assert.deepEqual(groups, [[5, 6, 7], [3, 4], [1, 2]]);
  assert.deepEqual([missing.count, missing.take(b!, undefined)], [0, undefined]);
  const part = drawn("#.......", ["###.#..."]);
  assert.deepEqual(takeAll(part.missing, part.holders[0]!).toSorted(), [1, 2, 4]);
  assert.equal(part.missing.count, 4);
});

Deno.test("raise() and lower() make a piece commoner and rarer, a held one too", () => {
  for (const isHeld of [false, true]) {
    const { missing, holders: [seed] } = drawn("....", ["####"]);
    if (isHeld) { for (let piece = 0; piece < 4; piece++) missing.hold(piece as PieceIndex); }
    for (const piece of [0, 0, 1, 1, 2, 3]) missing.raise(piece);
    missing.lower(1);
    missing.lower(1);
    assert.deepEqual([0, 1, 2, 3].map((piece) => missing.availability(piece)), [2, 0, 1, 1]);
    const taken: number[] = [];
    for (let left = 4; left > 0; left--) {
      const piece = isHeld ? missing.nextHeld(seed!, undefined, () => true) : missing.take(seed!, undefined);
      if (isHeld) missing.takeHeld(piece!);
      taken.push(piece!);
    }
    assert.deepEqual([taken[0], taken.slice(1, 3).toSorted(), taken[3]], [1, [2, 3], 0]);
  }
});

Deno.test("take() begins nothing that cannot be checked, and does once it can, though nobody says so", () => {
  const ready = new Set<number>();
  const { missing, holders: [seed] } = drawn("...", ["###"], (piece) => ready.has(piece));
  assert.equal(missing.take(seed!, undefined), undefined);
  ready.add(1);
  assert.equal(missing.take(seed!, undefined), 1);
  assert.equal(missing.take(seed!, undefined), undefined);
});

Deno.test("take() finds something for who had nothing to begin with, after it gained a piece or one came back", () => {
  const { missing, holders: [a, b] } = drawn("....", ["#...", ".#.."]);
  assert.deepEqual([takeAll(missing, a!), takeAll(missing, b!)], [[0], [1]]);
  a!.pieces!.add(2);
  missing.raise(2);
  missing.lookAgain(a!.number);
  assert.deepEqual([missing.take(b!, undefined), missing.take(a!, undefined)], [undefined, 2]);
  assert.equal(missing.take(a!, undefined), undefined);
  missing.add(0 as PieceIndex);
  assert.deepEqual([missing.take(b!, undefined), missing.take(a!, undefined)], [undefined, 0]);
});

Deno.test("take() begins what the peer suggests of what is as rare as the rarest, and drops the rest of it", () => {
  const { missing, holders: [seed] } = drawn("#.......", ["########", ".###...."]);
  seed!.suggested.push(0, 2 ** 32 - 1, 1, 6, 5);
  assert.equal(missing.take(seed!, undefined), 6);
  assert.equal(missing.take(seed!, undefined), 5);
  assert.ok([4, 7].includes(missing.take(seed!, undefined)!));
  assert.deepEqual(seed!.suggested, []);
});

Deno.test("take() begins what a reader wants: what is first, then what comes soon in order, then the window's rarest", () => {
  const us = ".".repeat(40);
  const { missing, holders: [seed] } = drawn(us, [us.replaceAll(".", "#")]);
  const wanted = reading({ first: [39, 0], from: 3, soonEnd: 6, end: 9 });
  const taken: number[] = [];
  for (let left = 8; left > 0; left--) taken.push(missing.take(seed!, wanted)!);
  assert.deepEqual(taken.slice(0, 5), [39, 0, 3, 4, 5]);
  assert.deepEqual(taken.slice(5).toSorted(), [6, 7, 8]);
  const beyond = missing.take(seed!, wanted)!;
  assert.ok(![...taken, undefined].includes(beyond), "then anything");
  assert.equal(
    missing.take(seed!, { ...wanted, isStrict: true }),
    undefined,
    "unless nothing else is wanted yet",
  );
});

Deno.test("take() asks a seed for the window's rarest where others have a part, and those others in order", () => {
  // The window ends at the fourth piece, which is the rarest of it.
  const { missing, holders: [seed, part] } = drawn("........", ["########", "######..", "######.."]);
  const wanted = reading({ soonEnd: 4, end: 8 });
  missing.lower(3);
  assert.equal(missing.take(part!, wanted), 0);
  assert.equal(missing.take(seed!, wanted), 3);
  assert.equal(missing.take(part!, wanted), 1);
});

Deno.test("take() goes back with a reader that goes back", () => {
  const us = ".".repeat(20);
  const { missing, holders: [seed] } = drawn(us, [us.replaceAll(".", "#")]);
  assert.equal(missing.take(seed!, reading({ from: 10, soonEnd: 14, end: 20 })), 10);
  assert.equal(missing.take(seed!, reading({ from: 2, soonEnd: 6, end: 20 })), 2);
  assert.equal(missing.take(seed!, reading({ from: 10, soonEnd: 14, end: 20 })), 11);
  missing.add(10 as PieceIndex);
  assert.equal(missing.take(seed!, reading({ from: 10, soonEnd: 14, end: 20 })), 10, "it had failed");
});

Deno.test("hold() keeps a piece from being begun until it is let go, and takes none that is begun", () => {
  const { missing, holders: [seed] } = drawn("#....", ["#####"]);
  const begun = missing.take(seed!, undefined)!;
  const others = [1, 2, 3, 4].filter((piece) => piece !== begun) as PieceIndex[];
  for (const piece of [0 as PieceIndex, begun, ...others]) missing.hold(piece);
  assert.deepEqual([missing.count, missing.heldCount], [0, 3]);
  assert.deepEqual([0, begun].map((piece) => missing.isHeld(piece)), [false, false]);
  assert.equal(missing.take(seed!, undefined), undefined);
  missing.letGo(others[1]!);
  assert.equal(missing.take(seed!, undefined), others[1]);
  missing.letGo(others[1]!);
  assert.equal(missing.take(seed!, undefined), undefined, "it was not held any more");
  missing.takeHeld(others[0]!);
  missing.letGoOfAll();
  assert.deepEqual([takeAll(missing, seed!), missing.heldCount], [[others[2]], 0]);
});

Deno.test("nextHeld() gives what the peer has and the test accepts, and what a reader comes to first", () => {
  const { missing, holders: [part, other] } = drawn("......", ["####..", "###..."]);
  const all = () => true;
  assert.equal(missing.nextHeld(part!, undefined, all), undefined, "nothing is held");
  for (let piece = 0; piece < 6; piece++) missing.hold(piece as PieceIndex);
  assert.equal(missing.nextHeld(part!, undefined, all), 3, "the rarest that it has");
  assert.equal(missing.nextHeld(part!, undefined, (piece) => piece === 1), 1);
  assert.equal(missing.nextHeld(other!, undefined, (piece) => piece > 2), undefined);
  const look = () => reading({ first: [5, 2], from: 1, soonEnd: 2, end: 4 });
  assert.equal(missing.nextHeld(part!, look, all), 2);
  assert.equal(missing.nextHeld(part!, look, (piece) => piece !== 2), 1);
  assert.equal(missing.nextHeld(part!, look, (piece) => piece === 0), 0, "what is behind it, last of all");
  assert.equal(missing.heldCount, 6, "it is only looked at");
});

Deno.test("MissingPieces begins no piece twice and loses none, whoever takes, holds, fails and reads", () => {
  const action = fc.record({
    what: fc.constantFrom("take", "read", "fail", "hold", "let go", "begin held", "all go"),
    peer: fc.nat(3),
    piece: fc.nat(11),
  });
  fc.assert(fc.property(fc.array(action, { maxLength: 80 }), fc.integer(), (actions, seed) => {
    const random = seeded(seed);
    const peers = Array.from(
      { length: 3 },
      () => Array.from({ length: 12 }, () => random() < 0.6 ? "#" : ".").join(""),
    );
    const { missing, holders } = drawn(".".repeat(12), [...peers, "#".repeat(12)]);
    const begun = new Set<number>();
    const begin = (piece: PieceIndex | undefined, by: PieceHolder) => {
      if (piece === undefined) return;
      assert.ok(hasPiece(by, piece), "it has it");
      assert.ok(!begun.has(piece), `${piece} is begun once`);
      begun.add(piece);
    };
    for (const { what, peer, piece } of actions) {
      const by = holders[peer]!;
      if (what === "take") begin(missing.take(by, undefined), by);
      if (what === "read") begin(missing.take(by, reading({ from: piece, soonEnd: piece + 2, end: 12 })), by);
      if (what === "fail" && begun.delete(piece)) missing.add(piece as PieceIndex);
      if (what === "hold") missing.hold(piece as PieceIndex);
      if (what === "let go") missing.letGo(piece as PieceIndex);
      if (what === "all go") missing.letGoOfAll();
      if (what === "begin held") {
        const held = missing.nextHeld(by, undefined, () => true);
        begin(held, by);
        if (held !== undefined) missing.takeHeld(held);
      }
      assert.equal(begun.size + missing.count + missing.heldCount, 12);
    }
    missing.letGoOfAll();
    for (const piece of takeAll(missing, holders[3]!)) begin(piece as PieceIndex, holders[3]!);
    assert.equal(begun.size, 12);
  }));
});
