import assert from "node:assert/strict";
import fc from "fast-check";
import { concatBytes } from "../../lib/bytes.ts";
import { sha256 } from "../../lib/hash.ts";
import { hashPair } from "../../lib/torrent/hash_pair.ts";

const hash = () => fc.uint8Array({ minLength: 32, maxLength: 32 });

Deno.test("hashPair() is SHA-256 of the two halves", () => {
  fc.assert(fc.property(hash(), hash(), (left, right) => {
    const into = new Uint8Array(32);
    hashPair(left, 0, right, 0, into, 0);
    assert.deepEqual(into, new Uint8Array(sha256(concatBytes(left, right))));
  }));
});

Deno.test("hashPair() writes over its own input, touching 32 bytes only", () => {
  const bytes = Uint8Array.from({ length: 128 }, (_, i) => i);
  const before = bytes.slice();
  hashPair(bytes, 32, bytes, 64, bytes, 48);
  assert.deepEqual(bytes.slice(48, 80), new Uint8Array(sha256(before.subarray(32, 96))));
  assert.deepEqual(bytes.slice(0, 48), before.slice(0, 48));
  assert.deepEqual(bytes.slice(80), before.slice(80));
});
