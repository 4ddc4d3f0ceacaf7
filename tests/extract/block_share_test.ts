import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { BlockShare } from "../../lib/extract/block_share.ts";
import type { Lzma2Place } from "../../lib/extract/lzma2.ts";
import { assertRefused, ledgerBytes } from "./fakes.ts";

const STREAM = { packedAt: 32, packedEnd: 532, bytes: 1000, crc: 0, dictionaryBytes: 4096 };
const WHY = "bytes are missing";

/** Cuts at these places; the archive has half a byte for each of the ledger's. */
function drawn(cuts: readonly number[], leastBytes = 1) {
  const share = BlockShare.make({ stream: STREAM, threads: 3, leastBytes });
  const looked: string[] = [];
  const look = (last: Lzma2Place, leastAt: number) => {
    looked.push(`${last.at}+${leastAt}`);
    const at = cuts.find((cut) => cut >= leastAt);
    return at === undefined ? undefined : { packedAt: 32 + at / 2, at };
  };
  return { share, looked, take: (thread: number) => share.takePart(thread, look)?.at };
}

Deno.test("takePart() cuts the last part ahead of its decoder, and the first one ends there", () => {
  const { share, take } = drawn([400, 800]);
  assert.equal(share.packedEnd(0), 532);
  assert.ok(share.join(1));
  assert.equal(take(1), 400);
  assert.deepEqual([share.packedEnd(0), share.packedEnd(1)], [232, 532]);
  assert.deepEqual(share.reserve(0, 300), { at: 0, length: 300, isCut: false });
  assert.deepEqual(share.reserve(0, 300), { at: 300, length: 100, isCut: true });
  assert.deepEqual(share.reserve(0, 300), { at: 400, length: 0, isCut: true });
  assert.deepEqual(share.reserve(1, 100), { at: 400, length: 100, isCut: false });
  assert.equal(take(0), 800);
  assert.equal(take(2), undefined);
  assert.deepEqual(share.reserve(1, 1000), { at: 500, length: 300, isCut: true });
  assert.deepEqual(share.reserve(0, 1000), { at: 800, length: 200, isCut: false }, "the stream's end");
  assert.equal(share.decoded, 1000);
});

Deno.test("takePart() leaves a place that the decoder has passed, and looks on from there", () => {
  const { share, take, looked } = drawn([400, 800]);
  const look = (last: Lzma2Place, leastAt: number) => {
    looked.push(`${last.at}+${leastAt}`);
    // Meanwhile the decoder comes on.
    if (looked.length === 1) share.reserve(0, 500);
    return { packedAt: 232, at: looked.length === 1 ? 400 : 800 };
  };
  assert.equal(share.takePart(1, look)?.at, 800);
  assert.deepEqual(looked, ["0+1", "400+500"]);
  assert.deepEqual(share.reserve(0, 500), { at: 500, length: 300, isCut: true });
  assert.equal(take(0), undefined, "none is left behind 800");
});

Deno.test("takePart() takes a place that the decoder has just come to, and no part that is too short", () => {
  const { share, take } = drawn([100, 350, 400], 300);
  share.reserve(0, 350);
  assert.equal(take(1), 350);
  assert.deepEqual(share.reserve(0, 10), { at: 350, length: 0, isCut: true });
  assert.equal(take(0), undefined);
});

Deno.test("takePart() looks no more once nothing was found, and lets the next one look after a failure", () => {
  const { share, take, looked } = drawn([]);
  assert.throws(() => share.takePart(1, () => assert.fail("stopped")), /stopped/);
  assert.equal(take(1), undefined);
  assert.equal(take(2), undefined);
  assert.equal(looked.length, 1);
  const { share: beyond } = drawn([]);
  assert.equal(beyond.takePart(1, () => ({ packedAt: 100, at: 1000 })), undefined, "a place behind the end");
});

Deno.test("finishPart() refuses missing bytes, and adds up the checksum of the whole", () => {
  const { share, take } = drawn([400]);
  const bytes = ledgerBytes(1000);
  take(1);
  share.reserve(1, 599);
  assertRefused(() => share.finishPart(1, 0, WHY), /bytes are missing/);
  share.reserve(1, 1);
  share.finishPart(1, crc32(bytes.subarray(400)), WHY);
  share.reserve(0, 400);
  share.finishPart(0, crc32(bytes.subarray(0, 400)), WHY);
  assert.equal(share.crc, crc32(bytes));
});

Deno.test("close() waits for nobody who has left or died, and lets nobody join", () => {
  const { share } = drawn([]);
  assert.ok(share.join(1));
  const other = new BlockShare(share.memory);
  other.leave(1);
  other.leave(1);
  share.close();
  assert.equal(share.join(2), false);
});

Deno.test("close() returns when the last one leaves, on another thread", async () => {
  const { share } = drawn([]);
  share.join(1);
  const url = new URL("../../lib/extract/block_share.ts", import.meta.url);
  const code = `import { BlockShare } from "${url}";
    self.onmessage = ({ data }) => {
      new BlockShare(data).close();
      self.postMessage("closed");
    };
    self.postMessage("ready");`;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, { type: "module" });
  const words: string[] = [];
  const heard = Promise.withResolvers<void>();
  worker.onmessage = ({ data }) => {
    words.push(data);
    if (data === "ready") {
      worker.postMessage(share.memory);
      share.leave(1);
    } else heard.resolve();
  };
  await heard.promise;
  worker.terminate();
  assert.deepEqual(words, ["ready", "closed"]);
});
