import assert from "node:assert/strict";
import { decodeDict, type Encodable, encode } from "../../lib/bencode.ts";
import { ItemAnswers } from "../../lib/dht/item_answers.ts";
import { signItem } from "../../lib/dht/signature.ts";
import { concatBytes, utf8 } from "../../lib/bytes.ts";
import { DAILY, KEY, SEED, VALUE } from "./vectors.ts";

const OTHER = encode(new Uint8Array(32).fill(9));

/** A reply's body with an item, as bytes: `value` goes in as it is. */
function body(seq: number, value: Uint8Array = VALUE, change: { [key: string]: Encodable | undefined } = {}) {
  const signature = signItem(SEED, { salt: DAILY, seq, value });
  const head = encode({ k: KEY, seq, sig: signature, ...change });
  return decodeDict(concatBytes(head.subarray(0, -1), utf8("1:v"), value, utf8("e")), { mode: "lenient" });
}

const answers = () => new ItemAnswers({ publicKey: KEY, salt: DAILY });

Deno.test("take() keeps the highest seq, whatever the order, and says when it got better", () => {
  const found = answers();
  assert.deepEqual([5, 7, 6, 7].map((seq) => found.take(body(seq))), [true, true, false, false]);
  assert.deepEqual([found.best?.seq, found.best?.value, found.conflict, found.forged], [7, VALUE, false, 0]);
});

Deno.test("take() counts the copies of what is best, and begins anew with what is better", () => {
  const found = answers();
  const copies: number[] = [];
  for (const one of [body(5), body(5), body(4), body(5, OTHER), body(5), body(6), body(5), body(6)]) {
    found.take(one);
    copies.push(found.copies);
  }
  assert.deepEqual(copies, [1, 2, 2, 2, 3, 1, 1, 2]);
});

Deno.test("take() sees two values at the highest seq, but not below it", () => {
  const found = answers();
  found.take(body(3));
  found.take(body(3, OTHER));
  assert.equal(found.conflict, true);
  found.take(body(4));
  assert.equal(found.conflict, false);
  found.take(body(3, OTHER));
  assert.equal(found.conflict, false);
});

Deno.test("take() verifies the value as it came, unsorted keys and all", () => {
  const unsorted = utf8("d1:bi1e1:ai2ee");
  const found = answers();
  assert.equal(found.take(body(1, unsorted)), true);
  assert.deepEqual(found.best?.value, unsorted);
});

Deno.test("take() counts and ignores what the authority did not sign", () => {
  const wrong = [
    body(9, VALUE, { sig: new Uint8Array(64) }),
    body(9, VALUE, { seq: 10 }),
    body(9, VALUE, { seq: 2n ** 53n }),
    body(9, VALUE, { seq: -1 }),
    body(9, VALUE, { seq: "9" }),
    body(9, VALUE, { seq: undefined }),
    body(9, VALUE, { k: new Uint8Array(32).fill(3) }),
    body(9, VALUE, { k: undefined }),
    body(9, VALUE, { sig: undefined }),
    body(9, VALUE, { sig: new Uint8Array(63) }),
  ];
  const found = answers();
  for (const one of wrong) assert.equal(found.take(one), false);
  assert.deepEqual([found.best, found.forged], [undefined, wrong.length]);
  assert.equal(found.take(body(1)), true);
});

Deno.test("take() ignores an item signed for another salt", () => {
  const found = new ItemAnswers({ publicKey: KEY, salt: utf8("weekly") });
  found.take(body(1));
  assert.deepEqual([found.best, found.forged], [undefined, 1]);
});

Deno.test("take() has nothing to say about replies without an item", () => {
  const found = answers();
  assert.equal(found.take(decodeDict(encode({ id: new Uint8Array(20), seq: 4 }))), false);
  assert.equal(found.forged, 0);
});
