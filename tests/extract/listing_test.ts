import assert from "node:assert/strict";
import { packTar } from "modern-tar";
import { BadArchive } from "../../lib/extract/archive.ts";
import { listArchive } from "../../lib/extract/listing.ts";

Deno.test("listArchive() lists all entries of a tar by its headers, and reads none of what they hold", async () => {
  const big = 5_000_000;
  const tar = await packTar([
    { header: { name: "notes/", size: 0, type: "directory" } },
    { header: { name: "notes/why.txt", size: 5 }, body: "hello" },
    { header: { name: `${"long/".repeat(40)}data.ldb`, size: big }, body: new Uint8Array(big).fill(7) },
    { header: { name: "empty", size: 0 } },
    { header: { name: "link", size: 0, type: "symlink", linkname: "empty" } },
  ]);
  let read = 0;
  const listed = await listArchive(sourceOf(tar, (bytes) => read += bytes));
  assert.ok(listed !== undefined && listed.isComplete);
  assert.deepEqual(listed.entries.map(({ name, size }) => [name, size]), [
    ["notes/", 0],
    ["notes/why.txt", 5],
    [`${"long/".repeat(40)}data.ldb`, big],
    ["empty", 0],
    ["link", 0],
  ]);
  assert.ok(read < 30_000, `it read ${read} bytes`);
});

Deno.test("listArchive() refuses a tar that is cut short, damaged, or goes on for ever", async () => {
  const tar = await packTar([
    { header: { name: "a", size: 3000 }, body: new Uint8Array(3000) },
    { header: { name: "b", size: 1000 }, body: new Uint8Array(1000) },
  ]);
  const refused = async (bytes: Uint8Array, why: RegExp) => {
    await assert.rejects(
      listArchive(sourceOf(bytes)),
      (error) => error instanceof BadArchive && why.test(error.message),
    );
  };
  for (const length of [600, 512 + 3000, 512 + 3072 + 512]) {
    await refused(tar.subarray(0, length), /its tar ends too early/);
  }
  const spoilt = tar.slice();
  spoilt[512 + 3072 + 5] = 65;
  await refused(spoilt, /does not match its checksum/);
  const many = await packTar(
    Array.from({ length: 1001 }, (_, i) => ({ header: { name: `${i}`, size: 0 } })),
  );
  await refused(many, /more than 1000 entries/);
});

function sourceOf(bytes: Uint8Array, onRead: (bytes: number) => void = () => {}) {
  return {
    size: bytes.length,
    readAt(into: Uint8Array, at: number): number {
      const part = bytes.subarray(at, at + into.length);
      into.set(part);
      onRead(part.length);
      return part.length;
    },
  };
}
