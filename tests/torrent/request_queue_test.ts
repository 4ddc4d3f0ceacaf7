import assert from "node:assert/strict";
import { MAX_REQUESTS_SENT } from "../../lib/torrent/limits.ts";
import { RequestQueue } from "../../lib/torrent/request_queue.ts";

const BLOCK = 16_384;

/**
 * Keeps a queue full at a line of this rate and latency for some seconds. Each answer leaves when the one before has,
 * and the line itself is `jitter(i)` later still.
 *
 * @returns Bytes that came in the last second.
 */
function run(
  queue: RequestQueue,
  line: { bytesPerSec: number; latencyMs: number; seconds: number; jitterMs?: (i: number) => number },
): number {
  const msPerBlock = BLOCK * 1000 / line.bytesPerSec;
  const onTheWay: { block: number; at: number }[] = [];
  let asked = 0;
  let freeMs = 0;
  let lastSecond = 0;
  const endMs = line.seconds * 1000;
  const ask = (nowMs: number) => {
    while (queue.room > 0) {
      queue.ask(0, asked, nowMs);
      freeMs = Math.max(freeMs, nowMs + line.latencyMs + (line.jitterMs?.(asked) ?? 0)) + msPerBlock;
      onTheWay.push({ block: asked++, at: freeMs });
    }
  };
  ask(0);
  for (let next = onTheWay.shift(); next !== undefined && next.at < endMs; next = onTheWay.shift()) {
    assert.equal(queue.receive(0, next.block, BLOCK, next.at), true);
    if (next.at > endMs - 1000) lastSecond += BLOCK;
    ask(next.at);
  }
  return lastSecond;
}

Deno.test("runBytes() is what a peer sends in a moment, and bounded", () => {
  const queue = new RequestQueue(1 << 20);
  assert.equal(queue.runBytes(0), 0, "nothing is known of it yet");
  run(queue, { bytesPerSec: 1_000_000, latencyMs: 10, seconds: 4 });
  const slow = queue.runBytes(4000);
  assert.ok(slow > 40_000 && slow < 60_000, `${slow}`);
  const fast = new RequestQueue(1 << 20);
  run(fast, { bytesPerSec: 200_000_000, latencyMs: 1, seconds: 2 });
  assert.equal(fast.runBytes(2000), 512 << 10);
});

const LINES = [
  { bytesPerSec: 200_000, latencyMs: 30 },
  { bytesPerSec: 2_000_000, latencyMs: 250 },
  { bytesPerSec: 12_500_000, latencyMs: 20 },
  { bytesPerSec: 12_500_000, latencyMs: 100 },
  { bytesPerSec: 100_000_000, latencyMs: 1 },
  { bytesPerSec: 100_000_000, latencyMs: 100 },
];

for (const { bytesPerSec, latencyMs } of LINES) {
  Deno.test(`RequestQueue fills a line of ${bytesPerSec} B/s at ${latencyMs} ms within eight seconds`, () => {
    const queue = new RequestQueue(2 ** 30);
    const got = run(queue, { bytesPerSec, latencyMs, seconds: 8 });
    assert.ok(got > 0.9 * bytesPerSec, `${got} bytes in the last second, depth ${queue.size + queue.room}`);
  });
}

for (const quickBlocks of [20, 3000]) {
  Deno.test(`RequestQueue fills a line whose latency grew thirtyfold after ${quickBlocks} blocks`, () => {
    const queue = new RequestQueue(2 ** 30);
    // The first answers come at once, later ones wait at a busy sender.
    const jitterMs = (i: number) => i < quickBlocks ? 0 : 150;
    const got = run(queue, { bytesPerSec: 12_500_000, latencyMs: 5, seconds: 20, jitterMs });
    assert.ok(got > 0.9 * 12_500_000, `${got} bytes in the last second`);
  });
}

Deno.test("RequestQueue keeps little on the way where latency is low", () => {
  const queue = new RequestQueue(2 ** 30);
  run(queue, { bytesPerSec: 12_500_000, latencyMs: 5, seconds: 20 });
  assert.ok(queue.size + queue.room <= 32, `depth ${queue.size + queue.room}`);
});

