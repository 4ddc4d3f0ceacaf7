// Trying an archive in a Worker of its own: one is started for each and ended with it.

import { InvariantBroken, OperationFailed } from "../errors.ts";
import type { ArchiveTester, TestedArchive } from "../extract/tester.ts";
import type { ArchiveTestAnswer, ArchiveTestJob } from "./archive_test_worker.ts";
import { errorOf } from "./worker_failure.ts";

/** Tries archives of the system's own files. */
export class WorkerTester implements ArchiveTester {
  async test({ archive, signal, onProgress }: Parameters<ArchiveTester["test"]>[0]): Promise<TestedArchive> {
    signal.throwIfAborted();
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const askToStop = () => void Atomics.store(stop, 0, 1);
    // A static URL: it is how `deno compile` learns which module the binary must carry.
    const worker = new Worker(new URL("./archive_test_worker.ts", import.meta.url), { type: "module" });
    signal.addEventListener("abort", askToStop);
    try {
      const answer = await new Promise<ArchiveTestAnswer>((resolve, reject) => {
        worker.onmessage = ({ data }: MessageEvent<ArchiveTestAnswer>) => {
          if (data.kind === "progress") onProgress(data.done, data.total);
          else resolve(data);
        };
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new OperationFailed(`Cannot try ${archive}: the Worker failed: ${event.message}`));
        };
        const job: ArchiveTestJob = { archive, stop };
        worker.postMessage(job);
      });
      signal.throwIfAborted();
      if (answer.kind === "failed") throw errorOf(answer);
      if (answer.kind !== "done") throw new InvariantBroken("only the signal stops a test");
      return answer.tested;
    } finally {
      signal.removeEventListener("abort", askToStop);
      worker.terminate();
    }
  }
}
