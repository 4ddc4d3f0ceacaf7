// Hashing a file on several cores: a few Workers for each job, ended with it. A file that one thread has hashed before
// Workers have started is hashed where it is asked for.

import { OperationFailed } from "../errors.ts";
import type { FileHasher, FileHashes, HashJob } from "../producer/file_hasher.ts";
import { hashShares, shareCount } from "../producer/hash_file.ts";
import { openReader } from "./file_reader.ts";
import { type HashAnswer, STOP, type WorkerHashTask } from "./hash_worker.ts";
import { errorOf } from "./worker_failure.ts";

/** Hashes the system's own files. */
export class WorkerHasher implements FileHasher {
  readonly #workers: number;

  /** @param cores How many the machine has. One of them is used too: a Worker leaves the event loop free. */
  constructor(cores: number) {
    this.#workers = Math.max(1, Math.min(cores, MAX_WORKERS));
  }

  async hash(job: HashJob): Promise<FileHashes> {
    job.signal.throwIfAborted();
    const hashes = roomFor(job);
    await (job.size <= SMALL_BYTES ? hashHere(job, hashes) : hashInWorkers(job, hashes, this.#workers));
    job.signal.throwIfAborted();
    // Copies: what others write into a torrent or send lies in memory of their own.
    return { pieceRoots: hashes.pieceRoots.slice(), piecesV1: hashes.piecesV1?.slice() };
  }
}

/** Part by part, with a turn of the event loop between them. */
async function hashHere({ signal, onProgress, ...job }: HashJob, hashes: FileHashes): Promise<void> {
  let share = 0;
  using reader = openReader(job.path);
  await hashShares({
    ...job,
    reader,
    hashes,
    take: () => share++,
    onPart: (bytes) => {
      signal.throwIfAborted();
      onProgress(bytes);
    },
  });
}

async function hashInWorkers(job: HashJob, hashes: FileHashes, cores: number): Promise<void> {
  const { path, size, pieceLength, kind, signal, onProgress } = job;
  const control = new Int32Array(new SharedArrayBuffer(8));
  const task = { path, size, pieceLength, kind, hashes, control };
  const stop = () => void Atomics.store(control, STOP, 1);
  signal.addEventListener("abort", stop);
  try {
    const ends = Array.from({ length: Math.min(cores, shareCount(job)) }, () => runWorker(task, onProgress));
    // One that failed ends the others; all have closed the file when this goes on.
    for (const end of ends) end.catch(stop);
    const settled = await Promise.allSettled(ends);
    signal.throwIfAborted();
    for (const one of settled) if (one.status === "rejected") throw one.reason;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function runWorker(task: WorkerHashTask, onProgress: (bytes: number) => void): Promise<void> {
  // A static URL: it is how `deno compile` learns which module the binary must carry.
  const worker = new Worker(new URL("./hash_worker.ts", import.meta.url), { type: "module" });
  let broken: { readonly error: unknown } | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<HashAnswer>) => {
        if (data.kind === "done") return resolve();
        if (data.kind === "failed") return reject(errorOf(data));
        if (broken !== undefined) return;
        try {
          onProgress(data.bytes);
        } catch (error) {
          broken = { error };
          Atomics.store(task.control, STOP, 1);
        }
      };
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new OperationFailed(`Cannot hash ${task.path}: the Worker failed: ${event.message}`));
      };
      worker.postMessage(task);
    });
  } finally {
    worker.terminate();
  }
  if (broken !== undefined) throw broken.error;
}

/** In shared memory: all Workers write into it. */
function roomFor({ size, pieceLength, kind }: HashJob): FileHashes {
  const pieces = Math.ceil(size / pieceLength);
  const shared = (bytes: number) => new Uint8Array(new SharedArrayBuffer(bytes));
  return {
    pieceRoots: shared(32 * pieces),
    piecesV1: kind === "hybrid" ? shared(20 * pieces) : undefined,
  };
}

/** Disks have a limit before processors do, and each Worker takes some 20 MB. */
const MAX_WORKERS = 16;
/** What one thread hashes while a Worker starts. */
const SMALL_BYTES = 64 << 20;
