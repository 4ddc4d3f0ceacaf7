import assert from "node:assert/strict";
import { NotEnoughSpace } from "../../lib/errors.ts";
import { sha256 } from "../../lib/hash.ts";
import { ActivePiece } from "../../lib/torrent/active_piece.ts";
import { BlockMill } from "../../lib/torrent/block_mill.ts";
import { CONTROL, type RingMemory } from "../../lib/torrent/block_ring.ts";
import { BlockSink, type MillEvents, type MillThreads } from "../../lib/torrent/block_sink.ts";
import { BLOCK_BYTES, type PieceIndex } from "../../lib/torrent/layout.ts";
import { FixtureTorrent, MemoryStorage } from "./fixture_torrent.ts";

const MIB = 1 << 20;

/** A torrent, a place for it, and a sink; with a second thread whose turns the test gives. */
class World {
  readonly torrent: FixtureTorrent;
  readonly storage: MemoryStorage;
  readonly sink: BlockSink;
  wakes = 0;
  #memory: RingMemory | undefined;
  #events: MillEvents | undefined;

  constructor(
    options: { kind?: "v1" | "v2"; pieceLength?: number; size?: number; thread?: "ready" | "starting" },
  ) {
    const { kind = "v2", pieceLength = 64 << 10, size = 150_000, thread } = options;
    this.torrent = new FixtureTorrent(kind, pieceLength, [size]);
    this.storage = new MemoryStorage(this.torrent.layout);
    this.sink = new BlockSink(this.torrent.layout, this.storage);
    this.sink.onWake = () => this.wakes++;
    if (thread === undefined) return;
    const threads: MillThreads = {
      start: ({ memory }, events) => {
        this.#memory = memory;
        this.#events = events;
        return { end: () => Promise.resolve() };
      },
    };
    this.sink.share(threads, []);
    if (thread === "ready") this.#events!.onReady();
  }

  get events(): MillEvents {
    return this.#events!;
  }

  active(n: number): ActivePiece {
    const { layout, info: { kind } } = this.torrent;
    const piece = layout.piece(n)!;
    return new ActivePiece(piece, layout.blockCount(piece), { keepHashes: kind !== "v1" });
  }

  put(active: ActivePiece, ...blocks: number[]): void {
    for (const block of blocks) this.sink.put(active, block, this.torrent.block(active.piece, block));
  }

  /** Puts whole pieces. */
  putPieces(...numbers: number[]): void {
    for (const n of numbers) {
      const active = this.active(n);
      this.put(active, ...Array.from({ length: active.blockCount }, (_, block) => block));
    }
  }

  get readyJobs(): number {
    const { control } = this.#memory!;
    return control[CONTROL.ready]! - control[CONTROL.done]!;
  }

