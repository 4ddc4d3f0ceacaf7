import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import { utf8 } from "../../lib/bytes.ts";
import { isLedgerHead, sniff, SNIFF_BYTES, sniffPayload } from "../../lib/extract/sniff.ts";
import { ledgerBytes } from "./fakes.ts";

Deno.test("sniff() tells each container by its magic", async () => {
  assert.equal(sniff(new Uint8Array([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0, 4])), "7z");
  assert.equal(sniff(new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0])), "zst");
  assert.equal(sniff(new Uint8Array([0x5e, 0x2a, 0x4d, 0x18, 4, 0, 0, 0])), "zst");
  assert.equal(sniff(gzipSync("x")), "gz");
  const tar = await packTar([{ header: { name: "data.ldb", size: 1 }, body: "x" }]);
  assert.equal(sniff(tar.subarray(0, SNIFF_BYTES)), "tar");
  assert.equal(sniff(ledgerBytes(SNIFF_BYTES)), "ldb");
});

Deno.test("sniff() knows nothing of what is too short or something else", () => {
  for (const text of ["", "7z", "PK\x03\x04 a zip", "x".repeat(600)]) {
    assert.equal(sniff(utf8(text)), undefined);
  }
});

Deno.test("sniffPayload() does not look for a compressed stream inside another", () => {
  assert.equal(sniffPayload(gzipSync("x".repeat(600))), undefined);
});

Deno.test("isLedgerHead() wants page kind, magic and format version", () => {
  const good = ledgerBytes(24);
  assert.equal(isLedgerHead(good), true);
  assert.equal(isLedgerHead(good.subarray(0, 23)), false);
  for (const at of [10, 16, 20]) {
    const bad = good.slice();
    bad[at]! ^= 0xff;
    assert.equal(isLedgerHead(bad), false, `byte ${at}`);
  }
});
