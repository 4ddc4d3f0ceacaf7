import assert from "node:assert/strict";
import { runSevenZip } from "../../lib/extract/seven_zip_run.ts";
import { partAsArchive } from "../../lib/extract/seven_zip_wrap.ts";
import { ledgerBytes, RememberingSink, sourceOfBytes } from "./fakes.ts";

Deno.test("partAsArchive() makes an archive of bare chunks that 7-Zip takes", async () => {
  const content = ledgerBytes(100_000);
  const chunk = (control: number, from: number, to: number) => {
    const size = to - from - 1;
    return [control, size >> 8, size & 0xff, ...content.subarray(from, to)];
  };
  const packed = Uint8Array.from([...chunk(0x01, 0, 65_536), ...chunk(0x02, 65_536, 100_000), 0]);
  const source = sourceOfBytes(packed);
  const archive = partAsArchive((into, at) => source.readAt(into, at), {
    packedBytes: packed.length,
    bytes: content.length,
    property: 10,
  });
  const sink = new RememberingSink();
  const { code, complaints } = await runSevenZip(["x", "-so"], archive, (bytes) => sink.write(bytes));
  assert.deepEqual([code, complaints.join("")], [0, ""]);
  assert.deepEqual(sink.bytes, content);
});

Deno.test("partAsArchive() says sizes beyond 4 GiB, and reads the part where it lies", () => {
  const reads: number[] = [];
  const archive = partAsArchive((into, at) => {
    reads.push(at, into.length);
    return into.length;
  }, { packedBytes: 2 ** 40, bytes: 2 ** 41, property: 30 });
  const head = new Uint8Array(32);
  assert.equal(archive.readAt(head, 0), 32);
  assert.equal(new DataView(head.buffer).getBigUint64(12, true), 2n ** 40n);
  assert.equal(archive.readAt(new Uint8Array(10), 32), 10);
  assert.equal(archive.readAt(new Uint8Array(10), 32 + 2 ** 40 - 3), 3);
  assert.deepEqual(reads, [0, 10, 2 ** 40 - 3, 3]);
  const directory = new Uint8Array(500);
  const length = archive.readAt(directory, 32 + 2 ** 40);
  assert.equal(32 + 2 ** 40 + length, archive.size);
  const holds = (value: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    return directory.some((first, i) =>
      first === 0xff && bytes.every((byte, j) => directory[i + 1 + j] === byte)
    );
  };
  assert.ok(holds(2 ** 40) && holds(2 ** 41), "both sizes, little end first");
});
