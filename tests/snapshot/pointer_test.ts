import assert from "node:assert/strict";
import fc from "fast-check";
import { type Encodable, encode } from "../../lib/bencode.ts";
import { utf8 } from "../../lib/bytes.ts";
import { parsePointer, pointerHex } from "../../lib/snapshot/pointer.ts";

const v2 = new Uint8Array(32).fill(0xab);
const short = new Uint8Array(20).fill(0xcd);

Deno.test("parsePointer() reads every shape in use", () => {
  const shapes: [Encodable, unknown][] = [
    [v2, { kind: "v2", infoHashV2: v2 }],
    [short, { kind: "short", infoHash: short }],
    [{ ih: short }, { kind: "short", infoHash: short }],
    [{ ih: v2 }, { kind: "v2", infoHashV2: v2 }],
    [{ info_hash: v2 }, { kind: "v2", infoHashV2: v2 }],
    [{ info_hash: short, more: 1 }, { kind: "short", infoHash: short }],
    [{ ih: short, info_hash: v2 }, { kind: "short", infoHash: short }],
  ];
  for (const [value, pointer] of shapes) assert.deepEqual(parsePointer(encode(value)), pointer);
});

Deno.test("parsePointer() knows no other shape", () => {
  const others: Encodable[] = [
    "ab".repeat(32),
    v2.subarray(1),
    "",
    7,
    [v2],
    {},
    { ih: [short] },
    { ih: new Uint8Array(21) },
    { IH: short },
  ];
  for (const value of others) assert.equal(parsePointer(encode(value)), undefined);
  for (const bytes of [utf8(""), utf8("32:cut off"), utf8("i1ei2e")]) {
    assert.equal(parsePointer(bytes), undefined);
  }
});

Deno.test("parsePointer() ends in a pointer or undefined for any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void parsePointer(bytes)));
});

Deno.test("pointerHex() gives the hash as 64 or 40 digits", () => {
  assert.equal(pointerHex({ kind: "v2", infoHashV2: v2 }), "ab".repeat(32));
  assert.equal(pointerHex({ kind: "short", infoHash: short }), "cd".repeat(20));
});
