import assert from "node:assert/strict";
import { join } from "node:path";
import { equalBytes } from "../../lib/bytes.ts";
import { NotEnoughSpace } from "../../lib/errors.ts";
import { sha256 } from "../../lib/hash.ts";
import { WorkerMills } from "../../lib/io/block_client.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { ActivePiece } from "../../lib/torrent/active_piece.ts";
import { ringMemory } from "../../lib/torrent/block_ring.ts";
import { BlockSink } from "../../lib/torrent/block_sink.ts";
import { BLOCK_BYTES } from "../../lib/torrent/layout.ts";
import { FileStorage } from "../../lib/torrent/storage.ts";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";

const PIECE_BYTES = 1 << 20;

/** A sink over a real file, whose Worker has started. */
async function started(
  path: string,
  pieces: number,
  threads = new WorkerMills(2),
): Promise<{ torrent: FixtureTorrent; sink: BlockSink }> {
  const torrent = new FixtureTorrent("v2", PIECE_BYTES, [pieces * PIECE_BYTES - 5000]);
  const { layout } = torrent;
  const storage = FileStorage.open({ files: systemFiles, layout, paths: [path] });
  const sink = new BlockSink(layout, storage);
  const ready = Promise.withResolvers<void>();
  sink.share({
    start: (job, events) =>
      threads.start(job, {
        ...events,
        onReady: () => {
          events.onReady();
          ready.resolve();
        },
      }),
  }, [path]);
  storage.close(); // whatever is written now, the Worker writes
  await ready.promise;
  return { torrent, sink };
}

/** Counts the Workers that are made and ended meanwhile; they are real ones. */
class MadeWorkers implements Disposable {
  count = 0;
  ended = 0;
  readonly #real = globalThis.Worker;

  constructor() {
    // deno-lint-ignore no-this-alias
    const made = this;
    globalThis.Worker = class extends this.#real {
      constructor(...words: ConstructorParameters<typeof Worker>) {
        super(...words);
        made.count++;
      }

      override terminate(): void {
        made.ended++;
        super.terminate();
      }
    };
  }

  [Symbol.dispose](): void {
    globalThis.Worker = this.#real;
  }
}

function putPiece(torrent: FixtureTorrent, sink: BlockSink, n: number): ActivePiece {
  const piece = torrent.layout.piece(n)!;
  const active = new ActivePiece(piece, torrent.layout.blockCount(piece), { keepHashes: true });
  const bytes = torrent.bytes(piece, 0, torrent.layout.pieceSize(piece));
  for (let block = 0; block < active.blockCount; block++) {
    sink.put(active, block, bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES));
  }
  return active;
}

Deno.test("WorkerMills hashes and writes in a Worker, which says when it has done what is waited for", async () => {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "content");
  const { torrent, sink } = await started(path, 6);
  try {
    const whole: ActivePiece[] = [];
    for (let n = 0; n < 6; n++) {
      putPiece(torrent, sink, n);
      whole.push(...sink.collect());
      while (sink.isBehind) {
        await sink.room();
        whole.push(...sink.collect());
      }
    }
    await sink.drain();
    whole.push(...sink.collect());
    assert.deepEqual(whole.map(({ piece }) => piece as number), Array.from({ length: 6 }, (_, n) => n));
    const bytes = await Deno.readFile(path);
    for (const { piece, hashes, blockCount } of whole) {
      const size = torrent.layout.pieceSize(piece);
      const there = bytes.subarray(piece * PIECE_BYTES, piece * PIECE_BYTES + size);
      assert.ok(equalBytes(there, torrent.bytes(piece, 0, size)));
      for (let block = 0; block < blockCount; block++) {
        const expected = sha256(there.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES));
        assert.ok(equalBytes(hashes.subarray(32 * block, 32 * block + 32), expected));
      }
    }
  } finally {
    await sink.close();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("WorkerMills wakes whoever sleeps once a Worker has nothing more to do", async () => {
  const dir = await Deno.makeTempDir();
  const { torrent, sink } = await started(join(dir, "content"), 1);
  try {
    const woken = new Promise<void>((resolve) => sink.onWake = resolve);
    const active = putPiece(torrent, sink, 0);
    const first = sink.collect();
    if (first.length === 0) {
      await woken;
      assert.deepEqual(sink.collect(), [active]);
    }
  } finally {
    await sink.close();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test({
  name: "WorkerMills says that the disk is full as the calling thread would",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { torrent, sink } = await started("/dev/full", 1);
    try {
      const woken = new Promise<void>((resolve) => sink.onWake = resolve);
      putPiece(torrent, sink, 0);
      assert.deepEqual(sink.collect(), []);
      await woken;
      assert.deepEqual(sink.collect(), []);
      assert.ok(sink.takeFailure() instanceof NotEnoughSpace);
    } finally {
      await sink.close();
    }
  },
});

Deno.test("WorkerMills starts nothing where there is one core", () => {
  const torrent = new FixtureTorrent("v2", PIECE_BYTES, [PIECE_BYTES]);
  const events = { onReady: () => {}, onWake: () => {}, onFailed: () => {} };
  const memory = undefined as never; // not looked at
  assert.equal(
    new WorkerMills(1).start({ memory, layout: torrent.layout, paths: [] }, events),
    undefined,
  );
});

Deno.test("WorkerMills starts no more Workers at once than there are other cores", async () => {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "content");
  const { layout } = new FixtureTorrent("v2", PIECE_BYTES, [PIECE_BYTES]);
  FileStorage.open({ files: systemFiles, layout, paths: [path] }).close();
  const events = { onReady: () => {}, onWake: () => {}, onFailed: () => {} };
  const threads = new WorkerMills(2);
  const start = () => threads.start({ memory: ringMemory(64, 1 << 20, true), layout, paths: [path] }, events);
  const first = start();
  try {
    assert.notEqual(first, undefined);
    assert.equal(start(), undefined);
    await first?.end();
    const next = start();
    assert.notEqual(next, undefined);
    await next?.end();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("WorkerMills.prepare() has a Worker come up that the next job is given to", async () => {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "content");
  using made = new MadeWorkers();
  const threads = new WorkerMills(2);
  try {
    using _twice = threads.prepare();
    using _prepared = threads.prepare();
    assert.equal(made.count, 1);
    const { torrent, sink } = await started(path, 1, threads);
    const active = putPiece(torrent, sink, 0);
    await sink.drain();
    assert.deepEqual(sink.collect(), [active]);
    using _busy = threads.prepare();
    assert.equal(made.count, 1, "no more than there are other cores");
    await sink.close();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("WorkerMills.prepare() ends the Worker when it is disposed of and no job came", () => {
  using made = new MadeWorkers();
  const threads = new WorkerMills(2);
  threads.prepare()[Symbol.dispose]();
  assert.deepEqual([made.count, made.ended], [1, 1]);
  new WorkerMills(1).prepare()[Symbol.dispose]();
  assert.equal(made.count, 1, "nothing where there is one core");
});
