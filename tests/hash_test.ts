import assert from "node:assert/strict";
import { concatBytes, toHex, utf8 } from "../lib/bytes.ts";
import { sha1, sha256, sha256Into } from "../lib/hash.ts";

/** FIPS 180-2, appendices A.1, B.1 and B.2. */
const ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const LONG = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

Deno.test("sha256() and sha1() of the standard's messages", () => {
  assert.equal(toHex(sha256(utf8("abc"))), ABC);
  assert.equal(
    toHex(sha256(utf8(LONG))),
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  );
  assert.equal(toHex(sha1(utf8("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
});

Deno.test("sha256Into() writes 32 bytes at the place and nothing beside it", () => {
  const into = new Uint8Array(40).fill(7);
  sha256Into(utf8("abc"), into, 4);
  const around = new Uint8Array(4).fill(7);
  assert.deepEqual(into, concatBytes(around, sha256(utf8("abc")), around));
  assert.equal(toHex(into.subarray(4, 36)), ABC);
});
