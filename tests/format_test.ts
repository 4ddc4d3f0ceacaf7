import assert from "node:assert/strict";
import {
  formatBytes,
  formatPercent,
  formatRate,
  formatSeconds,
  formatShare,
  shortHash,
} from "../lib/format.ts";

Deno.test("formatBytes() takes the unit that keeps one to three digits before the point", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 KB"],
    [1_500, "1.5 KB"],
    [999_949, "999.9 KB"],
    [999_950, "1.0 MB"],
    [64_320_000_000, "64.3 GB"],
    [121_000_000_000, "121.0 GB"],
    [2 ** 53, "9.0 PB"],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
  assert.equal(formatRate(12_400_000), "12.4 MB/s");
});

Deno.test("formatShare() gives both numbers in the total's unit", () => {
  assert.equal(formatShare(7_100_000_000, 57_600_000_000), "7.1 of 57.6 GB");
  assert.equal(formatShare(3, 500), "3 of 500 B");
});

Deno.test("formatPercent() says 100.0% of the whole only", () => {
  assert.equal(formatPercent(0, 10), "0.0%");
  assert.equal(formatPercent(99_999_999, 100_000_000), "99.9%");
  assert.equal(formatPercent(10, 10), "100.0%");
  assert.equal(formatPercent(0, 0), "100.0%");
});

Deno.test("formatSeconds() uses the two largest units", () => {
  const cases: [number, string][] = [
    [0.2, "1 s"],
    [59, "59 s"],
    [60, "1 min"],
    [3599, "1 h 0 min"],
    [4320, "1 h 12 min"],
    [187_200, "2 d 4 h"],
  ];
  for (const [seconds, text] of cases) assert.equal(formatSeconds(seconds), text);
});

Deno.test("shortHash() keeps 16 digits", () => {
  assert.equal(shortHash("0123456789abcdef0123"), "0123456789abcdef");
});
