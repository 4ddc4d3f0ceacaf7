import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { compareKeys, orderOf } from "../../lib/ledger/key_order.ts";

Deno.test("orderOf() knows LMDB's three orders, and that reverse wins", () => {
  assert.deepEqual([0, 2, 8, 10, 0x40].map(orderOf), ["bytes", "reverse", "integer", "reverse", "bytes"]);
});

Deno.test("compareKeys() compares numbers by value and reversed keys from their end", () => {
  const le = (value: number) => new Uint8Array([value & 255, value >> 8, 0, 0]);
  for (const [a, b] of [[1, 2], [255, 256], [0x1ff, 0x200]] as const) {
    assert.ok(compareKeys("integer", le(a), le(b)) < 0);
    assert.ok(compareKeys("integer", le(b), le(a)) > 0);
    assert.equal(compareKeys("integer", le(a), le(a)), 0);
  }
  assert.ok(compareKeys("reverse", utf8("zza"), utf8("aab")) < 0);
  assert.ok(compareKeys("reverse", utf8("a"), utf8("ba")) < 0);
  assert.ok(compareKeys("bytes", utf8("zza"), utf8("aab")) > 0);
});
