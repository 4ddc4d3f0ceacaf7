import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { parseHex, toHex } from "../lib/bytes.ts";
import { sha1, sha256, sha256Into } from "../lib/hash.ts";

Deno.test("sha1() and sha256() give the standard's hashes of abc", () => {
  const abc = new TextEncoder().encode("abc"); // FIPS 180-4, examples
  assert.equal(toHex(sha1(abc)), "a9993e364706816aba3e25717850c26c9cd0d89d");
  assert.equal(toHex(sha256(abc)), ABC_SHA256);
});

Deno.test("sha256Into() writes the hash at its place and nothing beside it", () => {
  const into = new Uint8Array(34).fill(0xee);
  sha256Into(new TextEncoder().encode("abc"), into, 1);
  assert.deepEqual(into, parseHex(`ee${ABC_SHA256}ee`));
});

Deno.test("sha256Into() agrees with an incremental hash, for blocks of any length and every digit", () => {
  const block = Uint8Array.from({ length: 16_384 }, (_, i) => i * 7 + (i >> 8));
  const into = new Uint8Array(32);
  for (const length of [0, 1, 63, 64, 65, 16_383, 16_384]) {
    const part = block.subarray(block.length - length); // a view that does not begin at its buffer's begin
    sha256Into(part, into, 0);
    assert.equal(toHex(into), createHash("sha256").update(part).digest("hex"), `${length} bytes`);
  }
});

const ABC_SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
