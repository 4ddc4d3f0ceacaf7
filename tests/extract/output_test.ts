import assert from "node:assert/strict";
import { NotEnoughSpace } from "../../lib/errors.ts";
import { LedgerOutput } from "../../lib/extract/output.ts";
import type { Files, OpenFile } from "../../lib/ports.ts";
import { assertRefused, ledgerBytes } from "./fakes.ts";

const MIB = 1 << 20;

Deno.test("LedgerOutput.begin() refuses what does not fit beside 64 MiB, with the numbers", () => {
  const disk = new Disk(100 * MIB);
  const output = outputOn(disk);
  assert.throws(() => output.begin(37 * MIB), (error: unknown) => {
    assert.ok(error instanceof NotEnoughSpace);
    assert.match(
      error.message,
      /into \/data: needs 38\.8 MB and 67\.1 MB that must stay free, has 104\.9 MB; make room/,
    );
    return true;
  });
  outputOn(disk).begin(36 * MIB);
});

Deno.test("LedgerOutput.write() fills an unsized ledger's room to the reserve and not further", () => {
  for (const room of [24, 3 * MIB, 800 * MIB + 1]) {
    const disk = new Disk(64 * MIB + room);
    const output = outputOn(disk);
    output.beginUnsized();
    output.write(ledgerBytes(24));
    const part = new Uint8Array(16 * MIB);
    for (let left = room - 24; left > 0; left -= part.length) output.write(part.subarray(0, left));
    assert.equal(disk.free, 64 * MIB);
    assert.throws(() => output.write(part.subarray(0, 1)), NotEnoughSpace);
    assert.equal(disk.free, 64 * MIB);
  }
});

Deno.test("LedgerOutput takes exactly what is declared", async () => {
  const ledger = ledgerBytes(1000);
  const more = outputOn(new Disk(MIB << 10));
  more.begin(999);
  assertRefused(() => more.write(ledger), /more than the 999 bytes/);
  const fewer = outputOn(new Disk(MIB << 10));
  fewer.begin(1001);
  fewer.write(ledger);
  await assert.rejects(fewer.finish(), /1000 bytes of the 1001/);
  const disk = new Disk(MIB << 10);
  const exact = outputOn(disk);
  exact.begin(1000);
  for (const byte of ledger) exact.write(new Uint8Array([byte]));
  assert.equal(await exact.finish(), 1000);
  assert.deepEqual(disk.log, ["remove", "open", "sync", "close"]);
});

Deno.test("LedgerOutput refuses an empty ledger and one that is no LMDB file", async () => {
  assertRefused(() => outputOn(new Disk(MIB << 10)).begin(0), /data\.ldb is empty/);
  const unsized = outputOn(new Disk(MIB << 10));
  unsized.beginUnsized();
  await assert.rejects(unsized.finish(), /empty or cut short/);
  const other = outputOn(new Disk(MIB << 10));
  other.beginUnsized();
  other.write(new Uint8Array(23));
  assertRefused(() => other.write(new Uint8Array(1)), /no LMDB file/);
});

Deno.test("LedgerOutput.discard() removes only what it began", () => {
  const untouched = new Disk(MIB << 10);
  outputOn(untouched).discard();
  assert.deepEqual(untouched.log, []);
  const begun = new Disk(MIB << 10);
  const output = outputOn(begun);
  output.begin(1000);
  output.discard();
  output.discard();
  assert.deepEqual(begun.log, ["remove", "open", "close", "remove"]);
});

function outputOn(disk: Disk): LedgerOutput {
  return new LedgerOutput({
    files: disk.files,
    folder: "/data",
    beforeWrite: () => {},
    onProgress: () => {},
  });
}

/** So much free space, and what was done to the one file on it. */
class Disk {
  readonly log: string[] = [];
  constructor(public free: number) {}

  get files(): Files {
    const file = {
      writeAt: (bytes: Uint8Array) => void (this.free -= bytes.length),
      sync: () => Promise.resolve(void this.log.push("sync")),
      close: () => void this.log.push("close"),
    };
    const files = {
      open: (path: string) => {
        assert.equal(path, "/data/data.ldb.partial");
        this.log.push("open");
        return file as unknown as OpenFile;
      },
      remove: () => void this.log.push("remove"),
      freeBytes: () => this.free,
    };
    return files as unknown as Files;
  }
}

Deno.test("LedgerOutput.writeAt() takes parts out of turn, and finish() all that others wrote", async () => {
  const output = outputOn(new Disk(MIB << 10));
  output.begin(1000);
  const ledger = ledgerBytes(1000);
  output.writeAt(ledger.subarray(500, 700), 500);
  assertRefused(() => output.writeAt(ledger.subarray(0, 2), 999), /more than the 1000 bytes/);
  assertRefused(() => output.writeAt(new Uint8Array(24), 0), /no LMDB file/);
  output.writeAt(ledger.subarray(0, 500), 0);
  output.addOthers(299);
  await assert.rejects(output.finish(), /999 bytes of the 1000/);
  output.addOthers(1);
  assert.equal(await output.finish(), 1000);
});
