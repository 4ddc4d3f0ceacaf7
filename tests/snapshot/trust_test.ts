import assert from "node:assert/strict";
import { parseUtf8, utf8 } from "../../lib/bytes.ts";
import { InvariantBroken } from "../../lib/errors.ts";
import type { RunEvent } from "../../lib/events.ts";
import { TrustStore } from "../../lib/snapshot/trust.ts";
import { DAILY, KEY, MemoryFiles, signed } from "./fakes.ts";

const PATH = "/data/.nano-snap/trust.json";
const LAST_GOOD = "/data/.nano-snap/trust.last-good.json";
const STREAM = { publicKey: KEY, salt: DAILY };

function open(memory: MemoryFiles) {
  const events: RunEvent[] = [];
  const trust = TrustStore.open({ files: memory.files, path: PATH, report: (event) => events.push(event) });
  return { trust, warnings: events.map((event) => event.kind === "note" ? event.text : "") };
}

function accepted(...seqs: number[]): MemoryFiles {
  const memory = new MemoryFiles();
  const { trust } = open(memory);
  for (const seq of seqs) trust.accept(signed(seq));
  return memory;
}

Deno.test("TrustStore starts at 0 and remembers the highest seq with its value", () => {
  assert.deepEqual(open(new MemoryFiles()).trust.floor(STREAM), { seq: 0, value: undefined });
  const { trust, warnings } = open(accepted(5, 7));
  assert.deepEqual(trust.floor(STREAM), { seq: 7, value: signed(7).value });
  assert.deepEqual(trust.accepted(STREAM), signed(7));
  assert.deepEqual(warnings, []);
});

Deno.test("TrustStore keeps streams apart by key and salt", () => {
  const memory = accepted(7);
  const weekly = { publicKey: KEY, salt: utf8("weekly") };
  const { trust } = open(memory);
  assert.equal(trust.floor(weekly).seq, 0);
  trust.accept(signed(3, 1, weekly.salt));
  const again = open(memory).trust;
  assert.deepEqual([again.floor(STREAM).seq, again.floor(weekly).seq], [7, 3]);
});

Deno.test("accept() never goes below, nor to another value at the same seq", () => {
  const { trust } = open(accepted(7));
  assert.throws(() => trust.accept(signed(6)), InvariantBroken);
  assert.throws(() => trust.accept(signed(7, 0xcd)), InvariantBroken);
  trust.accept(signed(7));
  trust.accept(signed(8, 0xcd));
  assert.equal(trust.floor(STREAM).seq, 8);
});

Deno.test("accept() of what is known writes nothing", () => {
  const memory = accepted(7);
  const before = memory.writes;
  open(memory).trust.accept(signed(7));
  assert.equal(memory.writes, before);
});

Deno.test("vouch() counts beside the own seq: the higher wins, and nothing lowers it", () => {
  const { trust } = open(accepted(7));
  trust.vouch(STREAM, 5);
  assert.equal(trust.floor(STREAM).seq, 7);
  trust.vouch(STREAM, 9);
  trust.vouch(STREAM, 8);
  assert.deepEqual(trust.floor(STREAM), { seq: 9, value: undefined });
  assert.throws(() => trust.accept(signed(8)), InvariantBroken);
  trust.accept(signed(9));
  assert.deepEqual(trust.floor(STREAM), { seq: 9, value: signed(9).value });
});

Deno.test("TrustStore torn at any byte still has the seq, sets the file aside and names it", () => {
  const whole = accepted(5, 7).contents.get(PATH)!;
  const end = parseUtf8(whole)!.lastIndexOf("}"); // without the line's end it is still whole
  for (let length = 0; length <= end; length++) {
    for (const torn of [PATH, LAST_GOOD]) {
      const memory = accepted(5, 7);
      memory.contents.set(torn, whole.slice(0, length));
      const { trust, warnings } = open(memory);
      assert.equal(trust.floor(STREAM).seq, 7);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, new RegExp(`${torn}.*${torn}\\.bad; the other copy is whole`));
      assert.equal(memory.contents.get(`${torn}.bad`)?.length, length);
    }
  }
});

Deno.test("TrustStore writes both copies again after one was lost", () => {
  for (const lost of [PATH, LAST_GOOD]) {
    const memory = accepted(7);
    memory.contents.delete(lost);
    open(memory).trust.accept(signed(7));
    assert.ok(memory.contents.has(lost));
  }
});

Deno.test("TrustStore takes the higher of two copies, whichever it is", () => {
  for (const [older, newer] of [[PATH, LAST_GOOD], [LAST_GOOD, PATH]] as const) {
    const memory = accepted(7);
    memory.contents.set(older, accepted(5).contents.get(PATH)!);
    memory.contents.set(newer, accepted(7).contents.get(PATH)!);
    assert.equal(open(memory).trust.floor(STREAM).seq, 7);
  }
});

Deno.test("TrustStore without a whole copy says what is lost", () => {
  const memory = new MemoryFiles();
  memory.contents.set(PATH, utf8("not ours"));
  memory.contents.set(LAST_GOOD, utf8("[]"));
  const { trust, warnings } = open(memory);
  assert.equal(trust.floor(STREAM).seq, 0);
  assert.equal(warnings.length, 2);
  for (const warning of warnings) assert.match(warning, /no copy is left/);
});

Deno.test("TrustStore refuses a file whose entries are not signed as they stand", () => {
  const text = parseUtf8(accepted(7).contents.get(PATH)!)!;
  const changes = [
    text.replace('"seq": 7', '"seq": 9007199254740991'),
    text.replace('"seq": 7', '"seq": 7.5'),
    text.replace('"seq": 7', '"seq": "7"'),
    text.replace("abab", "abac"),
    text.replace('"version": 1', '"version": 2'),
    text.replace('"salt": "64', '"salt": "65'),
    text.replace('"salt": "', '"salt": "x'),
    text.replace('"pointers": [', '"pointers": [null,'),
  ];
  for (const changed of changes) {
    assert.notEqual(changed, text);
    const memory = new MemoryFiles();
    memory.contents.set(PATH, utf8(changed));
    const { trust, warnings } = open(memory);
    assert.deepEqual([trust.floor(STREAM).seq, warnings.length], [0, 1], changed);
  }
});
