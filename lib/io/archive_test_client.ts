// Trying an archive: an extraction in Workers of its own, on as many cores, that keeps nothing.

import { LEAST_PART_BYTES } from "../extract/blocks.ts";
import type { ArchiveTester, TestedArchive } from "../extract/tester.ts";
import { Extraction } from "./extract_client.ts";

/** Tries archives of the system's own files. */
export class WorkerTester implements ArchiveTester {
  readonly #threads: number;
  readonly #leastPartBytes: number;

  /** @see WorkerExtractor */
  constructor(cores: number = navigator.hardwareConcurrency, leastPartBytes: number = LEAST_PART_BYTES) {
    this.#threads = cores;
    this.#leastPartBytes = leastPartBytes;
  }

  async test(request: Parameters<ArchiveTester["test"]>[0]): Promise<TestedArchive> {
    request.signal.throwIfAborted();
    const extraction = new Extraction({ ...request, into: undefined }, this.#threads, this.#leastPartBytes);
    const { format, size } = await extraction.run();
    return { format, size };
  }
}
