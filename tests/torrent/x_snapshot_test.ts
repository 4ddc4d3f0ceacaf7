import assert from "node:assert/strict";
import type { Encodable } from "../../lib/bencode.ts";
import { parseInfo } from "../../lib/torrent/metainfo.ts";
import { originalFilename } from "../../lib/torrent/x_snapshot.ts";
import { fixtureBytes } from "./fixtures.ts";
import { buildTorrent } from "./torrent_builder.ts";

function named(xSnapshot: Encodable | undefined): string | undefined {
  const { infoBytes } = buildTorrent({
    kind: "hybrid",
    name: "ledger.7z",
    pieceLength: 32_768,
    files: [{ path: [], data: fixtureBytes(10) }],
    extra: xSnapshot === undefined ? {} : { "x-snapshot": xSnapshot },
  });
  return originalFilename(parseInfo(infoBytes));
}

Deno.test("originalFilename() reads the name out of upstream's JSON", () => {
  const json = `{"original_filename":"Nano_64_2026_01_02_03.7z","build":{"date":"2026-01-02"}}`;
  assert.equal(named(json), "Nano_64_2026_01_02_03.7z");
});

Deno.test("originalFilename() takes nothing but a short printable name", () => {
  const bad: (Encodable | undefined)[] = [
    undefined,
    "",
    "not json",
    "null",
    "[]",
    `"text"`,
    "{}",
    `{"original_filename":7}`,
    `{"original_filename":""}`,
    `{"original_filename":"a\\u001b[31m"}`,
    `{"original_filename":"a\\nb"}`,
    `{"original_filename":"${"a".repeat(256)}"}`,
    `{"original_filename":"a"}${" ".repeat(65 << 10)}`,
    Uint8Array.of(0x7b, 0xff, 0x7d),
    { original_filename: "a dictionary, not JSON" },
    42,
  ];
  for (const value of bad) assert.equal(named(value), undefined, JSON.stringify(value)?.slice(0, 60));
});
