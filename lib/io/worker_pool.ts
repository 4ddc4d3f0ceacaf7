// Some Workers for one job, ended with it: they take their shares from one counter in shared memory, so that none waits
// while there is work, and beside it is a flag that asks them to stop. This is the side of whoever starts them;
// pool_worker.ts is theirs.

import { OperationFailed } from "../errors.ts";
import { errorOf, type Failure } from "./worker_failure.ts";

/** What a Worker says: words while it works, then exactly one of the others; by then its files are closed. */
export type PoolAnswer<W> =
  | { readonly kind: "word"; readonly word: W }
  | { readonly kind: "done" }
  | ({ readonly kind: "failed" } & Failure);

/** Places in `Control`. */
export const STOP = 0;
export const NEXT = 1;

/** In shared memory: at STOP anything but 0 asks to stop, NEXT is the first share that nobody has taken. */
export type Control = Int32Array;

/** @param more Places behind those two, for the job's own use. */
export function newControl(more = 0): Control {
  return new Int32Array(new SharedArrayBuffer(4 * (2 + more)));
}

/** One Worker's part. */
export interface PoolWorker<W> {
  /** The caller writes `new Worker(new URL("./x.ts", import.meta.url), …)`: static, or `deno compile` would not see it. */
  readonly start: () => Worker;
  readonly task: { readonly control: Control };
  /** Takes what it says. What this throws ends the job. */
  readonly onWord: (word: W) => void;
  /** For the message when the Worker itself fails: "Cannot check /a/b". */
  readonly cannot: string;
}

/**
 * Runs them to their end. One that fails ends the others; when this settles all have closed their files.
 *
 * @param options.beside What goes on here meanwhile, with the same control.
 * @throws What the first one failed with. @throws The signal's reason when it aborts.
 */
export async function runPool<W>(
  workers: readonly PoolWorker<W>[],
  { control, signal, beside = [] }: {
    readonly control: Control;
    readonly signal: AbortSignal;
    readonly beside?: readonly Promise<void>[];
  },
): Promise<void> {
  const stop = () => void stopPool(control);
  signal.addEventListener("abort", stop);
  try {
    const ends = [...workers.map((worker) => runWorker(worker)), ...beside];
    let first: { readonly error: unknown } | undefined;
    for (const end of ends) {
      end.catch((error) => {
        first ??= { error };
        stop();
      });
    }
    await Promise.allSettled(ends);
    signal.throwIfAborted();
    if (first !== undefined) throw first.error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Asks to stop, and wakes those who wait for a place of the control to change. */
export function stopPool(control: Control): void {
  Atomics.store(control, STOP, 1);
  for (let place = 0; place < control.length; place++) Atomics.notify(control, place);
}

async function runWorker<W>({ start, task, onWord, cannot }: PoolWorker<W>): Promise<void> {
  const worker = start();
  let broken: { readonly error: unknown } | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<PoolAnswer<W>>) => {
        if (data.kind === "done") return resolve();
        if (data.kind === "failed") return reject(errorOf(data));
        if (broken !== undefined) return;
        try {
          onWord(data.word);
        } catch (error) {
          broken = { error };
          stopPool(task.control);
        }
      };
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new OperationFailed(`${cannot}: the Worker failed: ${event.message}`));
      };
      worker.postMessage(task);
    });
  } finally {
    worker.terminate();
  }
  if (broken !== undefined) throw broken.error;
}
