import assert from "node:assert/strict";
import { TokenBucket } from "../../lib/torrent/token_bucket.ts";
import { seeded } from "./seeded.ts";

const MIB = 1 << 20;

/** What passes in that time when somebody takes up to `most(bucket)` bytes whenever the bucket is open. */
function passed(
  rate: number,
  seconds: number,
  most: (bucket: TokenBucket) => number,
  random: () => number,
): { atMs: number; bytes: number }[] {
  const all: { atMs: number; bytes: number }[] = [];
  let nowMs = 5;
  const bucket = new TokenBucket(rate, nowMs);
  while (nowMs < seconds * 1000) {
    if (bucket.isOpen(nowMs)) {
      const bytes = 1 + Math.floor(random() * most(bucket));
      bucket.spend(bytes, nowMs);
      all.push({ atMs: nowMs, bytes });
    } else {
      // Never early, and late as timers are.
      nowMs += bucket.delayMs(nowMs) + random() * 5;
    }
  }
  return all;
}

for (const rate of [400_000, 2 * MIB, 117 * MIB]) {
  Deno.test(`TokenBucket lets ${rate} bytes a second pass, within 5 % over any 10 s, in chunks of any size`, () => {
    for (const seed of [1, 2, 3]) {
      const all = passed(rate, 40, (bucket) => bucket.chunkBytes, seeded(seed));
      for (let from = 0, to = 0, sum = 0; to < all.length; from++) {
        while (to < all.length && all[to]!.atMs <= all[from]!.atMs + 10_000) sum += all[to++]!.bytes;
        if (to < all.length) {
          const share = sum / (10 * rate);
          assert.ok(share > 0.95 && share < 1.05, `seed ${seed}: ${share} from ${all[from]!.atMs} ms`);
        }
        sum -= all[from]!.bytes;
      }
    }
  });
}

Deno.test("TokenBucket at a low rate lets whole blocks pass, seldom", () => {
  const all = passed(5_000, 400, () => 16_384, seeded(4));
  const sum = all.reduce((total, { bytes }) => total + bytes, 0);
  assert.ok(Math.abs(sum / (400 * 5_000) - 1) < 0.05, `${sum}`);
});

Deno.test("TokenBucket saves up no more than a tenth of a second, however long the pause", () => {
  const bucket = new TokenBucket(MIB, 0);
  const hourMs = 3_600_000;
  let sum = 0;
  while (bucket.isOpen(hourMs)) {
    bucket.spend(1000, hourMs);
    sum += 1000;
  }
  assert.ok(sum <= MIB / 10 + 1000, `${sum}`);
});

Deno.test("TokenBucket.delayMs() is the time until it is open, to the millisecond", () => {
  const bucket = new TokenBucket(100_000, 0);
  bucket.spend(bucket.chunkBytes + 50_000, 0);
  const delayMs = bucket.delayMs(0);
  assert.ok(delayMs >= 500 && delayMs <= 501, `${delayMs}`);
  assert.equal(bucket.isOpen(delayMs - 1), false);
  assert.equal(bucket.isOpen(delayMs), true);
  assert.equal(bucket.delayMs(delayMs), 0);
});

Deno.test("TokenBucket does not go back in time", () => {
  const bucket = new TokenBucket(100_000, 1000);
  bucket.spend(bucket.chunkBytes, 1000);
  assert.equal(bucket.isOpen(500), false);
  assert.equal(bucket.isOpen(1001), true);
  bucket.spend(100, 1001);
  // Between these nothing flows in, and what was counted is not counted again.
  assert.equal(bucket.isOpen(900), false);
  assert.equal(bucket.isOpen(1001), false);
});

Deno.test("TokenBucket refuses a rate that lets nothing pass", () => {
  for (const rate of [0, -1, NaN]) assert.throws(() => new TokenBucket(rate, 0), RangeError);
});

Deno.test("change() lets the new rate hold from that moment, from none and to none", () => {
  const bucket = new TokenBucket(Infinity, 0);
  bucket.spend(1e12, 0);
  assert.equal(bucket.delayMs(0), 0);
  bucket.change(100_000, 1000);
  bucket.spend(16_384, 1000);
  assert.equal(bucket.isOpen(1000), false, "the burst is the new rate's");
  bucket.spend(100_000, 1000);
  assert.equal(bucket.delayMs(1000), 1001);
  bucket.change(200_000, 1500);
  assert.equal(bucket.delayMs(1500), 251, "half of the debt was paid");
  bucket.change(Infinity, 1500);
  assert.equal(bucket.delayMs(1501), 0);
  assert.throws(() => bucket.change(0, 0), RangeError);
});
