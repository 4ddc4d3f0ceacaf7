import assert from "node:assert/strict";
import bencode from "bencode";
import fc from "fast-check";
import {
  BDict,
  type Bencoded,
  BencodeFault,
  decode,
  decodeDict,
  decodePrefix,
  type Encodable,
  encode,
  Verbatim,
} from "../lib/bencode.ts";
import { fromBinaryString, toBinaryString, utf8 } from "../lib/bytes.ts";

const CANONICAL: readonly (readonly [string, Encodable])[] = [
  ["i0e", 0],
  ["i-1e", -1],
  ["i9007199254740991e", Number.MAX_SAFE_INTEGER],
  ["i-9007199254740991e", Number.MIN_SAFE_INTEGER],
  ["i9007199254740992e", 2n ** 53n],
  ["i9223372036854775807e", 2n ** 63n - 1n],
  ["i-9223372036854775808e", -(2n ** 63n)],
  ["0:", utf8("")],
  ["4:spam", utf8("spam")],
  ["3:\x00\xff:", new Uint8Array([0, 255, 58])],
  ["le", []],
  ["l4:spami3ee", [utf8("spam"), 3]],
  ["de", {}],
  ["d3:cow3:moo4:spaml1:a1:bee", { spam: [utf8("a"), utf8("b")], cow: utf8("moo") }],
  ["d0:i1e1:\xff2:ab2:\xff\x00dee", { "\xff\x00": {}, "\xff": utf8("ab"), "": 1 }],
];

Deno.test("decode() reads canonical bencoding, encode() writes it", () => {
  for (const [text, value] of CANONICAL) {
    const bytes = fromBinaryString(text);
    assert.deepEqual(plain(decode(bytes)), value, text);
    assert.deepEqual(plain(decode(bytes, { mode: "lenient" })), value, text);
    assert.equal(toBinaryString(encode(value)), text);
    assert.equal(toBinaryString(encode(decode(bytes))), text);
  }
});

Deno.test("encode() takes text as UTF-8, a Map as a dictionary, bencoding as it is, and leaves undefined out", () => {
  assert.equal(toBinaryString(encode("ä")), "2:\xc3\xa4");
  const map = new Map<string, Encodable>([["b", 1], ["a", new Verbatim(utf8("i007e"))]]);
  assert.equal(toBinaryString(encode(map)), "d1:ai007e1:bi1ee");
  assert.equal(toBinaryString(encode({ b: undefined, a: -0 })), "d1:ai0ee");
});

Deno.test("encode() refuses what decode() would not read back", () => {
  for (const value of [1.5, NaN, Infinity, 2 ** 53, 10n ** 20n, -(10n ** 20n), { "\u0100": 1 }]) {
    assert.throws(() => encode(value), RangeError, String(value));
  }
  assert.equal(decode(encode(10n ** 20n - 1n)), 10n ** 20n - 1n);
});

/** Refused in both modes: not one whole value. */
const BROKEN = [
  ...["", "x", "e", ":", "i", "ie", "i-e", "i+1e", "i 1e", "i1 e", "i1", "i1.0e", "--1e", "i1-e"],
  ...["1", "1:", "5:abc", "-1:a", "1 :a", "99999999999:a", "9999999999:a", "1a:a"],
  ...["l", "li1e", "l1:", "lei1e", "i1ei2e", "0:0:", "d", "d1:a", "d1:ae", "d1:ai1e", "di1ei2ee", "dlei1ee"],
  "i123456789012345678901e",
];

Deno.test("decode() refuses what is not exactly one value, in both modes", () => {
  for (const text of BROKEN) {
    for (const mode of ["strict", "lenient"] as const) {
      assert.throws(() => decode(fromBinaryString(text), { mode }), BencodeFault, `${mode} ${text}`);
    }
  }
});

/** What libtorrent's bdecode() takes and canonical bencoding forbids. */
const LENIENT: readonly (readonly [string, Bencoded | Record<string, Bencoded>])[] = [
  ["i03e", 3],
  ["i-03e", -3],
  ["i00e", 0],
  ["i-0e", 0],
  ["03:abc", utf8("abc")],
  ["00:", utf8("")],
  ["d1:bi1e1:ai2ee", { b: 1, a: 2 }],
  ["d1:ai1e1:ai2ee", { a: 1 }],
  ["d1:ai1e0:i2ee", { a: 1, "": 2 }],
];

