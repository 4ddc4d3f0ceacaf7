import assert from "node:assert/strict";
import { lzma2StreamOf, parseListing, unpackSevenZip } from "../../lib/extract/seven_zip.ts";
import { assertRefused, RememberingSink, sourceOfBytes } from "./fakes.ts";

Deno.test("parseListing() gives the size of the one entry", () => {
  assert.equal(parseListing(listing({})), 3_000_000);
  assert.equal(parseListing(listing({ Attributes: "A" })), 3_000_000);
  assert.equal(parseListing(listing({ Path: "./data.ldb", Attributes: "" })), 3_000_000);
});

Deno.test("parseListing() refuses what is no plain, unencrypted file", () => {
  assertRefused(() => parseListing(listing({ Attributes: "A lrwxrwxrwx" })), /is a link/);
  assertRefused(() => parseListing(listing({ Attributes: "AL" })), /is a link/);
  assertRefused(() => parseListing(listing({ Attributes: "D drwxr-xr-x" })), /is a directory/);
  assertRefused(() => parseListing(listing({ Attributes: "A crw-r--r--" })), /is a special/);
  assertRefused(() => parseListing(listing({ Encrypted: "+" })), /encrypted/);
  assertRefused(() => parseListing(listing({ Anti: "+" })), /order to delete/);
});

Deno.test("parseListing() refuses other names, other counts and odd lines", () => {
  assertRefused(() => parseListing(listing({ Path: "../data.ldb" })), /leads out/);
  assertRefused(() => parseListing(listing({ Path: "/data.ldb" })), /absolute/);
  assertRefused(() => parseListing(listing({ Path: "da_ta" })), /is not data\.ldb/);
  assertRefused(() => parseListing(""), /holds no entry/);
  assertRefused(() => parseListing(listing({}) + listing({})), /more than one entry/);
  assertRefused(() => parseListing("Path = data.ldb\nPath = data.ldb\n"), /cannot be read/);
  assertRefused(() => parseListing("Path = data.ldb\nhello\n"), /cannot be read/);
});

Deno.test("parseListing() refuses a size that is missing or absurd", () => {
  for (const Size of ["", "-1", "x", "99999999999999999999"]) {
    assertRefused(() => parseListing(listing({ Size })), /does not say how large/);
  }
});

Deno.test("lzma2StreamOf() tells where the one LZMA2 stream lies and what comes out of it", () => {
  assert.deepEqual(lzma2StreamOf(listing({})), {
    packedAt: 32,
    packedEnd: 32 + 3_000_190,
    bytes: 3_000_000,
    crc: 0x62e78caa,
    dictionaryBytes: 1 << 18,
  });
  // As 7-Zip 26.02 lists -m0=lzma2:d=48m and d=1536k; what is no whole number of KiB it has in bytes.
  for (
    const [method, bytes] of [["48m", 48 << 20], ["1536k", 1536 << 10], ["5000000b", 5_000_000]] as const
  ) {
    assert.equal(lzma2StreamOf(listing({ Method: `LZMA2:${method}` }))?.dictionaryBytes, bytes);
  }
});

Deno.test("lzma2StreamOf() leaves all other packing to one decoder", () => {
  for (const Method of ["LZMA:25", "LZMA2:25 BCJ", "BCJ LZMA2:25", "LZMA2:25 7zAES:19", "PPMD", "Copy", ""]) {
    assert.equal(lzma2StreamOf(listing({ Method })), undefined, Method);
  }
  assert.equal(lzma2StreamOf(listing({ CRC: "" })), undefined, "nothing to check it by");
  assert.equal(lzma2StreamOf(listing({ "Packed Size": "" })), undefined);
});

Deno.test("unpackSevenZip() sees a cut, a tail and an oversize list of entries in the start header", async () => {
  const cases: [Uint8Array, RegExp][] = [
    [startHeader({ offset: 0, length: 100 }).subarray(0, 20), /cut short/],
    [startHeader({ offset: 1000, length: 100 }), /cut short: 32 of 1132 bytes/],
    [new Uint8Array([...startHeader({ offset: 0, length: 1 }), 1, 2]), /1 bytes after its end/],
    [startHeader({ offset: 0, length: 1 << 20 }), /more than one entry can need/],
    [startHeader({ offset: 0, length: 0 }), /holds no entry/],
  ];
  for (const [bytes, why] of cases) {
    const sink = new RememberingSink();
    await assert.rejects(
      unpackSevenZip(sourceOfBytes(bytes), sink),
      (error: Error) => why.test(error.message),
    );
    assert.equal(sink.declared, undefined);
  }
});

function startHeader(where: { offset: number; length: number }): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes.set([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0, 4]);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(12, BigInt(where.offset), true);
  view.setBigUint64(20, BigInt(where.length), true);
  return bytes;
}

/** What `7zz l -slt -ba` prints for one entry (7-Zip 24.09). */
function listing(changes: Record<string, string>): string {
  const entry = {
    Path: "data.ldb",
    Size: "3000000",
    "Packed Size": "3000190",
    Modified: "2026-11-22 10:57:25.4068970",
    Attributes: "A -rw-r--r--",
    CRC: "62E78CAA",
    Encrypted: "-",
    Method: "LZMA2:18",
    Block: "0",
    ...changes,
  };
  return Object.entries(entry).map(([key, value]) => `${key} = ${value}\n`).join("") + "\n";
}
