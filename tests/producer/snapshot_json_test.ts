import assert from "node:assert/strict";
import { parseUtf8 } from "../../lib/bytes.ts";
import { commentJson, snapshotJson } from "../../lib/producer/snapshot_json.ts";

const textOf = (bytes: Uint8Array | undefined) => bytes && parseUtf8(bytes);

Deno.test("snapshotJson() is compact and holds the name alone, as upstream writes it", () => {
  assert.equal(textOf(snapshotJson("upstream.7z", undefined)), '{"original_filename":"upstream.7z"}');
});

Deno.test("snapshotJson() escapes what is not ASCII, as Python's json.dumps does", () => {
  assert.equal(
    textOf(snapshotJson('ä"\\/\n\x7f\u2028😀', undefined)),
    '{"original_filename":"\\u00e4\\"\\\\/\\n\x7f\\u2028\\ud83d\\ude00"}',
  );
});

Deno.test("snapshotJson() puts facts behind the name, in their own order", () => {
  assert.equal(
    textOf(snapshotJson("data.ldb", { format: "ldb", size: 5, ledger_version: 24, last_transaction: 7 })),
    '{"original_filename":"data.ldb","format":"ldb","size":5,"ledger_version":24,"last_transaction":7}',
  );
  assert.equal(textOf(snapshotJson(undefined, { format: "7z", size: 5 })), '{"format":"7z","size":5}');
});

Deno.test("snapshotJson() is absent when there is nothing to say", () => {
  assert.equal(snapshotJson(undefined, undefined), undefined);
});

Deno.test("commentJson() says when, in UTC", () => {
  assert.equal(commentJson(1_776_902_400_123), '{"created_at":"2026-04-23T00:00:00.123Z"}');
});
