// A real Worker over real files.

import assert from "node:assert/strict";
import { join } from "node:path";
import zlib from "node:zlib";
import { PathUnusable, VerificationFailed } from "../../lib/errors.ts";
import { WorkerTester } from "../../lib/io/archive_test_client.ts";
import { metaPage } from "../ledger/lmdb_builder.ts";

const tester = new WorkerTester();

Deno.test("WorkerTester unpacks an archive to nowhere, and tells how far it is", async () => {
  using folder = new Folder();
  const told: [number, number][] = [];
  const path = folder.archive(3 << 20);
  const tested = await tester.test({
    archive: path,
    signal: new AbortController().signal,
    onProgress: (done, total) => told.push([done, total]),
  });
  assert.deepEqual(tested, { format: "ldb.gz", size: 3 << 20 });
  const { size } = Deno.statSync(path);
  assert.deepEqual(told.at(-1), [size, size]);
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["a.gz"]);
});

Deno.test("WorkerTester says what is wrong, and ends with the signal's reason", async () => {
  using folder = new Folder();
  const path = folder.archive(3 << 20);
  const job = { archive: path, signal: new AbortController().signal, onProgress: () => {} };
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  await assert.rejects(tester.test({ ...job, signal: stop.signal }), /enough/);
  await assert.rejects(tester.test({ ...job, archive: `${path}.gone` }), PathUnusable);
  Deno.truncateSync(path, Deno.statSync(path).size - 9);
  await assert.rejects(
    tester.test(job),
    (error) => error instanceof VerificationFailed && /its gzip stream/.test(error.message),
  );
});

class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "nano-snap-tester-" });

  /** a.gz: an LMDB file's begin, and then anything. */
  archive(bytes: number): string {
    const content = new Uint8Array(bytes);
    content.set(metaPage({ lastPage: 1, main: { depth: 0, root: undefined } }));
    const path = join(this.path, "a.gz");
    Deno.writeFileSync(path, zlib.gzipSync(content));
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
