// Holes are the kernel's to tell: what is asserted here holds on file systems that know them, as ext4, xfs, btrfs and
// tmpfs do. Where the system tells nothing nothing is a hole.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { PathUnusable } from "../../lib/errors.ts";
import { openReader, openThere } from "../../lib/io/file_reader.ts";

const MIB = 1 << 20;

function inFolder(run: (folder: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const folder = Deno.makeTempDirSync();
    try {
      await run(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

/** A file of 64 MiB with 1 MiB of data at 32 MiB. */
function sparse(path: string): void {
  const fd = fs.openSync(path, "w");
  fs.ftruncateSync(fd, 64 * MIB);
  fs.writeSync(fd, new Uint8Array(MIB).fill(7), 0, MIB, 32 * MIB);
  fs.closeSync(fd);
}

Deno.test(
  "openReader() tells holes from data, and never calls a hole what is beyond the end",
  inFolder((folder) => {
    const path = join(folder, "sparse");
    sparse(path);
    using reader = openReader(path);
    const told = (at: number, length: number) => reader.isHole(at, length);
    if (Deno.build.os === "linux") {
      assert.ok(told(0, 32 * MIB));
      assert.ok(told(MIB, MIB), "inside of one that is known");
      assert.ok(told(33 * MIB, 31 * MIB), "up to the end");
    }
    assert.ok(!told(31 * MIB, MIB + 1), "one byte of data");
    assert.ok(!told(32 * MIB, 4096));
    assert.ok(!told(32 * MIB + 512 * 1024, MIB));
    assert.ok(!told(63 * MIB, MIB + 1));
    assert.ok(!told(70 * MIB, MIB));
  }),
);

Deno.test(
  "openReader() sees what is written into a hole after it was opened",
  inFolder((folder) => {
    const path = join(folder, "sparse");
    sparse(path);
    using reader = openReader(path);
    const fd = fs.openSync(path, "r+");
    fs.writeSync(fd, new Uint8Array(10).fill(1), 0, 10, 40 * MIB);
    fs.closeSync(fd);
    assert.ok(!reader.isHole(40 * MIB, MIB));
  }),
);

Deno.test(
  "openReader() finds no hole in a file that is full, and reads to its end",
  inFolder(async (folder) => {
    const path = join(folder, "full");
    fs.writeFileSync(path, new Uint8Array(3 * MIB + 5).fill(9));
    using reader = openReader(path);
    assert.ok(!reader.isHole(0, MIB));
    assert.ok(!reader.isHole(MIB, 2 * MIB + 5));
    const into = new Uint8Array(2 * MIB);
    assert.equal(await reader.read(into, 0), 2 * MIB);
    assert.equal(await reader.read(into, 2 * MIB), MIB + 5);
    assert.equal(await reader.read(into, 4 * MIB), 0);
  }),
);

Deno.test(
  "openThere() is undefined where no file is, and openReader() refuses",
  inFolder((folder) => {
    assert.equal(openThere(join(folder, "none")), undefined);
    assert.equal(openThere(folder), undefined);
    assert.throws(() => openReader(join(folder, "none")), PathUnusable);
  }),
);
