// Packing in a Worker of its own, one for each archive. The only state that both sides share is the stop flag.

import { InvariantBroken, OperationFailed } from "../errors.ts";
import type { Packer, PackRequest } from "../producer/packer.ts";
import type { PackAnswer, PackJob } from "./pack_worker.ts";
import { errorOf } from "./worker_failure.ts";

/** Packs the system's own files. */
export class WorkerPacker implements Packer {
  async pack({ ledger, into, format, signal, onProgress }: PackRequest): Promise<void> {
    signal.throwIfAborted();
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const askToStop = () => void Atomics.store(stop, 0, 1);
    // A static URL: it is how `deno compile` learns which module the binary must carry.
    const worker = new Worker(new URL("./pack_worker.ts", import.meta.url), { type: "module" });
    signal.addEventListener("abort", askToStop);
    try {
      const answer = await new Promise<PackAnswer>((resolve, reject) => {
        worker.onmessage = ({ data }: MessageEvent<PackAnswer>) => {
          if (data.kind !== "progress") resolve(data);
          else onProgress(data.doneBytes);
        };
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new OperationFailed(`Cannot pack ${ledger}: the Worker failed: ${event.message}`));
        };
        const job: PackJob = { ledger, into, format, stop: stop.buffer as SharedArrayBuffer };
        worker.postMessage(job);
      });
      signal.throwIfAborted();
      if (answer.kind === "failed") throw errorOf(answer);
      if (answer.kind !== "done") throw new InvariantBroken("only the signal stops a packing");
    } finally {
      signal.removeEventListener("abort", askToStop);
      worker.terminate();
    }
  }
}
