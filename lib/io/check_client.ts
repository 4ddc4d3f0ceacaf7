// Checking on several cores: a few Workers for each job, ended with it. Until they have started the work is done where
// it is asked for, which may be all there is of it.

import { InvariantBroken, OperationFailed } from "../errors.ts";
import { InlineChecker, lookAt, PieceCheck, piecesPerShare } from "../torrent/check.ts";
import type { CheckJob, PieceChecker, PieceFiles } from "../torrent/piece_checker.ts";
import { nextTurn } from "../turn.ts";
import { type CheckAnswer, type CheckTask, NEXT, STOP, type TaskFiles } from "./check_worker.ts";
import { systemFiles } from "./files.ts";
import { errorOf } from "./worker_failure.ts";

/** Checks pieces of the system's own files. */
export class WorkerChecker implements PieceChecker {
  readonly #workers: number;
  readonly #inline = new InlineChecker(systemFiles);

  /** @param cores How many the machine has. One of them is used too: a Worker leaves the event loop free. */
  constructor(cores: number) {
    this.#workers = Math.max(1, Math.min(cores, MAX_WORKERS));
  }

  async check(job: CheckJob): Promise<void> {
    const { signal, from: { layout }, pieces } = job;
    signal.throwIfAborted();
    const bytes = pieces.length * layout.pieceLength;
    if (bytes <= SMALL_BYTES) return await this.#inline.check(job);
    const workers = Math.min(this.#workers, Math.ceil(bytes / SMALL_BYTES), pieces.length);
    const task = taskOf(job);
    const stop = () => void Atomics.store(task.control, STOP, 1);
    const started = new AbortController();
    signal.addEventListener("abort", stop);
    try {
      const ends = Array.from({ length: workers }, () => runWorker(task, job, started));
      ends.push(checkUntil(started.signal, task, job));
      // One that failed ends the others; all have closed their files when this goes on.
      for (const end of ends) end.catch(stop);
      const settled = await Promise.allSettled(ends);
      signal.throwIfAborted();
      for (const one of settled) if (one.status === "rejected") throw one.reason;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }
}

/** Takes shares as a Worker does, until the first of those has taken one. */
async function checkUntil(started: AbortSignal, { control }: CheckTask, job: CheckJob): Promise<void> {
  using check = new PieceCheck(systemFiles, job);
  const step = piecesPerShare(job.from.layout);
  while (!started.aborted && Atomics.load(control, STOP) === 0) {
    const first = Atomics.add(control, NEXT, 1) * step;
    if (first >= job.pieces.length) return;
    job.onVerdicts(lookAt(check, first, Math.min(first + step, job.pieces.length)));
    await nextTurn();
  }
}

async function runWorker(
  task: CheckTask,
  { onVerdicts, from }: CheckJob,
  started: AbortController,
): Promise<void> {
  // A static URL: it is how `deno compile` learns which module the binary must carry.
  const worker = new Worker(new URL("./check_worker.ts", import.meta.url), { type: "module" });
  let broken: { readonly error: unknown } | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<CheckAnswer>) => {
        started.abort();
        if (data.kind === "done") return resolve();
        if (data.kind === "failed") return reject(errorOf(data));
        if (broken !== undefined) return;
        try {
          onVerdicts(data.verdicts);
        } catch (error) {
          broken = { error };
          Atomics.store(task.control, STOP, 1);
        }
      };
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new OperationFailed(`Cannot check ${from.paths[0]}: the Worker failed: ${event.message}`));
      };
      worker.postMessage(task);
    });
  } finally {
    worker.terminate();
  }
  if (broken !== undefined) throw broken.error;
}

function taskOf({ from, to, pieces, hashes }: CheckJob): CheckTask {
  if (!(hashes.buffer instanceof SharedArrayBuffer)) {
    throw new InvariantBroken("hashes for Workers lie in shared memory");
  }
  return {
    from: taskFiles(from, pieces),
    to: to && taskFiles(to, to.pieces),
    hashes,
    control: new Int32Array(new SharedArrayBuffer(8)),
  };
}

function taskFiles({ layout, paths }: PieceFiles, pieces: readonly number[]): TaskFiles {
  const shared = new Uint32Array(new SharedArrayBuffer(4 * pieces.length));
  shared.set(pieces);
  return { layout: layout.source, paths, pieces: shared };
}

/** Disks have a limit before processors do, and each Worker takes some 20 MB. */
const MAX_WORKERS = 16;
/** What one thread hashes while a Worker starts. */
const SMALL_BYTES = 64 << 20;
