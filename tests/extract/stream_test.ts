import assert from "node:assert/strict";
import zlib from "node:zlib";
import { packTar } from "modern-tar";
import { concatBytes, utf8 } from "../../lib/bytes.ts";
import { OperationFailed } from "../../lib/errors.ts";
import { BadArchive } from "../../lib/extract/archive.ts";
import { createZstd, unpackStream } from "../../lib/extract/stream.ts";
import { ledgerBytes, RememberingSink, sourceOfBytes } from "./fakes.ts";

const LEDGER = ledgerBytes(200_000);
const PACK = {
  gz: (bytes: Uint8Array) => new Uint8Array(zlib.gzipSync(bytes)),
  zst: (bytes: Uint8Array) => {
    // What the zstd program writes too: a checksum and the size.
    const options = { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 }, pledgedSrcSize: bytes.length };
    return new Uint8Array(zlib.zstdCompressSync(bytes, options));
  },
};

for (const kind of ["gz", "zst"] as const) {
  Deno.test(`unpackStream() tells a bare ledger from a tar inside ${kind}`, async () => {
    const bare = await unpack(kind, PACK[kind](LEDGER));
    assert.equal(bare.format, `ldb.${kind}`);
    assert.equal(bare.sink.declared, "unsized");
    assert.deepEqual(bare.sink.bytes, LEDGER);
    const tar = await packTar([{ header: { name: "data.ldb", size: LEDGER.length }, body: LEDGER }]);
    const packed = await unpack(kind, PACK[kind](tar));
    assert.equal(packed.format, `tar.${kind}`);
    assert.equal(packed.sink.declared, LEDGER.length);
    assert.deepEqual(packed.sink.bytes, LEDGER);
  });

  Deno.test(`unpackStream() joins the members of a ${kind} stream`, async () => {
    const two = concatBytes(PACK[kind](LEDGER.subarray(0, 99_999)), PACK[kind](LEDGER.subarray(99_999)));
    assert.deepEqual((await unpack(kind, two)).sink.bytes, LEDGER);
  });

  Deno.test(`unpackStream() refuses ${kind} that is cut, damaged, or of something else`, async () => {
    const packed = PACK[kind](LEDGER);
    await refused(kind, packed.subarray(0, packed.length - 5), /ends too early/);
    const damaged = packed.slice();
    for (let at = 200; at < 260; at++) damaged[at]! ^= 0xff;
    await refused(kind, damaged, /damaged|where one must begin|unknown type|ends too early/);
    await refused(kind, concatBytes(packed, utf8("garbage")), /damaged|where one must begin/);
    await refused(kind, PACK[kind](utf8("hello")), /neither a tar nor an LMDB file/);
  });
}

Deno.test("unpackStream() tells the sink what a zstd frame declares", async () => {
  assert.equal((await unpack("zst", PACK.zst(LEDGER))).sink.expected, LEDGER.length);
});

Deno.test("unpackStream() passes on what the sink throws", async () => {
  const sink = new RememberingSink();
  sink.write = () => {
    throw new Error("disk full");
  };
  await assert.rejects(unpackStream("zst", sourceOfBytes(PACK.zst(LEDGER)), sink, () => {}), /disk full/);
});

async function unpack(kind: "gz" | "zst", bytes: Uint8Array) {
  const sink = new RememberingSink();
  const format = await unpackStream(kind, sourceOfBytes(bytes), sink, () => {});
  return { sink, format };
}

async function refused(kind: "gz" | "zst", bytes: Uint8Array, why: RegExp): Promise<void> {
  await assert.rejects(unpack(kind, bytes), (error: unknown) => {
    assert.ok(error instanceof BadArchive, String(error));
    assert.match(error.message, why);
    return true;
  });
}

Deno.test("createZstd() says in one sentence that an older runtime has none", () => {
  assert.throws(() => createZstd({}), (error) => {
    assert.ok(error instanceof OperationFailed);
    assert.match(error.message, /^Cannot unpack zstd: this runtime has no zstd decoder \([^\n]+\)$/);
    return true;
  });
});
