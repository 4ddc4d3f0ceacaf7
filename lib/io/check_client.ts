// Checking on several cores: this thread, with a turn of the event loop at each read, and for each further core a Worker,
// which is ended with the job. On one core there is none: it would only take turns with this thread. What is to be
// copied, too, is Workers' work alone.

import { InvariantBroken } from "../errors.ts";
import { checkShares, InlineChecker } from "../torrent/check.ts";
import type { CheckJob, PieceChecker, PieceFiles, Verdicts } from "../torrent/piece_checker.ts";
import { nextTurn } from "../turn.ts";
import type { TaskFiles, WorkerCheckTask } from "./check_worker.ts";
import { openThere } from "./file_reader.ts";
import { systemFiles } from "./files.ts";
import { newControl, NEXT, runPool, STOP } from "./worker_pool.ts";

/** Checks pieces of the system's own files. */
export class WorkerChecker implements PieceChecker {
  readonly #threads: number;
  readonly #inline = new InlineChecker(systemFiles);

  /** @param cores How many this process may use. */
  constructor(cores: number) {
    this.#threads = Math.max(1, Math.min(cores, MAX_THREADS));
  }

  async check(job: CheckJob): Promise<void> {
    const { signal, onVerdicts, from: { layout, paths }, pieces } = job;
    signal.throwIfAborted();
    const bytes = pieces.length * layout.pieceLength;
    if (bytes <= SMALL_BYTES) return await this.#inline.check(job);
    const threads = Math.min(this.#threads, Math.ceil(bytes / SMALL_BYTES), pieces.length);
    // A copy is written piece by piece, each without a break: not where others wait for their turn.
    const isHere = job.to === undefined;
    const workers = isHere ? threads - 1 : threads;
    const task = taskOf(job);
    const worker = {
      // A static URL: it is how `deno compile` learns which module the binary must carry.
      start: () => new Worker(new URL("./check_worker.ts", import.meta.url), { type: "module" }),
      task,
      onWord: (verdicts: Verdicts) => onVerdicts(verdicts),
      cannot: `Cannot check ${paths[0]}`,
    };
    const { control } = task;
    const beside = isHere ? [checkHere(task, job)] : [];
    await runPool(Array.from({ length: workers }, () => worker), { control, signal, beside });
  }
}

/** Takes shares as a Worker does. Reads do not hold up the thread, so the event loop gets its turn at each of them. */
async function checkHere({ control }: WorkerCheckTask, job: CheckJob): Promise<void> {
  await checkShares({
    ...job,
    files: systemFiles,
    open: openThere,
    take: () => Atomics.load(control, STOP) !== 0 ? Infinity : Atomics.add(control, NEXT, 1),
    checkStopped: () => job.signal.throwIfAborted(),
    pause: nextTurn,
    stretchBytes: HERE_STRETCH_BYTES,
  });
}

function taskOf({ from, to, pieces, hashes }: CheckJob): WorkerCheckTask {
  if (!(hashes.buffer instanceof SharedArrayBuffer)) {
    throw new InvariantBroken("hashes for Workers lie in shared memory");
  }
  return { from: taskFiles(from, pieces), to: to && taskFiles(to, to.pieces), hashes, control: newControl() };
}

function taskFiles({ layout, paths }: PieceFiles, pieces: readonly number[]): TaskFiles {
  const shared = new Uint32Array(new SharedArrayBuffer(4 * pieces.length));
  shared.set(pieces);
  return { layout: layout.source, paths, pieces: shared };
}

/** Disks have a limit before processors do, and each Worker takes some 20 MB. */
const MAX_THREADS = 8;
/** Half a millisecond of hashing, for as long as which nobody else is served here. */
const HERE_STRETCH_BYTES = 1 << 20;
/** What one thread hashes while a Worker starts. */
const SMALL_BYTES = 64 << 20;