Deno.test("decode() takes unsorted and equal keys and leading zeros in lenient mode only", () => {
  for (const [text, value] of LENIENT) {
    const bytes = fromBinaryString(text);
    assert.throws(() => decode(bytes), BencodeFault, text);
    assert.deepEqual(plain(decode(bytes, { mode: "lenient" })), value, text);
  }
});

Deno.test("BencodeFault says what is wrong and where", () => {
  assert.throws(() => decode(utf8("d1:bi1e1:ai2ee")), (fault) => {
    assert(fault instanceof BencodeFault);
    assert.equal(fault.at, 7);
    assert.equal(fault.message, "BEP 3: bencoding: a key that is not above the one before at byte 7");
    return true;
  });
});

Deno.test("decodePrefix() says how much it took and leaves the rest", () => {
  const bytes = utf8("d8:msg_typei1e5:piecei0eeRAW DATA");
  const { value, length } = decodePrefix(bytes);
  assert(value instanceof BDict);
  assert.equal(value.int("piece"), 0);
  assert.equal(toBinaryString(bytes.subarray(length)), "RAW DATA");
});

Deno.test("BDict gives values by kind, and the bytes they came as", () => {
  const text = "d4:infod1:bi1e1:ai02ee1:ll0:e1:ni-7e1:s2:hi1:zi9007199254740992ee";
  const bytes = fromBinaryString(text);
  const dict = decodeDict(bytes, { mode: "lenient" });
  assert.equal(toBinaryString(dict.raw("info")!), "d1:bi1e1:ai02ee");
  assert.equal(dict.raw("info")!.buffer, bytes.buffer);
  assert.equal(toBinaryString(dict.raw("s")!), "2:hi");
  assert.equal(dict.raw("none"), undefined);
  assert.equal(dict.dict("info")!.int("a"), 2);
  assert.equal(toBinaryString(dict.dict("info")!.raw("a")!), "i02e");
  assert.deepEqual(dict.list("l"), [new Uint8Array(0)]);
  assert.equal(dict.int("n"), -7);
  assert.deepEqual(dict.bytes("s"), utf8("hi"));
  assert.deepEqual(
    [dict.int("s"), dict.bytes("n"), dict.list("s"), dict.dict("l")],
    Array(4).fill(undefined),
  );
  assert.equal(dict.int("z"), undefined, "outside ±(2^53 - 1)");
  assert.deepEqual([...dict.keys()], ["info", "l", "n", "s", "z"]);
  assert.equal(dict.size, 5);
});

Deno.test("BDict keeps the bytes of the value that counts when a key comes twice", () => {
  const dict = decodeDict(utf8("d1:vi1e1:vi2ee"), { mode: "lenient" });
  assert.equal(toBinaryString(dict.raw("v")!), "i1e");
});

Deno.test("decode() and encode() turn any value into bytes and back", () => {
  fc.assert(fc.property(encodable(), (value) => {
    const bytes = encode(value);
    assert.deepEqual(encode(decode(bytes)), bytes);
    assert.deepEqual(encode(decode(bytes, { mode: "lenient" })), bytes);
  }));
});

Deno.test("decode() agrees with npm:bencode on what that can hold", () => {
  fc.assert(fc.property(commonGround(), (value) => {
    const bytes = encode(value);
    assert.deepEqual(bytes, new Uint8Array(bencode.encode(value)));
    assert.deepEqual(plain(decode(bytes)), untyped(bencode.decode(bytes)));
  }));
});

Deno.test("decode() in strict mode takes only what encodes back to the same bytes", () => {
  const token = fc.constantFrom(
    "d",
    "l",
    "e",
    "e",
    "i",
    "-",
    "0",
    "i7e",
    "i0",
    "0:",
    "1:a",
    "1:b",
    "01:c",
    "2:a",
  );
  const likely = fc.array(token, { maxLength: 8 }).map((tokens) => tokens.join(""));
  let taken = 0;
  fc.assert(
    fc.property(likely, (text) => {
      const bytes = fromBinaryString(text);
      const value = orFault(() => decode(bytes));
      if (value !== undefined) taken++;
      if (value !== undefined) assert.deepEqual(encode(value), bytes);
    }),
    { numRuns: 20_000 },
  );
  assert(taken > 100, `only ${taken} of them were bencoding`);
});

