// The Workers that hash: what they give is what one thread gives, and they end when they are told to.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OperationFailed, PathUnusable } from "../../lib/errors.ts";
import { WorkerHasher } from "../../lib/io/hash_client.ts";
import type { HashJob } from "../../lib/producer/file_hasher.ts";
import { hashBytes } from "../producer/hashing.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { workersOf } from "./workers.ts";

const MIB = 1 << 20;
/** More than what is hashed without Workers, not a multiple of anything. */
const LARGE = fixtureBytes(70 * MIB + 12_345);

function inFolder(run: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = Deno.makeTempDirSync();
    try {
      await run(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

function jobOf(path: string, size: number, more: Partial<HashJob> = {}): HashJob {
  const signal = new AbortController().signal;
  const how = { pieceLength: 4 * MIB, kind: "hybrid", whole: false } as const;
  return { path, size, ...how, signal, onProgress: () => {}, ...more };
}

Deno.test(
  "WorkerHasher gives the hashes of one thread, on one core and on three, and tells of each byte once",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    writeFileSync(path, LARGE);
    const wanted = await hashBytes(LARGE, { pieceLength: 4 * MIB });
    for (const cores of [1, 3]) {
      let told = 0;
      const job = jobOf(path, LARGE.length, { onProgress: (bytes) => told += bytes });
      const hashes = await new WorkerHasher(cores).hash(job);
      assert.deepEqual(hashes, wanted);
      assert.ok(!(hashes.pieceRoots.buffer instanceof SharedArrayBuffer));
      assert.equal(told, LARGE.length);
    }
  }),
);

Deno.test(
  "WorkerHasher starts a Worker for each core but its own, and one for the whole file's hash",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    writeFileSync(path, LARGE);
    for (
      const [cores, whole, wanted] of [[1, false, 0], [1, true, 0], [2, false, 1], [2, true, 2]] as const
    ) {
      const job = jobOf(path, LARGE.length, { whole });
      assert.equal(await workersOf(() => new WorkerHasher(cores).hash(job)), wanted);
    }
    const job = jobOf(path, LARGE.length);
    assert.equal(await workersOf(() => new WorkerHasher(1).hashWhole(job)), 0);
    assert.equal(await workersOf(() => new WorkerHasher(2).hashWhole(job)), 1);
  }),
);

Deno.test(
  "WorkerHasher hashes a small file where it is",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    const bytes = fixtureBytes(3 * MIB + 5);
    writeFileSync(path, bytes);
    const hashes = await new WorkerHasher(2).hash(
      jobOf(path, bytes.length, { pieceLength: 16384, kind: "v2" }),
    );
    assert.deepEqual(hashes, await hashBytes(bytes, { pieceLength: 16384, kind: "v2" }));
  }),
);

Deno.test(
  "WorkerHasher brings the whole file's hash along, or gives it alone, and tells of each byte once",
  inFolder(async (folder) => {
    // Behind a hole that is longer than one of the two hashes may be ahead of the other.
    const cases = [[330, LARGE], [0, LARGE], [0, LARGE.subarray(0, 5 * MIB + 5)]] as const;
    for (const [holeMib, end] of cases) {
      const path = join(folder, "file");
      writeFileSync(path, "");
      truncateSync(path, holeMib * MIB);
      appendFileSync(path, end);
      const sum = createHash("sha256");
      for (let n = 0; n < holeMib; n++) sum.update(new Uint8Array(MIB));
      const wanted = new Uint8Array(sum.update(end).digest());
      const length = holeMib * MIB + end.length;
      for (const cores of [1, 3]) {
        let told = 0;
        const job = jobOf(path, length, { whole: true, onProgress: (bytes) => told += bytes });
        const { whole, pieceRoots } = await new WorkerHasher(cores).hash(job);
        assert.deepEqual(new Uint8Array(whole!), wanted);
        assert.equal(pieceRoots.length, 32 * Math.ceil(length / (4 * MIB)));
        assert.equal(told, length);
        told = 0;
        const { size, signal, onProgress } = job;
        const alone = await new WorkerHasher(cores).hashWhole({ path, size, signal, onProgress });
        assert.deepEqual(new Uint8Array(alone), wanted);
        assert.equal(told, length);
      }
    }
  }),
);

for (const [name, size] of [["in Workers", 200 * MIB], ["without", 32 * MIB]] as const) {
  Deno.test(
    `WorkerHasher ends with the signal's reason, or with what onProgress throws: ${name}`,
    inFolder(async (folder) => {
      const path = join(folder, "file");
      writeFileSync(path, "");
      truncateSync(path, size);
      const stop = new AbortController();
      const reason = new OperationFailed("stopped");
      const aborting = jobOf(path, size, { signal: stop.signal, onProgress: () => stop.abort(reason) });
      await assert.rejects(new WorkerHasher(2).hash(aborting), (error) => error === reason);
      await assert.rejects(new WorkerHasher(2).hash(aborting), (error) => error === reason);
      const broken = jobOf(path, size, {
        onProgress: () => {
          throw new TypeError("ours");
        },
      });
      await assert.rejects(new WorkerHasher(2).hash(broken), TypeError);
    }),
  );

  Deno.test(
    `WorkerHasher refuses a file that is gone or became shorter: ${name}`,
    inFolder(async (folder) => {
      const path = join(folder, "file");
      await assert.rejects(new WorkerHasher(2).hash(jobOf(path, size)), PathUnusable);
      writeFileSync(path, "short");
      await assert.rejects(new WorkerHasher(2).hash(jobOf(path, size)), (error: Error) => {
        assert.ok(error instanceof OperationFailed);
        assert.match(error.message, /it became shorter while it was hashed$/);
        return true;
      });
    }),
  );
}
