import assert from "node:assert/strict";
import { OperationFailed } from "../../lib/errors.ts";
import { FIRST_TABLE, FREE, PageMarks, WALKED } from "../../lib/ledger/page_marks.ts";

/** One word before them: lower and upper prefix, hash, both fifth bytes. */
const BOUNDS = Int32Array.of(99, -2, 0x7ffffffe, -5, (7 << 8) | (200 << 16));

Deno.test("claim() and claimLeaf() give a page one mark for good, seen by every view of the memory", () => {
  const marks = PageMarks.for(5, "data.ldb");
  const other = PageMarks.over(marks.words);
  assert.equal(marks.pages, 5);
  assert.equal(marks.claim(2, FREE), 0);
  assert.equal(other.claim(2, WALKED), FREE);
  assert.equal(other.claimLeaf(2, FIRST_TABLE, BOUNDS, 1), FREE);
  assert.equal(marks.claimLeaf(4, FIRST_TABLE + 246, BOUNDS, 1), 0);
  assert.equal(other.claimLeaf(4, FIRST_TABLE, BOUNDS, 1), FIRST_TABLE + 246);
  assert.deepEqual([0, 1, 2, 3, 4].map((page) => other.markOf(page)), [0, 0, FREE, 0, FIRST_TABLE + 246]);
  assert.equal(other.countUnreached(), 1);
});

Deno.test("compareLow() and compareHigh() rank five bytes", () => {
  const marks = PageMarks.for(4, "data.ldb");
  marks.claimLeaf(3, FIRST_TABLE, BOUNDS, 1);
  const low = (prefix: number, fifth: number) => Math.sign(marks.compareLow(3, prefix, fifth));
  const high = (prefix: number, fifth: number) => Math.sign(marks.compareHigh(3, prefix, fifth));
  assert.deepEqual(
    [low(-(2 ** 31), 0), low(-3, 255), low(-2, 6), low(-2, 7), low(-2, 8), low(0x7fffffff, 0)],
    [
      -1,
      -1,
      -1,
      0,
      1,
      1,
    ],
  );
  assert.deepEqual([high(1, 255), high(0x7ffffffe, 200), high(0x7ffffffe, 201), high(0x7fffffff, 0)], [
    -1,
    0,
    1,
    1,
  ]);
  assert.ok(marks.isLow(3, -5));
  assert.ok(!marks.isLow(3, 5));
});

Deno.test("PageMarks.for() refuses what no memory is for, before it asks for it", () => {
  assert.throws(
    () => PageMarks.for(2 ** 27 + 1, "data.ldb"),
    (error) =>
      error instanceof OperationFailed &&
      /^Cannot check data\.ldb: its \d+ pages would take/.test(error.message),
  );
});
