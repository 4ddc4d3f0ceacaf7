import assert from "node:assert/strict";
import { MAX_SUGGESTED } from "../../lib/torrent/limits.ts";
import { Suggestions } from "../../lib/torrent/suggestions.ts";
import { seeded } from "./seeded.ts";

const BLOCK = 16_384;

/** @param options.availability How many peers have each piece; those not named: nobody. */
function open(pieceCount: number, options: { pieceLength?: number; availability?: number[] } = {}) {
  const { pieceLength = 4 << 20, availability = [] } = options;
  return new Suggestions({
    pieceCount,
    pieceLength,
    availability: (piece) => availability[piece] ?? 0,
    random: seeded(1),
  });
}

const peer = (number: number, has: readonly number[] = []) => ({
  number,
  has: (piece: number) => has.includes(piece),
});

Deno.test("Suggestions.more() names each piece to one peer only", () => {
  const suggestions = open(20);
  const named: number[] = [];
  for (let round = 0; round < 5; round++) {
    for (let number = 1; number <= 4; number++) {
      const pieces = [...suggestions.more(peer(number))];
      assert.equal(pieces.length, 1, "the next one, not more");
      suggestions.begin(peer(number), pieces[0]!);
      named.push(...pieces);
    }
  }
  assert.deepEqual(named.toSorted((a, b) => a - b), Array.from({ length: 20 }, (_, piece) => piece));
  assert.deepEqual([...suggestions.more(peer(5))], [], "all are on their way");
});

Deno.test("Suggestions.more() names no piece that somebody has", () => {
  const suggestions = open(6, { availability: [1, 0, 2, 1, 0, 1] });
  const [first] = suggestions.more(peer(1));
  const [second] = suggestions.more(peer(2));
  assert.deepEqual(new Set([first, second]), new Set([1, 4]));
  assert.deepEqual([...suggestions.more(peer(3))], []);
});

Deno.test("Suggestions.more() names nothing again before the first is begun, and goes on when it is", () => {
  const suggestions = open(10);
  const [first] = suggestions.more(peer(1));
  assert.deepEqual([...suggestions.more(peer(1))], []);
  suggestions.begin(peer(2), first!);
  assert.deepEqual([...suggestions.more(peer(1))], [], "another's request changes nothing");
  suggestions.begin(peer(1), first!);
  const [second] = suggestions.more(peer(1));
  assert.notEqual(second, undefined);
  assert.notEqual(second, first);
});

Deno.test("Suggestions.more() names as many small pieces as are asked for at first, with a bound", () => {
  assert.equal([...open(100, { pieceLength: 4 * BLOCK }).more(peer(1))].length, 4);
  assert.equal([...open(100, { pieceLength: BLOCK }).more(peer(1))].length, MAX_SUGGESTED);
});

Deno.test("Suggestions.pause() gives to others what was not begun, leave() the rest", () => {
  const suggestions = open(2);
  const [begun] = suggestions.more(peer(1));
  suggestions.begin(peer(1), begun!);
  const [other] = suggestions.more(peer(1));
  assert.deepEqual([...suggestions.more(peer(2))], []);
  suggestions.pause(peer(1));
  suggestions.lookAgain();
  assert.deepEqual([...suggestions.more(peer(2))], [other]);
  assert.deepEqual([...suggestions.more(peer(3))], []);
  suggestions.leave(peer(1));
  suggestions.lookAgain();
  assert.deepEqual([...suggestions.more(peer(3))], [begun]);
});

Deno.test("Suggestions are not kept from others by a peer that begins pieces and ends none", () => {
  const pieceCount = 100;
  const suggestions = open(pieceCount);
  for (let i = 0; i < 2 * pieceCount; i++) {
    for (const piece of suggestions.more(peer(1))) suggestions.begin(peer(1), piece);
    suggestions.lookAgain();
  }
  let left = 0;
  for (let number = 2; number <= pieceCount; number++) left += [...suggestions.more(peer(number))].length;
  assert.ok(left > pieceCount / 2, `${left}`);
});

Deno.test("Suggestions look at a bounded number of pieces in vain between two looks", () => {
  let looks = 0;
  const suggestions = new Suggestions({
    pieceCount: 2_000_000,
    pieceLength: BLOCK,
    availability: () => ++looks,
    random: seeded(1),
  });
  for (let i = 0; i < 1000; i++) assert.deepEqual([...suggestions.more(peer(1))], []);
  assert.ok(looks < 10_000, `${looks}`);
});