Deno.test("decode() ends in a BencodeFault wherever the input is cut off", () => {
  const whole = encode({
    a: [1, -20n, "text", { b: new Uint8Array(12), c: [[], {}] }],
    "\xff": 2n ** 60n,
  });
  for (let length = 0; length < whole.length; length++) {
    for (const mode of ["strict", "lenient"] as const) {
      assert.throws(() => decode(whole.subarray(0, length), { mode }), BencodeFault, `cut at ${length}`);
    }
  }
});

Deno.test("decode() allows nesting up to its limit and no deeper", () => {
  const nested = (depth: number) => utf8("l".repeat(depth) + "e".repeat(depth));
  decode(nested(100));
  assert.throws(() => decode(nested(101)), /nesting deeper than 100/);
  decode(nested(10), { maxDepth: 10 });
  assert.throws(() => decode(nested(11), { maxDepth: 10 }), /nesting deeper than 10/);
  assert.throws(() => decode(utf8("d1:a".repeat(12)), { maxDepth: 10 }), /nesting deeper than 10/);
});

Deno.test("decode() counts values and keys", () => {
  decode(utf8("d1:ai1ee"), { maxTokens: 3 });
  assert.throws(() => decode(utf8("d1:ai1ee"), { maxTokens: 2 }), /too many values/);
});

/** Small inputs that claim to be huge, and large ones that are nothing but structure. */
const BOMBS: readonly (readonly [string, string])[] = [
  ["a long string", "9999999999:x"],
  ["a long key", "d9999999999:x"],
  ["a long number", "i" + "9".repeat(4_000_000) + "e"],
  ["a long length", "9".repeat(4_000_000) + ":"],
  ["deep lists", "l".repeat(4_000_000)],
  ["deep dictionaries", "d1:a".repeat(1_000_000)],
  ["many values", "l" + "0:".repeat(2_500_000) + "e"],
  ["many lists", "l" + "le".repeat(2_500_000) + "e"],
];

Deno.test("decode() ends bombs quickly", () => {
  for (const [what, text] of BOMBS) {
    const bytes = utf8(text);
    const before = performance.now();
    assert.throws(() => decode(bytes), BencodeFault, what);
    assert(performance.now() - before < 2000, what);
  }
});

Deno.test("encode() and decode() handle what the largest torrents hold", () => {
  const path = ["a folder", "a file with a name.bin"];
  const files = Array.from({ length: 100_000 }, (_, i) => ({ length: i, path }));
  const before = performance.now();
  const bytes = encode({ files, pieces: new Uint8Array(20 << 19) });
  assert(bytes.length > 15_000_000);
  assert.equal(decodeDict(bytes).list("files")!.length, files.length);
  assert(performance.now() - before < 5000);
});

/** Dictionaries as plain objects, so that node:assert compares them. */
function plain(value: Bencoded): unknown {
  if (value instanceof BDict) {
    return Object.fromEntries([...value.entries()].map(([key, inner]) => [key, plain(inner)]));
  }
  return Array.isArray(value) ? value.map(plain) : value;
}

/** npm:bencode's objects have no prototype and its strings another class. */
function untyped(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(untyped);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, untyped(inner)]));
}

function orFault<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (fault) {
    assert(fault instanceof BencodeFault);
    return undefined;
  }
}

function encodable(): fc.Arbitrary<Encodable> {
  const key = fc.uint8Array({ maxLength: 6 }).map(toBinaryString);
  const leaf = [
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.uint8Array({ maxLength: 12 }),
    fc.string({ maxLength: 8 }),
  ];
  return nesting(leaf, key);
}

/** What npm:bencode gets right: safe integers, byte strings, keys of ASCII that are no prototype's. */
function commonGround(): fc.Arbitrary<Encodable> {
  const key = fc.string({ unit: "binary-ascii", maxLength: 6 }).filter((text) => text !== "__proto__");
  return nesting([fc.maxSafeInteger(), fc.uint8Array({ maxLength: 12 })], key);
}

function nesting(leaves: fc.Arbitrary<Encodable>[], key: fc.Arbitrary<string>): fc.Arbitrary<Encodable> {
  const { value } = fc.letrec<{ value: Encodable }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, depthSize: "small" },
      ...leaves,
      fc.array(tie("value"), { maxLength: 5 }),
      fc.dictionary(key, tie("value"), { maxKeys: 5, noNullPrototype: true }),
    ),
  }));
  return value;
}
