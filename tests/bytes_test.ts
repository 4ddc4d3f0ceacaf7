import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ByteReader,
  compareBytes,
  concatBytes,
  equalBytes,
  fromBinaryString,
  parseHex,
  parseUtf8,
  toBinaryString,
  toHex,
  utf8,
} from "../lib/bytes.ts";
import { WireFault } from "../lib/errors.ts";

Deno.test("toHex() and parseHex() agree with node's Buffer", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    assert.equal(toHex(bytes), Buffer.from(bytes).toString("hex"));
    assert.deepEqual(parseHex(toHex(bytes).toUpperCase()), bytes);
  }));
});

Deno.test("parseHex() gives nothing for what is not hex", () => {
  for (const text of ["0", "0g", "0x00", " 00", "٠٠", "00\n"]) assert.equal(parseHex(text), undefined, text);
});

Deno.test("compareBytes() orders as memcmp, a prefix first", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ maxLength: 4 }), (a, b) => {
    assert.equal(Math.sign(compareBytes(a, b)), Buffer.compare(a, b));
    assert.equal(equalBytes(a, b), Buffer.compare(a, b) === 0);
  }));
});

Deno.test("binary strings hold every byte and refuse what is none", () => {
  const all = Uint8Array.from({ length: 10_000 }, (_, i) => i);
  assert.equal(toBinaryString(all), Buffer.from(all).toString("latin1"));
  assert.deepEqual(fromBinaryString(toBinaryString(all)), all);
  assert.throws(() => fromBinaryString("\u0100"), RangeError);
});

Deno.test("parseUtf8() gives nothing for what is not UTF-8, and keeps a byte order mark", () => {
  assert.equal(parseUtf8(new Uint8Array([0xc3, 0x28])), undefined);
  assert.equal(parseUtf8(utf8("\ufeffä")), "\ufeffä");
});

Deno.test("concatBytes() joins in order into a buffer of its own", () => {
  const part = new Uint8Array([1, 2]);
  const joined = concatBytes(part, new Uint8Array(0), part);
  part[0] = 9;
  assert.deepEqual([...joined], [1, 2, 1, 2]);
});

Deno.test("ByteReader reads big-endian and faults on too little and too much", () => {
  const reader = new ByteReader(new Uint8Array([1, 0xff, 0xfe, 0x80, 0, 0, 1, 7, 8]).subarray(0), "BEP 3");
  assert.equal(reader.u8(), 1);
  assert.equal(reader.u16(), 0xfffe);
  assert.equal(reader.u32(), 0x80000001);
  assert.deepEqual([...reader.bytes(1)], [7]);
  assert.throws(() => reader.u16(), WireFault);
  assert.throws(() => reader.end(), /1 bytes too many/);
  reader.u8();
  reader.end();
});
