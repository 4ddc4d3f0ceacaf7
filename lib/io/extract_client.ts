// Extraction in Workers of its own: one is started for each archive and ended with it, and more when it says that they
// can help. The only state that all sides share is the stop flag, the gate of an archive that is still coming, and what
// the Workers have among themselves.

import { InvariantBroken, OperationFailed } from "../errors.ts";
import { BlockShare, type BlockShareMemory } from "../extract/block_share.ts";
import { LEAST_PART_BYTES } from "../extract/blocks.ts";
import { LEDGER_NAME } from "../extract/safe_path.ts";
import type { Extracted, Extractor, ExtractRequest } from "../extract/extractor.ts";
import { systemFiles } from "./files.ts";
import type { ExtractAnswer, ExtractJob } from "./extract_worker.ts";
import { errorOf } from "./worker_failure.ts";

/** Unpacks archives of the system's own files. */
export class WorkerExtractor implements Extractor {
  readonly #threads: number;
  readonly #leastPartBytes: number;

  /**
   * @param cores How many the machine has: a .7z of independent blocks is decoded on all of them.
   * @param leastPartBytes What is worth a thread's while.
   */
  constructor(cores: number = navigator.hardwareConcurrency, leastPartBytes: number = LEAST_PART_BYTES) {
    this.#threads = cores;
    this.#leastPartBytes = leastPartBytes;
  }

  async extract(request: ExtractRequest): Promise<Extracted> {
    request.signal?.throwIfAborted();
    return await new Extraction(request, this.#threads, this.#leastPartBytes).run();
  }
}

/** What an extraction is told; one that is only tried goes nowhere. */
export type ExtractionRequest = Omit<ExtractRequest, "into"> & { readonly into: string | undefined };

/** One archive's Workers. */
export class Extraction {
  readonly #request: ExtractionRequest;
  readonly #job: ExtractJob;
  readonly #workers: Worker[] = [];
  readonly #helpers: Promise<unknown>[] = [];
  #helperFailed: { readonly error: Error } | undefined;
  #done = -1;

  constructor(request: ExtractionRequest, threads: number, leastPartBytes: number) {
    this.#request = request;
    this.#job = {
      archive: request.archive,
      into: request.into,
      stop: new SharedArrayBuffer(4),
      gate: request.gate?.memory,
      segmentBytes: request.segmentBytes,
      threads,
      leastPartBytes,
      help: undefined,
    };
  }

  async run(): Promise<Extracted> {
    const { signal, into } = this.#request;
    const askToStop = () => this.#askToStop();
    signal?.addEventListener("abort", askToStop);
    try {
      const answer = await this.#start(this.#job).catch((error) => {
        this.#askToStop();
        if (into !== undefined) systemFiles.remove(`${into}/${LEDGER_NAME}.partial`);
        throw error;
      });
      // A helper that failed has stopped the first one, whose word may come before its own.
      if (answer.kind === "cancelled" && signal?.aborted !== true) await Promise.allSettled(this.#helpers);
      if (answer.kind === "cancelled" && this.#helperFailed !== undefined) throw this.#helperFailed.error;
      return extractedFrom(answer, signal);
    } finally {
      signal?.removeEventListener("abort", askToStop);
      for (const worker of this.#workers) worker.terminate();
    }
  }

  /** @returns The Worker's last word. @throws {OperationFailed} It had none. */
  #start(job: ExtractJob): Promise<ExtractAnswer> {
    // A static URL: it is how `deno compile` learns which module the binary must carry.
    const worker = new Worker(new URL("./extract_worker.ts", import.meta.url), { type: "module" });
    this.#workers.push(worker);
    return new Promise<ExtractAnswer>((resolve, reject) => {
      worker.onmessage = ({ data: answer }: MessageEvent<ExtractAnswer>) => {
        if (answer.kind === "progress") this.#onProgress(answer.done, answer.total);
        else if (answer.kind === "moved") this.#request.onMoved?.();
        else if (answer.kind === "share") this.#startHelpers(answer.share);
        else resolve(answer);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        const why = `Cannot unpack ${job.archive}: the Worker failed: ${event.message}`;
        reject(new OperationFailed(why));
      };
      worker.postMessage(job);
    });
  }

  #startHelpers(share: BlockShareMemory): void {
    for (let thread = 1; thread < share.threads; thread++) {
      const helper = this.#start({ ...this.#job, help: { thread, share } });
      this.#helpers.push(helper.then(
        (answer) => answer.kind === "failed" && this.#onHelperFailed(errorOf(answer)),
        (error: Error) => {
          this.#onHelperFailed(error);
          this.#askToStop();
          new BlockShare(share).leave(thread);
        },
      ));
    }
  }

  #onHelperFailed(error: Error): void {
    this.#helperFailed ??= { error };
  }

  /** Words of several Workers may overtake each other. */
  #onProgress(done: number, total: number): void {
    if (done <= this.#done) return;
    this.#done = done;
    this.#request.onProgress?.(done, total);
  }

  #askToStop(): void {
    Atomics.store(new Int32Array(this.#job.stop), 0, 1);
    this.#request.gate?.wake();
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
    case "share":
    case "helped":
      throw new InvariantBroken(`${answer.kind} is no last word`);
  }
}
