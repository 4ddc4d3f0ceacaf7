// A Worker's side of a pool: one message comes in, the task; words and one last answer go out. To stop there is a flag in
// the task's shared memory, which is looked at before each stretch.

import { failureOf } from "./worker_failure.ts";
import { type Control, type PoolAnswer, STOP } from "./worker_pool.ts";

/** Was asked to stop: nobody waits for a reason. */
class Stopped extends Error {}

/** What a Worker may do while it works. */
export interface Desk<W> {
  readonly say: (word: W) => void;
  /** Throws what ends the task in silence, when it was asked to stop. */
  readonly checkStopped: () => void;
}

/** To be called once, by the Worker's entry file. */
export function servePool<T extends { readonly control: Control }, W>(
  run: (task: T, desk: Desk<W>) => Promise<void>,
): void {
  const scope = self as unknown as {
    onmessage: ((event: MessageEvent<T>) => void) | null;
    postMessage(answer: PoolAnswer<W>): void;
  };
  scope.onmessage = async ({ data: task }) => {
    try {
      await run(task, {
        say: (word) => scope.postMessage({ kind: "word", word }),
        checkStopped: () => {
          if (Atomics.load(task.control, STOP) !== 0) throw new Stopped();
        },
      });
    } catch (error) {
      if (!(error instanceof Stopped)) return scope.postMessage({ kind: "failed", ...failureOf(error) });
    }
    scope.postMessage({ kind: "done" });
  };
}
