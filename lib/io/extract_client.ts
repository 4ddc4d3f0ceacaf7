// Extraction in a Worker of its own: one is started for each archive and ended with it. The only state that both
// sides share is the stop flag, and the gate of an archive that is still coming.

import { InvariantBroken, OperationFailed } from "../errors.ts";
import { LEDGER_NAME } from "../extract/safe_path.ts";
import type { Extracted, Extractor, ExtractRequest } from "../extract/extractor.ts";
import { systemFiles } from "./files.ts";
import type { ExtractAnswer, ExtractJob } from "./extract_worker.ts";
import { errorOf } from "./worker_failure.ts";

/** Unpacks archives of the system's own files. */
export class WorkerExtractor implements Extractor {
  async extract(request: ExtractRequest): Promise<Extracted> {
    const { signal } = request;
    signal?.throwIfAborted();
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const askToStop = () => {
      Atomics.store(stop, 0, 1);
      request.gate?.wake();
    };
    // A static URL: it is how `deno compile` learns which module the binary must carry.
    const worker = new Worker(new URL("./extract_worker.ts", import.meta.url), { type: "module" });
    signal?.addEventListener("abort", askToStop);
    try {
      const answer = await new Promise<ExtractAnswer>((resolve, reject) => {
        worker.onmessage = (event: MessageEvent<ExtractAnswer>) => {
          const answer = event.data;
          if (answer.kind === "progress") request.onProgress?.(answer.done, answer.total);
          else if (answer.kind === "moved") request.onMoved?.();
          else resolve(answer);
        };
        worker.onerror = (event) => {
          event.preventDefault();
          systemFiles.remove(`${request.into}/${LEDGER_NAME}.partial`);
          reject(
            new OperationFailed(`Cannot unpack ${request.archive}: the Worker failed: ${event.message}`),
          );
        };
        const job: ExtractJob = {
          archive: request.archive,
          into: request.into,
          stop: stop.buffer as SharedArrayBuffer,
          gate: request.gate?.memory,
          segmentBytes: request.segmentBytes,
        };
        worker.postMessage(job);
      });
      return extractedFrom(answer, signal);
    } finally {
      signal?.removeEventListener("abort", askToStop);
      worker.terminate();
    }
  }
}

function extractedFrom(answer: ExtractAnswer, signal: AbortSignal | undefined): Extracted {
  switch (answer.kind) {
    case "done":
      return answer.extracted;
    case "cancelled":
      throw signal?.reason ?? new InvariantBroken("only the signal stops an extraction");
    case "failed":
      throw errorOf(answer);
    case "progress":
    case "moved":
      throw new InvariantBroken("progress is no last word");
  }
}
