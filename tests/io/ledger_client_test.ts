// Real Workers over a real file. This thread is held back a little after each step, so that they find work too.

import assert from "node:assert/strict";
import { join } from "node:path";
import { PathUnusable } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { WorkerExaminer } from "../../lib/io/ledger_client.ts";
import type { ExaminationJob, ExaminationProgress } from "../../lib/ledger/examination.ts";
import { InlineExaminer } from "../../lib/ledger/examine.ts";
import { type Entry, LmdbWriter } from "../../lib/producer/lmdb_writer.ts";

const ENTRIES = 60_000;
const PAGE = 4096;

/** Some 20 MB, two shares: "accounts" and "blocks" with rising keys. */
class Ledger implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "nano-snap-examiner-" });
  readonly path = join(this.root, "data.ldb");

  static async make(): Promise<Ledger> {
    const ledger = new Ledger();
    const file = systemFiles.open(ledger.path, "create");
    const writer = new LmdbWriter(file);
    await writer.table("accounts", entries(ENTRIES / 10, 129));
    await writer.table("blocks", entries(ENTRIES, 216));
    await writer.end();
    file.close();
    return ledger;
  }

  /** Changes a byte of the file's page. */
  spoil(page: number, at: number): void {
    const file = systemFiles.open(this.path, "write");
    const byte = new Uint8Array(1);
    file.readAt(byte, page * PAGE + at);
    byte[0]! ^= 0x10;
    file.writeAt(byte, page * PAGE + at);
    file.close();
  }

  job(more: Partial<ExaminationJob> = {}): ExaminationJob {
    const { signal } = new AbortController();
    return { path: this.path, tables: "all", signal, onProgress: holdBack, ...more };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

Deno.test("WorkerExaminer finds what one thread finds, in sound files and in damaged ones", async () => {
  using ledger = await Ledger.make();
  const pool = new WorkerExaminer(4, 1 << 20);
  const one = new InlineExaminer(systemFiles);
  const sound = await pool.examine(ledger.job());
  assert.deepEqual(sound, await one.examine(ledger.job()));
  assert.deepEqual(sound.problems, []);
  assert.deepEqual(sound.tables.map(({ entries }) => entries), [ENTRIES / 10, ENTRIES]);
  for (const page of [2, 3, 700, 2000, 4000]) ledger.spoil(page, 12);
  const damaged = await pool.examine(ledger.job());
  const expected = await one.examine(ledger.job());
  assert.ok(expected.problemCount >= 5, `${expected.problemCount}`);
  // Threads meet problems in any order.
  const inOrder = (problems: typeof damaged.problems) => problems.map(({ text }) => text).toSorted();
  assert.deepEqual(inOrder(damaged.problems), inOrder(expected.problems));
  assert.deepEqual({ ...damaged, problems: [] }, { ...expected, problems: [] });
});

Deno.test("WorkerExaminer tells progress up to the whole, and ends with the signal's reason", async () => {
  using ledger = await Ledger.make();
  const pool = new WorkerExaminer(2, 1 << 20);
  const told: ExaminationProgress[] = [];
  await pool.examine(ledger.job({ onProgress: (progress) => told.push(progress) }));
  const pages = told.filter(({ stage }) => stage === "pages").map(({ doneBytes }) => doneBytes);
  assert.deepEqual(pages, pages.toSorted((a, b) => a - b));
  assert.equal(pages.at(-1), told.at(-1)!.totalBytes);
  const stop = new AbortController();
  const onProgress = () => stop.abort(new Error("enough"));
  await assert.rejects(pool.examine(ledger.job({ signal: stop.signal, onProgress })), /enough/);
  await assert.rejects(pool.examine(ledger.job({ signal: stop.signal })), /enough/);
});

Deno.test("WorkerExaminer says when there is no such file", async () => {
  using ledger = new Ledger();
  await assert.rejects(new WorkerExaminer(2).examine(ledger.job()), PathUnusable);
});

function holdBack(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
}

function* entries(count: number, bytes: number): Generator<Entry> {
  for (let i = 0; i < count; i++) {
    const key = new Uint8Array(32);
    new DataView(key.buffer).setUint32(0, i * 7000);
    const value = new Uint8Array(bytes);
    if (bytes === 129) value[120] = 1;
    yield [key, value];
  }
}
