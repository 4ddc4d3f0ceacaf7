import assert from "node:assert/strict";
import { concatBytes } from "../../lib/bytes.ts";
import { OperationFailed } from "../../lib/errors.ts";
import { sha1, sha256 } from "../../lib/hash.ts";
import { hashShares, hashWhole, shareCount } from "../../lib/producer/hash_file.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { hashFile } from "../torrent/torrent_builder.ts";
import { hashBytes, memoryReader, roomFor } from "./hashing.ts";

const KIB = 1 << 10;
const MIB = 1 << 20;

/** What the builder of test torrents says, which is held to libtorrent's vectors. */
function expected(bytes: Uint8Array, pieceLength: number) {
  const { root, layer } = hashFile(bytes, pieceLength);
  const sums: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += pieceLength) {
    sums.push(sha1(bytes.subarray(at, at + pieceLength)));
  }
  return { pieceRoots: layer ?? root, piecesV1: concatBytes(...sums), whole: undefined };
}

Deno.test("hashShares() gives each piece's root and SHA-1, for files and pieces of every proportion", async () => {
  for (const pieceLength of [16 * KIB, 32 * KIB, MIB, 4 * MIB]) {
    for (const size of [1, 16_383, 16_384, 16_385, 100_000, MIB, MIB + 1, 3 * MIB - 1, 9 * MIB + 5]) {
      const bytes = fixtureBytes(size);
      assert.deepEqual(
        await hashBytes(bytes, { pieceLength }),
        expected(bytes, pieceLength),
        `${size}, ${pieceLength}`,
      );
    }
  }
});

Deno.test("hashShares() gives the same whoever takes which share", async () => {
  const bytes = fixtureBytes(33 * MIB + 77);
  for (const pieceLength of [256 * KIB, 16 * MIB]) {
    const alone = await hashBytes(bytes, { pieceLength });
    assert.deepEqual(await hashBytes(bytes, { pieceLength, takers: 3 }), alone);
    assert.deepEqual(alone, expected(bytes, pieceLength));
  }
});

Deno.test("hashShares() hashes zeros and what lies between them", async () => {
  const bytes = new Uint8Array(7 * MIB + 100);
  bytes[3 * MIB] = 1;
  for (const pieceLength of [16 * KIB, 2 * MIB]) {
    assert.deepEqual(await hashBytes(bytes, { pieceLength }), expected(bytes, pieceLength));
  }
});

Deno.test("hashShares() leaves SHA-1 out of v2", async () => {
  const bytes = fixtureBytes(100_000);
  const { pieceRoots, piecesV1 } = await hashBytes(bytes, { pieceLength: 32 * KIB, kind: "v2" });
  assert.deepEqual(pieceRoots, expected(bytes, 32 * KIB).pieceRoots);
  assert.equal(piecesV1, undefined);
});

Deno.test("hashShares() reads one stretch ahead, no more, and each byte once", async () => {
  const size = 9 * MIB + 10;
  const job = { path: "file", size, pieceLength: 4 * MIB, kind: "v2" as const };
  const memory = memoryReader(new Uint8Array(size));
  const events: string[] = [];
  let share = 0;
  await hashShares({
    ...job,
    hashes: roomFor(job),
    take: () => share++,
    reader: {
      read: (into, at) => {
        events.push(`read ${at / MIB}`);
        return memory.read(into, at);
      },
    },
    onRead: (bytes) => void events.push(`hash ${bytes}`),
  });
  const whole = `hash ${2 * MIB}`;
  const reads = ["read 0", "read 2", whole, "read 4", whole, "read 6", whole, "read 8", whole];
  assert.deepEqual(events, [...reads, `hash ${MIB + 10}`]);
});

Deno.test("hashWhole() is SHA-256 of the file, zeros and all", async () => {
  for (const size of [1, 16_385, 9 * MIB + 5]) {
    const bytes = fixtureBytes(size).fill(0, 0, Math.floor(size / 2));
    const task = { path: "file", size, pieceLength: 32 * MIB, kind: "v2" as const, onRead: () => {} };
    assert.deepEqual(
      new Uint8Array(await hashWhole({ ...task, reader: memoryReader(bytes) })),
      new Uint8Array(sha256(bytes)),
    );
    const shorter = memoryReader(bytes.subarray(1));
    await assert.rejects(hashWhole({ ...task, reader: shorter }), /it became shorter while it was hashed$/);
  }
});

Deno.test("hashShares() refuses a file that ends too early, and lets no read outlive what ends it", async () => {
  const size = 4 * MIB;
  const job = { path: "short", size, pieceLength: MIB, kind: "hybrid" as const };
  const task = { ...job, hashes: roomFor(job), onRead: () => {} };
  const shorter = memoryReader(new Uint8Array(size - 1));
  await assert.rejects(hashShares({ ...task, take: counter(), reader: shorter }), (error: Error) => {
    assert.ok(error instanceof OperationFailed);
    assert.equal(error.message, "Cannot make a torrent of short: it became shorter while it was hashed");
    return true;
  });
  let reading = 0;
  const slow = {
    read: async (into: Uint8Array) => {
      reading++;
      await Promise.resolve();
      reading--;
      return into.length;
    },
  };
  const stop = () => {
    throw new Error("stopped");
  };
  await assert.rejects(hashShares({ ...task, take: counter(), reader: slow, onRead: stop }), /stopped/);
  assert.equal(reading, 0);
});

Deno.test("shareCount() counts pieces, or 8 MiB where they are smaller", () => {
  assert.equal(shareCount({ size: 65 * MIB, pieceLength: 32 * MIB }), 3);
  assert.equal(shareCount({ size: 65 * MIB, pieceLength: 16 * KIB }), 9);
  assert.equal(shareCount({ size: 1, pieceLength: 32 * MIB }), 1);
});

function counter(): () => number {
  let next = 0;
  return () => next++;
}
