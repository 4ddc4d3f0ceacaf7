// The one header that we write, against tars that others make and read.

import assert from "node:assert/strict";
import { packTar } from "modern-tar";
import { TarReader } from "../../lib/extract/tar.ts";
import { createZstd, tarHeader } from "../../lib/producer/pack_tar_zst.ts";

Deno.test("tarHeader() is what modern-tar writes for the same entry", async () => {
  const header = { name: "data.ldb", size: 5, mode: 0o600, mtime: new Date(0), uid: 0, gid: 0 };
  const theirs = (await packTar([{ header, body: "hello" }])).subarray(0, 512);
  const ours = tarHeader("data.ldb", 5);
  // Name, mode, owner, size, date and type; each writes the checksum's end in its own way.
  assert.deepEqual(ours.subarray(0, 100), theirs.subarray(0, 100));
  assert.deepEqual(octal(ours, 100, 8), octal(theirs, 100, 8));
  assert.deepEqual(octal(ours, 124, 12), octal(theirs, 124, 12));
  assert.deepEqual(octal(ours, 136, 12), octal(theirs, 136, 12));
  assert.equal(ours[156], theirs[156]);
  assert.deepEqual(ours.subarray(257, 265), theirs.subarray(257, 265));
});

Deno.test("tarHeader() declares sizes beyond 8 GiB so that our reader knows them", () => {
  for (const size of [1, 8 ** 11 - 1, 8 ** 11, 121_000_000_000]) {
    let declared = 0;
    const reader = new TarReader({
      begin: (n) => declared = n,
      beginUnsized() {},
      expect() {},
      write() {},
      writeAt() {},
      addOthers() {},
    });
    reader.write(tarHeader("data.ldb", size));
    assert.equal(declared, size);
  }
});

function octal(header: Uint8Array, at: number, length: number): number {
  return Number.parseInt(new TextDecoder().decode(header.subarray(at, at + length)).replace(/\0/g, ""), 8);
}

Deno.test("createZstd() says in one sentence that an older runtime has none", () => {
  assert.throws(() => createZstd({}), {
    name: "OperationFailed",
    message: /^Cannot pack as tar\.zst: this runtime has no zstd encoder \([^\n]+\)$/,
  });
});
