import assert from "node:assert/strict";
import { Inputs } from "../../lib/cli/inputs.ts";
import { readSchedule } from "../../lib/cli/line_options.ts";
import { UsageError } from "../../lib/errors.ts";

const read = (...windows: string[]) => readSchedule(new Inputs({ schedule: windows }, {}));

Deno.test("readSchedule() takes hours with one rate for up, or two for up and down, 0 being none", () => {
  assert.deepEqual(read("08:00-18:30=500K", "22:15-06:00=1.5M/0", "18:00-24:00=0"), [
    { fromMinute: 480, toMinute: 1110, up: 500_000, down: "usual" },
    { fromMinute: 1335, toMinute: 360, up: 1_500_000, down: undefined },
    { fromMinute: 1080, toMinute: 0, up: undefined, down: "usual" },
  ]);
  assert.deepEqual(readSchedule(new Inputs({}, {})), []);
});

Deno.test("readSchedule() refuses what is no such thing, naming it", () => {
  for (
    const words of [
      "",
      "8:00-18:00=1M",
      "08:00=1M",
      "08:00-25:00=1M",
      "08:60-09:00=1",
      "08:00-24:30=1",
      "08:00-09:00=",
      "08:00-09:00=1M/2M/3M",
    ]
  ) {
    assert.throws(() => read(words), /--schedule must be hours and a rate like/, words);
  }
  assert.throws(() => read("08:00-09:00=fast"), UsageError);
});
