import assert from "node:assert/strict";
import { checkAnswer, rangeOf, WebSeedFault } from "../../lib/torrent/web_seed_answer.ts";

const PART = { at: 100, length: 50, fileLength: 1000 };

function answer(status: number, headers: Record<string, string>) {
  return { status, headers: new Map(Object.entries(headers)) };
}

Deno.test("rangeOf() names the first and the last byte", () => {
  assert.equal(rangeOf(PART), "bytes=100-149");
});

Deno.test("checkAnswer() passes the part that was asked for, and 200 for a whole file", () => {
  checkAnswer(answer(206, { "content-range": "bytes 100-149/1000", "content-length": "50" }), PART);
  checkAnswer(answer(206, { "content-range": "bytes 100-149/*", "content-encoding": "identity" }), PART);
  const whole = { at: 0, length: 1000, fileLength: 1000 };
  checkAnswer(answer(200, { "content-length": "1000" }), whole);
  checkAnswer(answer(200, {}), whole);
});

Deno.test("checkAnswer() names each fault, and whether the server would do it again", () => {
  const faults: [number, Record<string, string>, RegExp, boolean][] = [
    [200, {}, /^sends the whole file when asked for a part of it/, true],
    [404, {}, /^answers 404$/, true],
    [416, { "content-range": "bytes */10" }, /^has a shorter file/, true],
    [302, {}, /^answers 302$/, true],
    [503, {}, /^answers 503$/, false],
    [429, {}, /^answers 429$/, false],
    [206, {}, /^does not say which part it sends$/, true],
    [206, { "content-range": "bytes 0-49" }, /^does not say which part/, true],
    [206, { "content-range": "bytes 99-148/1000" }, /^sends bytes 99-148 when asked for others$/, true],
    [206, { "content-range": "bytes 100-999/1000" }, /^sends bytes 100-999 when/, true],
    [206, { "content-range": "bytes 100-149/999" }, /^has another file: 999 bytes instead of 1000$/, true],
    [
      206,
      { "content-range": "bytes 100-149/1000", "content-encoding": "gzip" },
      /^packs what it sends/,
      true,
    ],
    [206, { "content-range": "bytes 100-149/1000", "content-length": "900" }, /^announces 900 bytes/, true],
  ];
  for (const [status, headers, why, isFinal] of faults) {
    assert.throws(() => checkAnswer(answer(status, headers), PART), (error) => {
      assert.ok(error instanceof WebSeedFault);
      assert.match(error.why, why);
      assert.equal(error.isFinal, isFinal, error.why);
      return true;
    });
  }
});
