import assert from "node:assert/strict";
import { minuteOfDay, ratesAt, type ScheduleWindow } from "../../lib/line/schedule.ts";

const at = (hour: number, minute = 0) => 60 * hour + minute;
const window = (
  from: number,
  to: number,
  up: number | undefined,
  down: ScheduleWindow["down"] = "usual",
) => ({
  fromMinute: from,
  toMinute: to,
  up,
  down,
});
const USUAL = { up: 5e6, down: undefined };

Deno.test("ratesAt() holds from the first minute to before the last, and what is usual outside", () => {
  const day = [window(at(8), at(18), 500_000)];
  for (
    const [minute, up] of [[at(7, 59), 5e6], [at(8), 500_000], [at(17, 59), 500_000], [at(18), 5e6]] as const
  ) {
    assert.deepEqual(ratesAt(day, minute, USUAL), { up, down: undefined });
  }
});

Deno.test("ratesAt() goes past midnight, and a window of no length is the whole day", () => {
  const night = [window(at(22), at(6), undefined, 1e6)];
  for (
    const [minute, isNight] of [[at(21, 59), false], [at(22), true], [0, true], [at(5, 59), true], [
      at(6),
      false,
    ]] as const
  ) {
    assert.deepEqual(ratesAt(night, minute, USUAL), isNight ? { up: undefined, down: 1e6 } : USUAL);
  }
  assert.deepEqual(ratesAt([window(at(3), at(3), 1)], at(12), USUAL), { up: 1, down: undefined });
});

Deno.test("ratesAt() takes the window that was named last where two overlap", () => {
  const windows = [window(at(8), at(18), 1), window(at(12), at(13), 2)];
  assert.deepEqual([at(11), at(12, 30), at(13)].map((minute) => ratesAt(windows, minute, USUAL).up), [
    1,
    2,
    1,
  ]);
});

Deno.test("minuteOfDay() is by the clock on the wall here", () => {
  const here = new Date(2026, 10, 22, 21, 7);
  assert.equal(minuteOfDay(here.getTime()), at(21, 7));
});
