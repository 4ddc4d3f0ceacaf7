// Examining a ledger on several cores: this thread, with turns of the event loop, and a few Workers,
// which are ended with the job. Those that have not started by the time all is taken are not waited for.

import { OperationFailed } from "../errors.ts";
import { conclude, progressOf } from "../ledger/examine.ts";
import type { Examination, ExaminationJob, LedgerExaminer } from "../ledger/examination.ts";
import { addFindings, type Findings } from "../ledger/findings.ts";
import { planExamination } from "../ledger/plan.ts";
import {
  CONTROL_WORDS,
  ExaminingThread,
  STOP,
  SUBTREES_DONE,
  taskOf,
  type ThreadTask,
} from "../ledger/thread.ts";
import { nextTurn } from "../turn.ts";
import { systemFiles } from "./files.ts";
import type { LedgerAnswer, LedgerTask } from "./ledger_worker.ts";
import { errorOf } from "./worker_failure.ts";

/** Examines the system's own files. */
export class WorkerExaminer implements LedgerExaminer {
  readonly #threads: number;
  readonly #bytesPerWorker: number;

  /**
   * @param cores How many the machine has.
   * @param bytesPerWorker How large a file must be for the first Worker, and for each further one.
   */
  constructor(cores: number, bytesPerWorker = BYTES_PER_WORKER) {
    this.#threads = Math.max(1, Math.min(cores, MAX_THREADS));
    this.#bytesPerWorker = bytesPerWorker;
  }

  async examine({ path, tables, signal, onProgress }: ExaminationJob): Promise<Examination> {
    signal.throwIfAborted();
    const file = systemFiles.open(path, "read");
    const workers: LedgerWorker[] = [];
    try {
      // They start while this thread plans.
      const count = Math.min(this.#threads - 1, Math.floor(file.facts().size / this.#bytesPerWorker));
      const control = new Int32Array(new SharedArrayBuffer(4 * (CONTROL_WORDS + count)));
      for (let i = 0; i < count; i++) workers.push(new LedgerWorker(path, control, CONTROL_WORDS + i));
      const plan = planExamination(file, tables);
      const task = taskOf(plan, count + 1, control);
      const tell = () => onProgress(progressOf(plan, control));
      for (const worker of workers) worker.begin(task, tell);
      const thread = new ExaminingThread(file, task);
      let turnAt = performance.now();
      for (let next = thread.step(); next !== "done"; next = thread.step()) {
        if (next === "wait") await walkedMore(control, task.subtrees.length);
        else if (performance.now() - turnAt < TURN_EVERY_MS) continue;
        tell();
        await nextTurn();
        signal.throwIfAborted();
        for (const worker of workers) worker.throwIfFailed();
        turnAt = performance.now();
      }
      tell();
      signal.throwIfAborted();
      addFindings(plan.examined.findings, thread.findings);
      for (const worker of workers.filter((one) => one.hasJoined)) {
        addFindings(plan.examined.findings, await worker.findings(signal));
      }
      return conclude(file, plan);
    } finally {
      await Promise.all(workers.map((worker) => worker.end()));
      file.close();
    }
  }
}

/** One Worker and what became of it. */
class LedgerWorker {
  readonly #worker: Worker;
  readonly #path: string;
  readonly #control: Int32Array;
  readonly #joined: number;
  readonly #last: Promise<LedgerAnswer>;
  #tell = () => {};
  #failure: Error | undefined;

  /** @param joined The place in `control` at which it says that it takes part. */
  constructor(path: string, control: Int32Array, joined: number) {
    this.#path = path;
    this.#control = control;
    this.#joined = joined;
    // A static URL: it is how `deno compile` learns which module the binary must carry.
    this.#worker = new Worker(new URL("./ledger_worker.ts", import.meta.url), { type: "module" });
    this.#last = new Promise((resolve) => {
      this.#worker.onmessage = ({ data }: MessageEvent<LedgerAnswer>) => {
        if (data.kind === "progress") return this.#tell();
        if (data.kind === "failed") this.#failure = errorOf(data);
        resolve(data);
      };
      this.#worker.onerror = (event) => {
        event.preventDefault();
        this.#failure = new OperationFailed(`Cannot check ${path}: the Worker failed: ${event.message}`);
        resolve({ kind: "stopped" });
      };
    });
  }

  begin(task: ThreadTask, tell: () => void): void {
    this.#tell = tell;
    const message: LedgerTask = { ...task, path: this.#path, joined: this.#joined };
    this.#worker.postMessage(message);
  }

  /** Whether it has opened the file and takes work. */
  get hasJoined(): boolean {
    return Atomics.load(this.#control, this.#joined) !== 0;
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** All that it has found. @throws Why it failed. @throws The signal's reason. */
  async findings(signal: AbortSignal): Promise<Findings> {
    const stop = () => void Atomics.store(this.#control, STOP, 1);
    signal.addEventListener("abort", stop);
    try {
      const last = await this.#last;
      signal.throwIfAborted();
      this.throwIfFailed();
      if (last.kind !== "done") {
        throw new OperationFailed(`Cannot check ${this.#path}: a Worker stopped`);
      }
      return last.findings;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Ends it; when it has the file open, only after that is closed. */
  async end(): Promise<void> {
    Atomics.store(this.#control, STOP, 1);
    if (this.hasJoined) await this.#last;
    this.#worker.terminate();
  }
}

/** Until others have walked one more subtree: without a thread's sleep, which would keep the event loop from its turn. */
async function walkedMore(control: Int32Array, all: number): Promise<void> {
  const walked = Atomics.load(control, SUBTREES_DONE);
  if (walked < all) await Atomics.waitAsync(control, SUBTREES_DONE, walked, LOOK_AROUND_MS).value;
}

/** Disks have a limit before processors do, and each Worker takes some 20 MB. */
const MAX_THREADS = 16;
/** What one thread goes through in the time that a Worker takes to start. */
const BYTES_PER_WORKER = 256 << 20;
/** A turn costs half a millisecond, and a step that reads from memory three. Nobody sees a delay of this length. */
const TURN_EVERY_MS = 20;
/** To see whether a Worker has failed. */
const LOOK_AROUND_MS = 100;
