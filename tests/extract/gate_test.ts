import assert from "node:assert/strict";
import { OperationFailed } from "../../lib/errors.ts";
import { PieceGate } from "../../lib/extract/gate.ts";

const PIECE = 1000;

/** What ends a read that would wait: on one thread nobody could open anything. */
class Waits extends Error {}

/** A reader of a file of so many bytes, byte i being i mod 251; `tail`: where what is read out of turn begins. */
function drawn(size: number, options: { tail?: number; most?: number } = {}) {
  const { tail = size, most } = options;
  const passing = most === undefined ? undefined : { most, diskBytes: most * PIECE };
  const gate = PieceGate.make({ size, pieceLength: PIECE, tailFrom: tail, passing });
  const seen: { waitingFor: number | undefined; moved: number } = { waitingFor: undefined, moved: 0 };
  // Another thread's view of the same memory.
  const source = new PieceGate(gate.memory).source(
    (into, at) => {
      for (let i = 0; i < into.length; i++) into[i] = (at + i) % 251;
      return into.length;
    },
    {
      checkStopped() {
        seen.waitingFor = gate.waitingFor;
        throw new Waits();
      },
      onMoved: () => void seen.moved++,
    },
  );
  return { gate, seen, source };
}

Deno.test("readAt() through a gate gives what is open, and no byte more", () => {
  const { gate, source } = drawn(3500);
  gate.open([0, 1, 3]);
  assert.equal(source.size, 3500);
  const into = new Uint8Array(5000);
  assert.equal(source.readAt(into.subarray(0, 300), 0), 300);
  assert.equal(source.readAt(into, 300), 1700, "up to the piece that is missing");
  assert.deepEqual([...into.subarray(0, 3)], [300 % 251, 301 % 251, 302 % 251]);
  assert.deepEqual(into.subarray(1700), new Uint8Array(3300), "nothing of what is behind");
  assert.equal(source.readAt(into, 3100), 400, "the last piece is short");
  assert.equal(source.readAt(into, 3500), 0);
});

Deno.test("readAt() waits for the piece under it, tells which, and is woken to stop", () => {
  const { gate, seen, source } = drawn(3500);
  gate.open([0]);
  assert.throws(() => source.readAt(new Uint8Array(10), 2999), Waits);
  assert.equal(seen.waitingFor, 2);
  assert.equal(gate.waitingFor, undefined, "it waits no longer");
});

Deno.test("position follows who reads on, and looks at the tail leave it", () => {
  const { gate, source } = drawn(10_000, { tail: 9000 });
  gate.open([0, 1, 2, 3, 9]);
  const positions: number[] = [];
  const read = (at: number, length: number) => {
    source.readAt(new Uint8Array(length), at);
    positions.push(gate.position);
  };
  read(0, 32);
  read(9500, 100);
  read(0, 32);
  read(32, 900);
  read(932, 68);
  read(3000, 10);
  read(2000, 1000);
  assert.deepEqual(positions, [0, 0, 0, 0, 1, 3, 3]);
});

Deno.test("position reaches the tail when all before it is read", () => {
  const { gate, source } = drawn(3500, { tail: 2000 });
  gate.open([0, 1, 2, 3]);
  const into = new Uint8Array(4000);
  assert.equal(source.readAt(into, 0), 3500);
  assert.equal(gate.position, 3);
});

Deno.test("a gate of many pieces keeps each of them apart", () => {
  const { gate } = drawn(100 * PIECE);
  const open = [0, 31, 32, 63, 64, 99];
  gate.open(open);
  assert.deepEqual(Array.from({ length: 100 }, (_, i) => i).filter((piece) => gate.isOpen(piece)), open);
  gate.drop(31);
  gate.drop(64);
  assert.deepEqual([gate.isOpen(31), gate.isOpen(32), gate.isOpen(64), gate.isOpen(99)], [
    false,
    true,
    false,
    true,
  ]);
});

Deno.test("readAt() refuses what can never come where pieces go again", () => {
  const { gate, seen, source } = drawn(20_000, { tail: 19_000, most: 4 });
  const read = (at: number) => source.readAt(new Uint8Array(10), at);
  gate.open([0, 1, 2, 3]);
  for (let at = 0; at < 3000; at += 10) read(at);
  for (const piece of [0, 1, 2]) gate.drop(piece);
  assert.throws(() => read(19_500), Waits, "the tail comes");
  assert.throws(() => read(6500), Waits, "inside the window");
  assert.equal(seen.waitingFor, 6);
  for (const at of [500, 7500]) {
    assert.throws(() => read(at), (error: unknown) => {
      return error instanceof OperationFailed && /not read from its start to its end/.test(error.message);
    });
  }
});

Deno.test("onMoved() is told each MiB, and before a wait", () => {
  const size = 4 << 20;
  const gate = PieceGate.make({ size, pieceLength: 1 << 18, tailFrom: size });
  let moved = 0;
  const source = gate.source((into) => into.length, {
    checkStopped() {
      throw new Waits();
    },
    onMoved: () => void moved++,
  });
  gate.open([0, 1, 2, 3, 4, 5]);
  const into = new Uint8Array(1 << 16);
  const counts: number[] = [];
  for (let at = 0; at < 6 << 18; at += into.length) {
    source.readAt(into, at);
    counts.push(moved);
  }
  assert.equal(counts.at(14), 0);
  assert.equal(counts.at(15), 1, "a MiB");
  assert.equal(counts.at(-1), 1);
  assert.throws(() => source.readAt(into, 6 << 18), Waits);
  assert.equal(moved, 2);
  assert.throws(() => source.readAt(into, 6 << 18), Waits);
  assert.equal(moved, 2, "nothing new");
});

Deno.test("of several readers the furthest back is the position, and each tells what it waits for", () => {
  const gate = PieceGate.make({ size: 10_000, pieceLength: PIECE, tailFrom: 9000 });
  const waits: [number | undefined, readonly number[]][] = [];
  const sourceOf = (reader: number, more: { isLook?: boolean; onWait?: () => void } = {}) =>
    new PieceGate(gate.memory).source((into) => into.length, {
      checkStopped() {
        more.onWait?.();
        waits.push([gate.waitingFor, gate.othersWaitFor]);
        throw new Waits();
      },
      reader,
      ...more,
    });
  const into = new Uint8Array(500);
  gate.open([0, 1, 2, 5, 6]);
  const [first, second] = [sourceOf(0), sourceOf(1)];
  second.readAt(into, 5800);
  assert.equal(gate.position, 0, "reader 0 is at the start");
  first.readAt(into, 0);
  first.readAt(into, 500);
  assert.equal(gate.position, 1);
  sourceOf(0, { isLook: true }).readAt(into, 6000);
  assert.equal(gate.position, 1, "a look ahead is no way on");
  // Reader 0 waits for 3 while reader 1 waits for 7 and reader 2 for 3, too.
  const third = sourceOf(2);
  const wait = (source: { readAt(into: Uint8Array, at: number): number }, at: number) =>
    assert.throws(() => source.readAt(into, at), Waits);
  const nested = sourceOf(1, { onWait: () => wait(sourceOf(0, { onWait: () => wait(third, 3000) }), 3500) });
  wait(nested, 7000);
  assert.deepEqual(waits, [[3, [7]], [3, [7]], [7, []]]);
  assert.deepEqual([gate.waitingFor, gate.othersWaitFor], [undefined, []]);
  gate.leave(0);
  assert.equal(gate.position, 6);
  gate.leave(1);
  assert.equal(gate.position, 10, "nobody reads");
});
