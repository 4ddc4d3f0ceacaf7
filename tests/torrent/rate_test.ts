import assert from "node:assert/strict";
import { RateMeter } from "../../lib/torrent/rate.ts";

Deno.test("RateMeter settles on a steady rate, whatever the size of the parts", () => {
  for (const [bytes, everyMs] of [[100, 1], [16_384, 100], [1_000_000, 700]] as const) {
    const meter = new RateMeter();
    let nowMs = 5000.25;
    for (; nowMs < 15_000; nowMs += everyMs) meter.add(bytes, nowMs);
    const expected = bytes * 1000 / everyMs;
    const got = meter.perSecond(nowMs);
    assert.ok(Math.abs(got / expected - 1) < 0.3, `${got} of ${expected}`);
  }
});

Deno.test("RateMeter knows a rate half a second after the first byte, and none before it", () => {
  const meter = new RateMeter();
  assert.equal(meter.perSecond(77_000), 0);
  for (let ms = 0; ms < 500; ms += 10) meter.add(1000, 77_000 + ms);
  assert.ok(Math.abs(meter.perSecond(77_500) - 100_000) < 2000);
});

Deno.test("RateMeter does not take one burst for a rate a thousand times as high", () => {
  const meter = new RateMeter();
  meter.add(16_384, 1000);
  assert.equal(meter.perSecond(1000), 4 * 16_384, "at least a quarter of a second counts");
});

Deno.test("RateMeter forgets after three seconds, and keeps the total", () => {
  const meter = new RateMeter();
  for (let ms = 0; ms < 2000; ms += 100) meter.add(1000, ms);
  assert.ok(meter.perSecond(4000) > 0);
  assert.equal(meter.perSecond(5000), 0);
  assert.equal(meter.perSecond(500_000), 0);
  assert.equal(meter.total, 20_000);
  meter.add(3000, 500_001);
  assert.ok(meter.perSecond(500_001) <= 3000, "after a pause it begins low");
  assert.equal(meter.total, 23_000);
});
