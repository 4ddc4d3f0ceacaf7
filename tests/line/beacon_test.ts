import assert from "node:assert/strict";
import { Beacon } from "../../lib/line/beacon.ts";

/** The seconds at which it announces, asked every second; `stored` says how many nodes take it then. */
function announces(seconds: number, stored: (second: number) => number): number[] {
  const beacon = new Beacon();
  const at: number[] = [];
  for (let second = 0; second <= seconds; second++) {
    if (!beacon.isDue(second * 1000)) continue;
    at.push(second);
    beacon.onAnnounce(second * 1000, stored(second));
  }
  return at;
}

Deno.test("Beacon announces at once, after a minute, and then every fifteen minutes", () => {
  assert.deepEqual(announces(2000, () => 8), [0, 60, 960, 1860]);
});

Deno.test("Beacon tries again soon while nobody takes it, and at least once a minute", () => {
  assert.deepEqual(announces(250, () => 0), [0, 2, 6, 14, 30, 62, 122, 182, 242]);
  assert.deepEqual(announces(100, (second) => second < 6 ? 0 : 1), [0, 2, 6, 66]);
});
