import assert from "node:assert/strict";
import { systemClock as clock } from "../../lib/io/clock.ts";
import { systemRandom as random } from "../../lib/io/random.ts";

Deno.test("sleep() ends as soon as the signal aborts, leaving no timer", async () => {
  const stop = new AbortController();
  const asleep = clock.sleep(3_600_000, stop.signal);
  stop.abort();
  await asleep;
  await clock.sleep(3_600_000, stop.signal); // aborted before: does not begin
});

Deno.test("sleep() does not wake at once from a time that no timer can hold", async () => {
  const stop = new AbortController();
  let awake = false;
  const asleep = clock.sleep(2 ** 40, stop.signal).then(() => awake = true);
  await clock.sleep(2);
  assert.equal(awake, false);
  stop.abort();
  await asleep;
});

Deno.test("bytes() fills more than the generator gives at once", () => {
  const bytes = random.bytes(200_001);
  assert.equal(bytes.length, 200_001);
  assert.ok(bytes.subarray(-64).some((byte) => byte !== 0));
  assert.ok(bytes.subarray(100_000, 100_064).some((byte) => byte !== 0));
});
