import assert from "node:assert/strict";
import { ageWarning, publishedMs } from "../../lib/mirror/snapshot_facts.ts";

Deno.test("publishedMs() reads the date out of a source's name, with its hour if it has one", () => {
  assert.equal(publishedMs("Nano_64_2026_04_23_09.7z"), Date.UTC(2026, 3, 23, 9));
  assert.equal(publishedMs("Nano_64_2026_04_23.7z"), Date.UTC(2026, 3, 23));
  assert.equal(publishedMs("ledger-2026-12-31T23.tar.zst"), Date.UTC(2026, 11, 31, 23));
  assert.equal(publishedMs("20260423.7z"), Date.UTC(2026, 3, 23));
});

Deno.test("publishedMs() takes no date that cannot be", () => {
  for (
    const name of [
      "2026_02_30_01.7z",
      "2026_13_01.7z",
      "2026_04_23_24.7z",
      "x2026042.7z",
      "120260423.7z",
      "data.ldb",
      "",
    ]
  ) {
    assert.equal(publishedMs(name), undefined, name);
  }
  assert.equal(publishedMs(undefined), undefined);
});

Deno.test("ageWarning() speaks up after seven days", () => {
  const published = Date.UTC(2026, 3, 23, 9);
  const day = 24 * 3_600_000;
  assert.equal(ageWarning(undefined, published), undefined);
  assert.equal(ageWarning(published, published - day), undefined);
  assert.equal(ageWarning(published, published + 7 * day), undefined);
  assert.match(
    ageWarning(published, published + 9 * day + 1) ?? "",
    /^This snapshot is 9 d 0 h old \(2026-04-23 09:00 UTC\): its stream may have stopped/,
  );
});