  /** The thread does so many of the jobs that it may do, and says so where it was asked to. */
  turn(most = this.readyJobs): void {
    const { control } = this.#memory!;
    const done = control[CONTROL.done]!;
    new BlockMill(this.#memory!, this.torrent.layout, this.storage).work(done, done + most);
    if (control[CONTROL.wants] === 0 || control[CONTROL.wanted]! > done + most) return;
    control[CONTROL.wants] = 0;
    this.#events!.onWake();
  }

  /** What is in the ring's slots for the hashes of a piece of one MiB, when pieces before it were put whole. */
  hashesOf(n: number): Uint8Array {
    return this.#memory!.results.slice(32 * 64 * n, 32 * 64 * (n + 1));
  }

  trueHashes(active: ActivePiece): Uint8Array {
    const hashes = new Uint8Array(32 * active.blockCount);
    for (let block = 0; block < active.blockCount; block++) {
      hashes.set(sha256(this.torrent.block(active.piece, block)), 32 * block);
    }
    return hashes;
  }

  assertIsHere(n: number): void {
    const piece = this.torrent.layout.piece(n)!;
    assert.deepEqual(
      this.storage.piece(piece),
      this.torrent.bytes(piece, 0, this.torrent.layout.pieceSize(piece)),
    );
  }
}

const numbersOf = (actives: readonly ActivePiece[]) => actives.map(({ piece }) => piece as number);

for (const thread of [undefined, "starting", "ready"] as const) {
  Deno.test(`BlockSink.collect() names pieces once they are written, with a thread that is ${thread}`, () => {
    const world = new World({ thread: thread! });
    const [first, last] = [world.active(0), world.active(2)];
    world.put(first, 2, 0);
    assert.deepEqual(world.sink.collect(), []);
    world.put(last, 1, 0);
    world.put(first, 1, 3);
    const whole = [...world.sink.collect()];
    if (thread === "ready") assert.equal(world.readyJobs, 0, "so few are done at once");
    assert.deepEqual(numbersOf(whole), [2, 0]);
    assert.deepEqual(world.sink.collect(), []);
    for (const active of [first, last]) {
      world.assertIsHere(active.piece);
      assert.deepEqual(active.hashes, world.trueHashes(active));
    }
  });

  Deno.test(`BlockSink reads back a piece of a v1 torrent, with a thread that is ${thread}`, () => {
    const world = new World({ kind: "v1", thread: thread! });
    const active = world.active(2);
    world.put(active, 0, 1);
    const first = numbersOf(world.sink.collect());
    if (thread === "ready") {
      assert.deepEqual(first, [], "that takes long, and is the thread's");
      world.turn();
      assert.deepEqual(numbersOf(world.sink.collect()), [2]);
    } else {
      assert.deepEqual(first, [2]);
    }
    const { piecesV1 } = world.torrent.info;
    assert.deepEqual(new Uint8Array(active.readBack!), new Uint8Array(piecesV1!.subarray(40, 60)));
  });
}

Deno.test("BlockSink writes blocks that follow one another in a piece at once", () => {
  const world = new World({ pieceLength: 256 << 10, size: MIB });
  world.put(world.active(0), 0, 1, 2, 3, 7, 8);
  world.put(world.active(1), 0);
  assert.equal(world.storage.writes, 0, "not before all that came together is there");
  world.sink.collect();
  assert.equal(world.storage.writes, 3);
});

Deno.test("BlockSink writes pieces that lie behind one another in one file at once", () => {
  const world = new World({ pieceLength: BLOCK_BYTES, size: 10 * BLOCK_BYTES - 100 });
  world.storage.joinsPieces = true;
  world.putPieces(0, 1, 2, 8, 9, 3);
  assert.deepEqual(numbersOf(world.sink.collect()), [0, 1, 2, 8, 9, 3]);
  assert.equal(world.storage.writes, 3);
  for (const n of [0, 1, 2, 8, 9, 3]) world.assertIsHere(n);
});

Deno.test("BlockSink writes each piece by itself where a place does not say that they may be joined", () => {
  const world = new World({ pieceLength: BLOCK_BYTES, size: 10 * BLOCK_BYTES });
  world.putPieces(0, 1, 2);
  world.sink.collect();
  assert.equal(world.storage.writes, 3);
});

Deno.test("BlockSink keeps the later one of two blocks for one place", () => {
  const world = new World({ pieceLength: 128 << 10, thread: "ready" });
  const [dropped, active] = [world.active(0), world.active(0)];
  const wrong = new Uint8Array(BLOCK_BYTES).fill(7);
  for (let block = 0; block < 6; block++) world.sink.put(dropped, block, wrong);
  world.sink.collect();
  assert.equal(world.readyJobs, 6, "more than a few are for the thread");
  world.put(active, 0, 1);
  world.sink.collect();
  assert.equal(world.readyJobs, 8, "these few come after others, and wait for them");
  world.put(active, 2, 3, 4, 5, 6, 7);
  world.sink.collect();
  world.turn();
  assert.deepEqual(world.sink.collect(), [active]);
  world.assertIsHere(0);
});

for (const thread of [undefined, "starting"] as const) {
  Deno.test(`BlockSink takes any amount at once, with a thread that is ${thread}`, () => {
    const world = new World({ pieceLength: 128 << 10, size: 20 * MIB, thread: thread! });
    const all = Array.from({ length: 160 }, (_, n) => n);
    world.putPieces(...all);
    assert.deepEqual(numbersOf(world.sink.collect()), all);
    for (const n of all) world.assertIsHere(n);
  });
}

Deno.test("BlockSink goes round its memory any number of times and mixes nothing up", () => {
  // Pieces of an odd size: the last block of each is short.
  const world = new World({ pieceLength: 128 << 10, size: 100 * (128 << 10) - 1001, thread: "ready" });
  const found: number[] = [];
  for (let round = 0; round < 20; round++) {
    for (let n = round % 7; n < 100; n += 7) {
      world.putPieces(n);
      found.push(...numbersOf(world.sink.collect()));
      // It stays behind by some MiB, by another number of blocks each time.
      const turn = Math.min(world.readyJobs, 5 + (n * 3 + round) % 8);
      if (world.readyJobs > 350) world.turn(turn);
    }
  }
  world.turn();
  found.push(...numbersOf(world.sink.collect()));
  assert.equal(found.length, 286);
  for (let n = 0; n < 100; n++) world.assertIsHere(n);
});

Deno.test("BlockSink.room() resolves when half of what waits is done", async () => {
  const world = new World({ pieceLength: MIB, size: 8 * MIB, thread: "ready" });
  world.putPieces(0, 1, 2, 3);
  world.sink.collect();
  assert.equal(world.sink.isBehind, false);
  world.putPieces(4);
  world.sink.collect();
  assert.equal(world.sink.isBehind, true);
  let hasRoom = false;
  const room = world.sink.room().then(() => hasRoom = true);
  world.turn(3 * 64 - 1);
  await Promise.resolve();
  assert.deepEqual([hasRoom, world.wakes], [false, 0]);
  world.turn(1);
  await room;
  assert.equal(world.wakes, 1);
  assert.equal(world.sink.isBehind, false);
});

Deno.test("BlockSink hashes what it brings itself while much waits for its thread", () => {
  const world = new World({ pieceLength: MIB, size: 4 * MIB, thread: "ready" });
  world.putPieces(0, 1);
  world.sink.collect();
  world.storage.write = () => {}; // only hashes are looked at
  world.putPieces(2);
  world.sink.collect();
  const early = world.hashesOf(2);
  world.turn();
  const whole = world.sink.collect();
  assert.deepEqual(numbersOf(whole), [0, 1, 2]);
  for (const active of whole) assert.deepEqual(active.hashes, world.trueHashes(active));
  assert.deepEqual(early, world.trueHashes(whole[2]!), "before the thread had come to it");
});

Deno.test("BlockSink.drain() resolves when all is done, pieces that are read back too", async () => {
  const world = new World({ kind: "v1", pieceLength: 128 << 10, size: MIB, thread: "ready" });
  world.putPieces(0, 1, 2);
  let isDrained = false;
  const drained = world.sink.drain().then(() => isDrained = true);
  world.turn();
  await Promise.resolve();
  assert.equal(isDrained, false);
  assert.equal(world.readyJobs, 3);
  world.turn();
  await drained;
  assert.deepEqual(numbersOf(world.sink.collect()), [0, 1, 2]);
});

Deno.test("BlockSink tells what it wrote before the disk was full, and lets nobody wait", async () => {
  const world = new World({ pieceLength: MIB, size: 8 * MIB, thread: "ready" });
  world.putPieces(0, 1, 2, 3, 4);
  world.sink.collect();
  const room = world.sink.room();
  const drained = world.sink.drain();
  world.turn(2 * 64);
  world.events.onFailed(new NotEnoughSpace("Cannot write"));
  await Promise.all([room, drained]);
  assert.equal(world.wakes, 1);
  assert.deepEqual(numbersOf(world.sink.collect()), [0, 1]);
  assert.ok(world.sink.takeFailure() instanceof NotEnoughSpace);
  assert.equal(world.sink.takeFailure(), undefined);
  world.putPieces(5);
  assert.deepEqual(world.sink.collect(), []);
  assert.equal(world.sink.isBehind, false);
});

Deno.test("BlockSink does the work itself where no thread can be started", () => {
  const torrent = new FixtureTorrent("v2", 32_768, [65_536]);
  const storage = new MemoryStorage(torrent.layout);
  const sink = new BlockSink(torrent.layout, storage);
  sink.share({ start: () => undefined }, []);
  const piece = 0 as PieceIndex;
  const active = new ActivePiece(piece, 2, { keepHashes: true });
  for (const block of [0, 1]) sink.put(active, block, torrent.block(piece, block));
  assert.deepEqual(sink.collect(), [active]);
});
