import assert from "node:assert/strict";
import { VerificationFailed } from "../../lib/errors.ts";
import type { Extracted, Extractor, ExtractRequest } from "../../lib/extract/extractor.ts";
import { systemFiles } from "../../lib/io/files.ts";
import type { Feed } from "../../lib/mirror/fetch_options.ts";
import type { Machine } from "../../lib/mirror/machine.ts";
import { PassingContent } from "../../lib/mirror/passing.ts";
import { DataPlace } from "../../lib/mirror/ledger_place.ts";
import { Unpacking } from "../../lib/mirror/unpacking.ts";
import { FakePeer } from "../torrent/fake_peer.ts";
import { LetterTorrent, PIECE, World } from "./content_world.ts";

/** An extractor whose end the test decides. */
class ScriptedExtractor implements Extractor {
  request: ExtractRequest | undefined;
  readonly ending = Promise.withResolvers<Extracted>();

  extract(request: ExtractRequest): Promise<Extracted> {
    this.request = request;
    request.signal?.addEventListener("abort", () => this.ending.reject(request.signal?.reason));
    return this.ending.promise;
  }
}

class Scene implements Disposable {
  readonly world = new World();
  readonly extractor = new ScriptedExtractor();
  readonly stop = new AbortController();
  readonly unpacking: Unpacking;
  woken = 0;
  readonly feed: Feed = { bytesPerSecond: () => 0, wake: () => void this.woken++ };

  constructor() {
    const { paths, events } = this.world;
    const machine = { ...this.world.machine, extractor: this.extractor } as Machine;
    const report = (event: typeof events[number]) => void events.push(event);
    const place = new DataPlace(machine, paths, report);
    this.unpacking = new Unpacking({ machine, place, report, signal: this.stop.signal });
  }

