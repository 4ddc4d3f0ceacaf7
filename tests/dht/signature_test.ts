import assert from "node:assert/strict";
import { verify as nobleVerify } from "@noble/ed25519";
import { toBinaryString, toHex, utf8 } from "../../lib/bytes.ts";
import { sha256 } from "../../lib/hash.ts";
import {
  isUsablePublicKey,
  publicKeyOf,
  signedBytes,
  signItem,
  targetOf,
  verifyItem,
} from "../../lib/dht/signature.ts";
import { DAILY, hex, ITEMS, KEY, SEED, VALUE } from "./vectors.ts";

for (const item of ITEMS) {
  Deno.test(`verifyItem() and targetOf() agree with the vector: ${item.name}`, () => {
    assert.equal(toHex(targetOf(item.publicKey, item.salt)), item.target);
    assert.equal(verifyItem(item), true);
    assert.equal(nobleVerify(item.signature, signedBytes(item), item.publicKey, { zip215: false }), true);
    if (item.ours) assert.deepEqual(signItem(SEED, item), item.signature);
  });
}

Deno.test("targetOf() gives the published targets of OpenRai's key and of BEP 46", () => {
  const openrai = hex("cdbc9284015e84c225f0e67b891606505a60cf1218b127ac1c1edb6444567e6b");
  const of = (key: Uint8Array, salt: string) => toHex(targetOf(key, utf8(salt)));
  assert.equal(of(openrai, "daily"), "e2385c1d1f57936521020ec7c09da75e8ee278df");
  assert.equal(of(openrai, "validation"), "c646d840901d24d1f22dfcdf211d2f377b3764ab");
  assert.equal(of(openrai, "weekly"), "e9a517ca4b29c2fc7e0901caaff9cbede4cfcabd");
  const bep46 = hex("8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e");
  assert.equal(of(bep46, ""), "cc3f9d90b572172053626f9980ce261a850d050b");
  assert.equal(of(bep46, "n"), "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f");
});

Deno.test("signedBytes() has the shape of BEP 44", () => {
  const [plain, salted, , , , , upstream] = ITEMS;
  assert.equal(toBinaryString(signedBytes(plain!)), "3:seqi1e1:v12:Hello World!");
  assert.equal(toBinaryString(signedBytes(salted!)), "4:salt6:foobar3:seqi1e1:v12:Hello World!");
  assert.equal(signedBytes(upstream!).length, 62);
  assert.equal(
    toHex(sha256(signedBytes(upstream!))),
    "96809cafc71bb4d06a3b2b758be5a90105eec0a4f28f821e545ea156f4d28ff0",
  );
});

Deno.test("signedBytes() refuses what breaks a bound, verifyItem() just says no", () => {
  const item = ITEMS[2]!;
  const wrong = [
    { salt: new Uint8Array(65) },
    { value: new Uint8Array(1001) },
    { value: new Uint8Array(0) },
    { seq: -1 },
    { seq: 0.5 },
    { seq: 2 ** 53 },
  ];
  for (const change of wrong) {
    assert.throws(() => signedBytes({ ...item, ...change }), RangeError);
    assert.equal(verifyItem({ ...item, ...change }), false);
  }
  assert.equal(verifyItem({ ...item, signature: item.signature.subarray(1) }), false);
  assert.equal(verifyItem({ ...item, publicKey: KEY.subarray(1) }), false);
});

Deno.test("verifyItem() refuses any flipped bit of signature, value, salt, seq and key", () => {
  const item = ITEMS[2]!;
  for (const field of ["signature", "value", "salt", "publicKey"] as const) {
    for (let bit = 0; bit < item[field].length * 8; bit += 3) {
      const bytes = item[field].slice();
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(verifyItem({ ...item, [field]: bytes }), false, `${field} bit ${bit}`);
    }
  }
  assert.equal(verifyItem({ ...item, seq: 2 }), false);
});

Deno.test("verifyItem() refuses a signature whose S was raised by the group order (malleability)", () => {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const item = ITEMS[2]!;
  const signature = item.signature.slice();
  let s = order;
  for (let i = 0; i < 32; i++) s += BigInt(signature[32 + i]!) << BigInt(8 * i);
  for (let i = 0; i < 32; i++) signature[32 + i] = Number((s >> BigInt(8 * i)) & 0xffn);
  assert.equal(verifyItem({ ...item, signature }), false);
});

Deno.test("verifyItem() refuses keys of small order, for which anyone can sign", () => {
  const identity = hex("01" + "00".repeat(31));
  const forged = Uint8Array.from([...identity, ...new Uint8Array(32)]); // R = identity, S = 0
  for (const publicKey of [identity, new Uint8Array(32), hex("ec" + "ff".repeat(30) + "7f")]) {
    assert.equal(isUsablePublicKey(publicKey), false);
    assert.equal(verifyItem({ publicKey, salt: DAILY, seq: 1, value: VALUE, signature: forged }), false);
  }
  assert.equal(isUsablePublicKey(new Uint8Array(32).fill(0xff)), false);
  assert.equal(isUsablePublicKey(KEY), true);
});

Deno.test("publicKeyOf() gives the project's key for its seed", () => {
  assert.deepEqual(publicKeyOf(SEED), KEY);
});
