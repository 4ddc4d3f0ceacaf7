// Checking on several cores: a few Workers for each job, ended with it. Until they have started the work is done where
// it is asked for, which may be all there is of it.

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
  readonly #workers: number;
  readonly #inline = new InlineChecker(systemFiles);

  /** @param cores How many the machine has. One of them is used too: a Worker leaves the event loop free. */
  constructor(cores: number) {
    this.#workers = Math.max(1, Math.min(cores, MAX_WORKERS));
  }

  async check(job: CheckJob): Promise<void> {
    const { signal, onVerdicts, from: { layout, paths }, pieces } = job;
    signal.throwIfAborted();
    const bytes = pieces.length * layout.pieceLength;
    if (bytes <= SMALL_BYTES) return await this.#inline.check(job);
    const workers = Math.min(this.#workers, Math.ceil(bytes / SMALL_BYTES), pieces.length);
    const task = taskOf(job);
    const started = new AbortController();
    const worker = {
      // A static URL: it is how `deno compile` learns which module the binary must carry.
      start: () => new Worker(new URL("./check_worker.ts", import.meta.url), { type: "module" }),
      task,
      onWord: (verdicts: Verdicts) => {
        started.abort();
        onVerdicts(verdicts);
      },
      cannot: `Cannot check ${paths[0]}`,
    };
    const { control } = task;
    const beside = [checkUntil(started.signal, task, job)];
    await runPool(Array.from({ length: workers }, () => worker), { control, signal, beside });
  }
}

/** Takes shares as a Worker does, until the first of those has said something. */
async function checkUntil(started: AbortSignal, { control }: WorkerCheckTask, job: CheckJob): Promise<void> {
  await checkShares({
    ...job,
    files: systemFiles,
    open: openThere,
    take: () => {
      const isOver = started.aborted || Atomics.load(control, STOP) !== 0;
      return isOver ? Infinity : Atomics.add(control, NEXT, 1);
    },
    checkStopped: () => job.signal.throwIfAborted(),
    pause: nextTurn,
    stretchBytes: BESIDE_STRETCH_BYTES,
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
const MAX_WORKERS = 8;
/** For the moment until they have started: two of the usual size would be 4 MB for good. */
const BESIDE_STRETCH_BYTES = 256 << 10;
/** What one thread hashes while a Worker starts. */
const SMALL_BYTES = 64 << 20;