  get partial(): string {
    return `${this.world.paths.ledger}.partial`;
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

Deno.test("begin() lets the unpacker read what is here, and what comes once it is good", async () => {
  using scene = new Scene();
  const { world, unpacking, extractor } = scene;
  const torrent = new LetterTorrent("hybrid", "abcdefghij");
  await world.fetchAndDie(torrent, [0, 4]);
  const content = await world.open(torrent);
  unpacking.begin(content, scene.feed);
  const { gate, archive, into, segmentBytes } = extractor.request!;
  assert.deepEqual([archive, into, segmentBytes], [content.path, world.root, undefined]);
  const open = () => Array.from({ length: 10 }, (_, piece) => piece).filter((piece) => gate!.isOpen(piece));
  assert.deepEqual(open(), [0, 4]);
  // What the unpacker wants comes first: the tail, then on from the start.
  const peer = new FakePeer(1);
  assert.deepEqual(peer.pick(content.download.picker, 4).map(([piece]) => piece as number), [7, 8, 9, 1]);
  unpacking.onGoodPiece(torrent.layout.piece(9)!);
  assert.deepEqual(open(), [0, 4, 9]);
  await content.close("failed");
});

Deno.test("progress goes with the download's until that is whole, then it is the run's work", async () => {
  using scene = new Scene();
  const { world, unpacking, extractor } = scene;
  const torrent = new LetterTorrent("hybrid", "abcdef");
  const content = await world.open(torrent);
  unpacking.begin(content, scene.feed);
  assert.equal(unpacking.progress, undefined);
  extractor.request!.onProgress!(10, 100);
  assert.deepEqual(unpacking.progress, { doneBytes: 10, totalBytes: 100 });
  assert.equal(world.events.length, 0);
  const extracted: Extracted = { path: scene.partial, size: 100, format: "7z" };
  const result = unpacking.result();
  extractor.request!.onProgress!(100, 100);
  extractor.ending.resolve(extracted);
  assert.equal(await result, extracted);
  assert.deepEqual(
    world.events,
    [10, 100].map((doneBytes) => ({ kind: "work", label: "Extracting", doneBytes, totalBytes: 100 })),
  );
  await content.close("failed");
});

Deno.test("failed rejects as soon as the archive is seen to be bad", async () => {
  using scene = new Scene();
  const content = await scene.world.open(new LetterTorrent("hybrid", "abcdef"));
  scene.unpacking.begin(content, scene.feed);
  const error = new VerificationFailed("Cannot unpack it");
  scene.extractor.ending.reject(error);
  await assert.rejects(scene.unpacking.failed, error);
  await content.close("failed");
});

Deno.test("stop() waits for the unpacker, and removes what it had already finished", async () => {
  for (const isDone of [true, false]) {
    using scene = new Scene();
    const content = await scene.world.open(new LetterTorrent("hybrid", "abcdef"));
    scene.unpacking.begin(content, scene.feed);
    Deno.writeTextFileSync(scene.partial, "a ledger");
    if (isDone) scene.extractor.ending.resolve({ path: scene.partial, size: 8, format: "7z" });
    await scene.unpacking.stop();
    assert.equal(scene.extractor.request!.signal!.aborted, true);
    // One that is stopped in its middle removes its own.
    assert.equal(systemFiles.stat(scene.partial) === undefined, isDone);
    await content.close("failed");
  }
});

Deno.test("clear() removes what a killed run left, before the space is looked at", () => {
  using scene = new Scene();
  Deno.writeTextFileSync(scene.partial, "half a ledger");
  scene.unpacking.clear();
  assert.equal(systemFiles.stat(scene.partial), undefined);
  scene.unpacking.clear();
});

Deno.test("begin() leaves a torrent of several files to the end", async () => {
  using scene = new Scene();
  const content = await scene.world.open(new LetterTorrent("hybrid", { "a.7z": "abc", "b.txt": "d" }));
  scene.unpacking.begin(content, scene.feed);
  assert.equal(scene.extractor.request, undefined);
  assert.equal(scene.unpacking.result(), undefined);
  await scene.unpacking.stop();
  await content.close("failed");
});

Deno.test("pieces that pass are dropped behind the unpacker, the tail aside, and then more may come", async () => {
  using scene = new Scene();
  const { world, unpacking, extractor } = scene;
  // 1100 pieces of 16 KiB: segments of 256, a window of 1024.
  const torrent = new LetterTorrent("hybrid", "abcdefghij".repeat(110));
  const content = PassingContent.open(world.options(torrent));
  unpacking.begin(content, scene.feed);
  const { gate, segmentBytes, onMoved } = extractor.request!;
  assert.equal(segmentBytes, 256 * PIECE);
  assert.equal(content.most, 1024);
  const peer = new FakePeer(1);
  const pieces = peer.pick(content.download.picker, 5000).map(([piece]) => piece as number);
  assert.deepEqual(
    pieces.toSorted((a, b) => a - b).slice(-4),
    [1023, 1097, 1098, 1099],
    "a window, and the tail",
  );
  for (const n of [...Array(600).keys(), 1097, 1098, 1099]) {
    const piece = torrent.layout.piece(n)!;
    content.segments.write(
      piece,
      0,
      torrent.contents[0]!.subarray(n * PIECE, n * PIECE + torrent.layout.pieceSize(piece)),
    );
    unpacking.onGoodPiece(piece);
  }
  const names = () => systemFiles.list(content.path);
  assert.deepEqual(names(), ["seg-000000", "seg-000001", "seg-000002", "seg-000004"]);
  const source = gate!.source((into) => into.length, { checkStopped: () => assert.fail("it need not wait") });
  source.readAt(new Uint8Array(100), 1098 * PIECE);
  onMoved!();
  assert.equal(names().length, 4, "a look at the tail moves nothing");
  source.readAt(new Uint8Array(520 * PIECE), 0);
  assert.deepEqual(peer.pick(content.download.picker, 5000), [], "nothing more while they are still here");
  onMoved!();
  assert.deepEqual(names(), ["seg-000002", "seg-000004"]);
  assert.deepEqual([gate!.isOpen(519), gate!.isOpen(520), gate!.isOpen(1099)], [false, true, true]);
  assert.equal(scene.woken, 2);
  const more = peer.pick(content.download.picker, 5000).map(([piece]) => piece as number);
  assert.deepEqual(more.toSorted((a, b) => a - b), Array.from({ length: 73 }, (_, i) => 1024 + i));
  await unpacking.stop();
  assert.equal(systemFiles.stat(content.path), undefined);
  await content.close();
});
