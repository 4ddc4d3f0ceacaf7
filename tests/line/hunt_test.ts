import assert from "node:assert/strict";
import { Hunt } from "../../lib/line/hunt.ts";

/** The seconds at which it looks, asked every second; each look takes no time. */
function looks(seconds: number, connections: (second: number) => number, maxPeers = 100): number[] {
  const hunt = new Hunt();
  const at: number[] = [];
  for (let second = 0; second <= seconds; second++) {
    if (!hunt.isDue(second * 1000, connections(second), maxPeers)) continue;
    at.push(second);
    hunt.onLook(second * 1000, connections(second));
  }
  return at;
}

Deno.test("Hunt looks ever more seldom while nobody is there, and at least once a minute", () => {
  assert.deepEqual(looks(250, () => 0), [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
});

Deno.test("Hunt looks again soon after it found somebody, then every five minutes while few are there", () => {
  assert.deepEqual(looks(700, () => 1), [0, 5, 20, 80, 380, 680]);
  assert.deepEqual(looks(100, (second) => second === 0 ? 0 : 1), [0, 5, 10, 25, 85]);
});

Deno.test("Hunt only announces once half of the room is used", () => {
  assert.deepEqual(looks(2000, () => 50), [0, 900, 1800]);
  assert.deepEqual(looks(90, () => 1, 2), [0]);
});

Deno.test("Hunt looks at once when the last peer is gone", () => {
  assert.deepEqual(looks(110, (second) => second < 100 ? 50 : 0), [0, 100, 101, 103, 107]);
});
