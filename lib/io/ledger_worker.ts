// A Worker that takes part in examining a ledger. One message comes in, the task; to stop there is a flag in shared
// memory.

import type { Findings } from "../ledger/findings.ts";
import { ExaminingThread, STOP, SUBTREES_DONE, type ThreadTask } from "../ledger/thread.ts";
import { systemFiles } from "./files.ts";
import { type Failure, failureOf } from "./worker_failure.ts";

export interface LedgerTask extends ThreadTask {
  readonly path: string;
  /** The place in `control` at which this Worker says that it takes part. */
  readonly joined: number;
}

/** What a Worker answers: that something was done, now and then, and exactly one of the others at its end. */
export type LedgerAnswer =
  | { readonly kind: "progress" }
  | { readonly kind: "done"; readonly findings: Findings }
  | { readonly kind: "stopped" }
  | ({ readonly kind: "failed" } & Failure);

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<LedgerTask>) => void) | null;
  postMessage(answer: LedgerAnswer): void;
};

scope.onmessage = (event) => {
  try {
    scope.postMessage(examine(event.data));
  } catch (error) {
    scope.postMessage({ kind: "failed", ...failureOf(error) });
  }
};

function examine(task: LedgerTask): LedgerAnswer {
  const { control, subtrees } = task;
  const file = systemFiles.open(task.path, "read");
  try {
    const thread = new ExaminingThread(file, task);
    Atomics.store(control, task.joined, 1);
    while (Atomics.load(control, STOP) === 0) {
      const next = thread.step();
      if (next === "done") return { kind: "done", findings: thread.findings };
      if (next === "more") scope.postMessage({ kind: "progress" });
      else {
        const walked = Atomics.load(control, SUBTREES_DONE);
        if (walked < subtrees.length) Atomics.wait(control, SUBTREES_DONE, walked, LOOK_AROUND_MS);
      }
    }
    return { kind: "stopped" };
  } finally {
    file.close();
  }
}

/** While it waits for the others' last subtrees: to see that it is asked to stop. */
const LOOK_AROUND_MS = 100;
