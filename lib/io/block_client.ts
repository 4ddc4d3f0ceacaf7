// Starts the Workers that hash and write blocks, no more of them than there are cores besides the one that reads from
// sockets: further ones would only take turns with it, and cost some 20 MB each. One that cannot start is no failure:
// the work is then done where the blocks come in.

import { OperationFailed } from "../errors.ts";
import { CONTROL, ring, type RingMemory } from "../torrent/block_ring.ts";
import type { MillEvents, MillThread, MillThreads } from "../torrent/block_sink.ts";
import type { Layout } from "../torrent/layout.ts";
import type { MillAnswer, MillTask } from "./block_worker.ts";
import { errorOf } from "./worker_failure.ts";

export class WorkerMills implements MillThreads {
  readonly #cores: number;
  #running = 0;
  /** Comes up, or waits for its job. */
  #spare: Worker | undefined;

  /** @param cores How many this process may use. */
  constructor(cores: number) {
    this.#cores = cores;
  }

  prepare(): Disposable {
    if (this.#spare === undefined && this.#running < this.#cores - 1) {
      try {
        const worker = this.#spare = newWorker();
        worker.onerror = (event) => {
          event.preventDefault();
          if (this.#spare === worker) this.#spare = undefined;
        };
      } catch {
        // Nor will one start later: then there is none.
      }
    }
    return { [Symbol.dispose]: () => this.#takeSpare()?.terminate() };
  }

  start(
    job: { readonly memory: RingMemory; readonly layout: Layout; readonly paths: readonly string[] },
    events: MillEvents,
  ): MillThread | undefined {
    if (this.#running >= this.#cores - 1) return undefined;
    try {
      const worker = this.#takeSpare() ?? newWorker();
      const mill = new WorkerMill(worker, { ...job, layout: job.layout.source }, events);
      this.#running++;
      void mill.ended.then(() => this.#running--);
      return mill;
    } catch {
      return undefined;
    }
  }

  #takeSpare(): Worker | undefined {
    const spare = this.#spare;
    this.#spare = undefined;
    return spare;
  }
}

/** A static URL: it is how `deno compile` learns which module the binary must carry. */
function newWorker(): Worker {
  return new Worker(new URL("./block_worker.ts", import.meta.url), { type: "module" });
}

class WorkerMill implements MillThread {
  readonly #worker: Worker;
  readonly #memory: RingMemory;
  readonly #ended = Promise.withResolvers<void>();

  constructor(worker: Worker, task: MillTask, events: MillEvents) {
    this.#worker = worker;
    this.#memory = task.memory;
    let isReady = false;
    this.#worker.onmessage = ({ data }: MessageEvent<MillAnswer>) => {
      switch (data.kind) {
        case "ready":
          isReady = true;
          return events.onReady();
        case "wake":
          return events.onWake();
        case "failed":
          if (isReady) events.onFailed(errorOf(data));
          return;
        case "ended":
          return this.#ended.resolve();
      }
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      if (isReady) events.onFailed(new OperationFailed(`Cannot write: the Worker failed: ${event.message}`));
      this.#ended.resolve();
    };
    this.#worker.postMessage(task);
  }

  /** Resolves when it does nothing any more. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  async end(): Promise<void> {
    Atomics.store(this.#memory.control, CONTROL.stop, 1);
    ring(this.#memory);
    await this.#ended.promise;
    this.#worker.terminate();
  }
}
