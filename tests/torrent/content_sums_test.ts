import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { concatBytes } from "../../lib/bytes.ts";
import { leavesInto, PART_BYTES, Sha1Sum } from "../../lib/torrent/content_sums.ts";
import { fixtureBytes } from "./fixtures.ts";

const sha = (name: string, bytes: Uint8Array) => new Uint8Array(createHash(name).update(bytes).digest());

Deno.test("leavesInto() hashes each block where it belongs, zeros and a short last block too", () => {
  const blocks = [
    fixtureBytes(16384),
    new Uint8Array(16384),
    fixtureBytes(16384).fill(0, 1),
    new Uint8Array(7),
  ];
  const into = new Uint8Array(32 * 6).fill(0xee);
  leavesInto(concatBytes(...blocks), into, 32);
  const around = new Uint8Array(32).fill(0xee);
  assert.deepEqual(into, concatBytes(around, ...blocks.map((block) => sha("sha256", block)), around));
});

Deno.test("Sha1Sum is SHA-1 wherever the zeros are, and remembers a sum of zeros", () => {
  const known = new Map<number, Uint8Array>();
  const data = fixtureBytes(40000);
  const zeros = (length: number) => new Uint8Array(length);
  for (
    const parts of [
      [],
      [data],
      [zeros(10), data, zeros(5)],
      [zeros(PART_BYTES), zeros(PART_BYTES), zeros(3)],
      [zeros(PART_BYTES), zeros(PART_BYTES), zeros(2), data],
      [zeros(PART_BYTES), zeros(PART_BYTES), zeros(3)],
    ]
  ) {
    const sum = new Sha1Sum(known);
    for (const part of parts) sum.update(part);
    assert.deepEqual(new Uint8Array(sum.digest()), sha("sha1", concatBytes(...parts)));
  }
  assert.deepEqual([...known.keys()], [0, 2 * PART_BYTES + 3]);
});
