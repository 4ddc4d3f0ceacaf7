// What an index may answer, and what is made of it.

import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { VerificationFailed } from "../../lib/errors.ts";
import { DEFAULT_SOURCE_INDEX, parseIndex } from "../../lib/producer/source_index.ts";

const index = new URL(DEFAULT_SOURCE_INDEX);
const refuse = (why: string) => new VerificationFailed(why);
const parse = (text: string | Uint8Array, at = index) =>
  parseIndex(typeof text === "string" ? utf8(text) : text, at, refuse);

Deno.test("parseIndex() strips quotes and white space, and joins a relative answer to the index's folder", () => {
  const url = "https://s3.us-east-2.amazonaws.com/repo.nano.org/snapshots/Nano_64_2026_04_23_09.7z";
  const name = "Nano_64_2026_04_23_09.7z";
  for (
    const text of [url, ` ${url}\r\n`, `"${url}"`, `'${url}'\n`, `" ${url} "`, name, `./${name}`, `"${name}"`]
  ) {
    assert.deepEqual(parse(text), { url, name }, text);
  }
  assert.deepEqual(parse(`${url}?X-Amz-Signature=1#part`), { url: `${url}?X-Amz-Signature=1`, name });
});

Deno.test("parseIndex() refuses what is no URL of a file", () => {
  const cases: [string | Uint8Array, RegExp][] = [
    ["", /is empty/],
    [' "" ', /is empty/],
    ["<!DOCTYPE html><p>Moved", /web page/],
    [`<html>${" ".repeat(10_000)}`, /web page/],
    ["https://example.org/" + "a".repeat(4096), /more than a URL can need \(4096\)/],
    [Uint8Array.of(0x37, 0x7a, 0xbc, 0xaf), /is no text/],
    ["a.7z\nb.7z", /is not one URL/],
    ["ftp://example.org/a.7z", /no http or https URL/],
    ["file:///etc/passwd", /no http or https URL/],
    ["http://[", /no http or https URL/],
    ["https://user:secret@example.org/a.7z", /user name or password/],
    ["http://127.0.0.1/a.7z", /leads to this machine/],
    ["https://example.org/", /does not end in a file's name/],
    ["https://example.org/.hidden", /does not end in a file's name/],
    ["https://example.org/a%2Fb.7z", /does not end in a file's name/],
    ["https://example.org/%ff", /does not end in a file's name/],
  ];
  for (const [text, why] of cases) assert.throws(() => parse(text), why, String(text));
});

Deno.test("parseIndex() lets an index on this machine name a file on this machine", () => {
  const { name } = parse("/a.7z", new URL("http://127.0.0.1:8080/latest"));
  assert.equal(name, "a.7z");
});