Deno.test("RequestQueue grows by one per block that comes, so doubles per round trip, then settles", () => {
  const queue = new RequestQueue(2 ** 30);
  assert.equal(queue.room, 16);
  for (let block = 0; block < 16; block++) queue.ask(0, block, 0);
  assert.equal(queue.room, 0);
  for (let block = 0; block < 16; block++) queue.receive(0, block, BLOCK, 100);
  assert.equal(queue.room, 32);
});

Deno.test("RequestQueue asks a slow line for two seconds' worth, not for more", () => {
  const queue = new RequestQueue(2 ** 30);
  run(queue, { bytesPerSec: 65_536, latencyMs: 20, seconds: 20 });
  const depth = queue.size + queue.room;
  assert.ok(depth >= 6 && depth <= 14, `depth ${depth} for four blocks a second`);
});

Deno.test("RequestQueue keeps to the peer's reqq and to our own bound", () => {
  const queue = new RequestQueue(2 ** 30);
  queue.limit(5);
  assert.equal(queue.room, 5);
  queue.limit(0);
  assert.equal(queue.room, 1);
  queue.limit(1_000_000);
  run(queue, { bytesPerSec: 1e9, latencyMs: 1000, seconds: 20 });
  assert.ok(queue.size + queue.room <= MAX_REQUESTS_SENT);
});

Deno.test("RequestQueue.silentMs() counts from the last block, or from when the queue was empty", () => {
  const queue = new RequestQueue(100);
  assert.equal(queue.silentMs(9000), 0, "owes nothing");
  queue.ask(0, 0, 10_000);
  queue.ask(0, 1, 15_000);
  assert.equal(queue.silentMs(16_000), 6000);
  queue.receive(0, 0, BLOCK, 18_000);
  assert.equal(queue.silentMs(20_000), 2000);
  queue.drop(0, 1);
  assert.equal(queue.silentMs(99_000), 0);
  queue.ask(0, 2, 100_000);
  assert.equal(queue.silentMs(100_500), 500);
});

Deno.test("RequestQueue.shrink() starts over with few, and grows again", () => {
  const queue = new RequestQueue(2 ** 30);
  run(queue, { bytesPerSec: 12_500_000, latencyMs: 50, seconds: 3 });
  queue.clear(() => {});
  queue.shrink();
  assert.equal(queue.room, 2);
  queue.ask(1, 0, 10_000);
  queue.receive(1, 0, BLOCK, 10_010);
  assert.equal(queue.room, 3);
});

Deno.test("RequestQueue takes an answer once, and only to what was asked", () => {
  const queue = new RequestQueue(4);
  queue.ask(2, 3, 0);
  assert.equal(queue.has(2, 3), true);
  assert.equal(queue.receive(2, 2, BLOCK, 1), false);
  assert.equal(queue.receive(2, 3, BLOCK, 1), true);
  assert.equal(queue.receive(2, 3, BLOCK, 1), false);
  assert.equal(queue.rate.total, BLOCK);
});

Deno.test("RequestQueue does not mistake a block that no piece has for another piece's", () => {
  const queue = new RequestQueue(4);
  queue.ask(1, 0, 0);
  for (const block of [4, 0.5, -1, Infinity, NaN]) {
    assert.equal(queue.drop(0, block), false, `block ${block}`);
    assert.equal(queue.has(0, block), false);
  }
  assert.equal(queue.has(1, 0), true);
});

Deno.test("RequestQueue.clear() tells of every block that was asked for", () => {
  const queue = new RequestQueue(2048);
  const asked = [[0, 0], [0, 2047], [3, 1], [2_097_151, 2047]] as const;
  for (const [piece, block] of asked) queue.ask(piece, block, 0);
  const dropped: [number, number][] = [];
  queue.clear((piece, block) => dropped.push([piece, block]));
  assert.deepEqual(dropped, asked);
  assert.equal(queue.size, 0);
});
