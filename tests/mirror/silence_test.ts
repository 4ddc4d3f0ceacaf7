import assert from "node:assert/strict";
import { Silence } from "../../lib/mirror/silence.ts";

/** The seconds of five minutes at which it is told, looked at each second. */
function told(isAlone: boolean, heardAt: readonly number[] = []): number[] {
  const silence = new Silence(0);
  return Array.from({ length: 300 }, (_, second) => second).filter((second) => {
    if (heardAt.includes(second)) silence.end(second * 1000);
    return silence.isDue(second * 1000, { isAlone });
  });
}

Deno.test("Silence is told after 15 s alone, after a minute among peers, and each minute from then on", () => {
  assert.deepEqual(told(true), [15, 75, 135, 195, 255]);
  assert.deepEqual(told(false), [60, 120, 180, 240]);
});

Deno.test("Silence begins anew with what came, and is not told twice a minute for that", () => {
  assert.deepEqual(told(true, [10, 20, 30]), [45, 105, 165, 225, 285]);
  assert.deepEqual(told(true, [20, 220]), [15, 75, 135, 195, 255]);
  const silence = new Silence(1000);
  assert.equal(silence.lasts(5000), 4000);
  silence.end(4000);
  assert.equal(silence.lasts(5000), 1000);
});
