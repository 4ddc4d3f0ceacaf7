import assert from "node:assert/strict";
import { compareBytes, utf8 } from "../../lib/bytes.ts";
import {
  compareKeys,
  fifthByteOf,
  hashOf,
  HIGHEST_PREFIX,
  LOWEST_PREFIX,
  orderOf,
  prefixOf,
} from "../../lib/ledger/key_order.ts";

const KEYS = [
  "",
  "\0",
  "\u0080",
  "\u0080\u0080\u0080",
  "a",
  "a\0",
  "ab",
  "abc",
  "abcd",
  "abcde",
  "abcdf",
  "abcdff",
  "b",
  "zzzzzzz",
].map(
  utf8,
);

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

Deno.test("prefixOf() and fifthByteOf() never contradict the order of bytes, wherever a key lies", () => {
  const rank = (key: Uint8Array, at: number) => {
    const bytes = new Uint8Array(key.length + at + 8).fill(0xee);
    bytes.set(key, at);
    const view = new DataView(bytes.buffer);
    return [prefixOf(view, at, key.length), fifthByteOf(view, at, key.length)] as const;
  };
  for (const a of KEYS) {
    for (const b of KEYS) {
      const [one, other] = [rank(a, 0), rank(b, 3)];
      const side = one[0] - other[0] || one[1] - other[1];
      if (side !== 0) assert.equal(Math.sign(side), Math.sign(compareBytes(a, b)));
    }
  }
  assert.equal(prefixOf(viewOf(new Uint8Array(4).fill(0xff)), 0, 4), HIGHEST_PREFIX);
  assert.equal(prefixOf(viewOf(new Uint8Array(4)), 0, 4), LOWEST_PREFIX);
  assert.equal(prefixOf(viewOf(new Uint8Array(0)), 0, 0), LOWEST_PREFIX);
});

Deno.test("hashOf() differs for every key with one changed byte, and depends on the key only", () => {
  for (const length of [1, 3, 4, 5, 31, 32, 33]) {
    const key = Uint8Array.from({ length }, (_, i) => i * 7);
    const shifted = new Uint8Array([9, ...key, 9]);
    const hash = hashOf(viewOf(key), 0, length);
    assert.equal(hashOf(viewOf(shifted), 1, length), hash);
    for (let i = 0; i < length; i++) {
      for (let bit = 0; bit < 8; bit++) {
        const other = key.slice();
        other[i]! ^= 1 << bit;
        assert.notEqual(hashOf(viewOf(other), 0, length), hash);
      }
    }
    assert.notEqual(hashOf(viewOf(key), 0, length - 1), hash);
  }
});

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
