// Real Workers over a real file. It is sparse, so that it is large for little: what is checked on one thread and what
// is given to Workers differ by size alone.

import assert from "node:assert/strict";
import { join } from "node:path";
import { PathUnusable } from "../../lib/errors.ts";
import { WorkerChecker } from "../../lib/io/check_client.ts";
import { sha1 } from "../../lib/hash.ts";
import { Layout } from "../../lib/torrent/layout.ts";
import { blockHashes, rootOf, zeroHash } from "../../lib/torrent/merkle.ts";
import type { CheckJob } from "../../lib/torrent/piece_checker.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { workersOf } from "./workers.ts";

const MIB = 1 << 20;
const PIECES = 80;
/** Pieces with data; the rest are holes. */
const DATA = [0, 1, 39, 79];

/** A sparse file of 80 pieces of 1 MiB, and a job that knows the hash of each. */
class Sparse implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "nano-snap-workers-" });
  readonly path = join(this.root, "file");
  readonly layout: Layout;
  readonly hashes: Uint8Array;

  constructor(kind: "v1" | "v2") {
    const length = PIECES * MIB;
    const file = {
      path: ["file"],
      length,
      offset: 0,
      piecesRoot: kind === "v1" ? undefined : new Uint8Array(32),
    };
    this.layout = Layout.of({ kind, pieceLength: MIB, pieceCount: PIECES, files: [file] });
    using disk = Deno.openSync(this.path, { create: true, write: true });
    disk.truncateSync(length);
    const size = kind === "v1" ? 20 : 32;
    const hashOf = (bytes: Uint8Array) =>
      kind === "v1" ? sha1(bytes) : rootOf(blockHashes(bytes), MIB / 16384, zeroHash(0));
    this.hashes = new Uint8Array(new SharedArrayBuffer(size * PIECES));
    const empty = hashOf(new Uint8Array(MIB));
    for (let n = 0; n < PIECES; n++) this.hashes.set(empty, size * n);
    for (const n of DATA) {
      const bytes = fixtureBytes(MIB).fill(n, 0, 100);
      disk.seekSync(n * MIB, Deno.SeekMode.Start);
      for (let at = 0; at < MIB;) at += disk.writeSync(bytes.subarray(at));
      this.hashes.set(hashOf(bytes), size * n);
    }
  }

  job(more: Partial<CheckJob> = {}): CheckJob & { readonly good: number[]; readonly bad: number[] } {
    const found = { good: [] as number[], bad: [] as number[] };
    return {
      ...found,
      from: { layout: this.layout, paths: [this.path] },
      pieces: [...this.layout.pieces()],
      hashes: this.hashes,
      signal: new AbortController().signal,
      onVerdicts({ good, bad }) {
        found.good.push(...good);
        found.bad.push(...bad);
      },
      ...more,
    };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

const ALL = Array.from({ length: PIECES }, (_, n) => n);
const sorted = (places: number[]) => places.sort((a, b) => a - b);

for (const kind of ["v1", "v2"] as const) {
  for (const cores of [1, 3]) {
    Deno.test(`WorkerChecker gives each ${kind} piece its verdict once, cores: ${cores}`, async () => {
      using file = new Sparse(kind);
      file.hashes[0]! ^= 1;
      file.hashes[file.hashes.length / 2]! ^= 1;
      const job = file.job();
      await new WorkerChecker(cores).check(job);
      assert.deepEqual(sorted(job.bad), [0, PIECES / 2]);
      assert.deepEqual(sorted(job.good), ALL.filter((n) => n !== 0 && n !== PIECES / 2));
    });
  }
}

Deno.test("WorkerChecker starts a Worker for each core but its own", async () => {
  using file = new Sparse("v2");
  for (const [cores, wanted] of [[1, 0], [2, 1]] as const) {
    const job = file.job();
    assert.equal(await workersOf(() => new WorkerChecker(cores).check(job)), wanted);
    assert.equal(job.good.length, PIECES);
  }
});

Deno.test("WorkerChecker leaves copies to Workers, on one core too", async () => {
  using file = new Sparse("v2");
  const target = join(file.root, "target");
  Deno.writeFileSync(target, new Uint8Array(0));
  const { layout } = file;
  const job = file.job({ to: { layout, paths: [target], pieces: [...layout.pieces()] } });
  assert.equal(await workersOf(() => new WorkerChecker(1).check(job)), 1);
  assert.equal(job.good.length, PIECES);
});

Deno.test("WorkerChecker copies from its Workers", async () => {
  using file = new Sparse("v2");
  const target = join(file.root, "target");
  Deno.writeFileSync(target, new Uint8Array(0));
  const { layout } = file;
  const job = file.job({ to: { layout, paths: [target], pieces: [...layout.pieces()].reverse() } });
  await new WorkerChecker(2).check(job);
  assert.equal(job.good.length, PIECES);
  const [from, to] = [Deno.readFileSync(file.path), Deno.readFileSync(target)];
  for (const n of [...DATA, 5]) {
    const m = PIECES - 1 - n;
    const isSame = to.subarray(m * MIB, (m + 1) * MIB).every((byte, i) => byte === from[n * MIB + i]);
    assert.ok(isSame, `piece ${n}`);
  }
});

Deno.test("WorkerChecker ends with a Worker's error, in its class, and with the signal's reason", async () => {
  using file = new Sparse("v2");
  const { layout } = file;
  const to = { layout, paths: [join(file.root, "missing")], pieces: [...layout.pieces()] };
  await assert.rejects(new WorkerChecker(2).check(file.job({ to })), (error) => {
    assert.ok(error instanceof PathUnusable);
    assert.match(error.message, /missing: no such file or folder/);
    return true;
  });
  const stop = new AbortController();
  const reason = new Error("enough");
  let verdicts = 0;
  const onVerdicts = () => {
    verdicts++;
    stop.abort(reason);
  };
  const job = file.job({ signal: stop.signal, onVerdicts });
  await assert.rejects(new WorkerChecker(2).check(job), (error) => error === reason);
  assert.ok(verdicts < PIECES / 8, `${verdicts} shares after the stop`);
});

Deno.test("WorkerChecker ends with what onVerdicts throws", async () => {
  using file = new Sparse("v2");
  const thrown = new Error("cannot record");
  const onVerdicts = () => {
    throw thrown;
  };
  await assert.rejects(new WorkerChecker(2).check(file.job({ onVerdicts })), (error) => error === thrown);
});
