// Hashing a file on several cores: a few Workers for each job, ended with it. Until they have started pieces are hashed
// where it is asked for, which is all there is of a small file.

import type { FileHasher, FileHashes, HashJob, PieceHashes } from "../producer/file_hasher.ts";
import { hashShares, hashWhole, shareCount } from "../producer/hash_file.ts";
import { openReader } from "./file_reader.ts";
import type { HashWord, WorkerHashTask } from "./hash_worker.ts";
import { type Control, newControl, NEXT, runPool, STOP } from "./worker_pool.ts";

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
    const whole = await run(job, {
      hashes,
      whole: job.whole,
      workers: Math.min(this.#workers, shareCount(job)),
    });
    job.signal.throwIfAborted();
    // Copies: what others write into a torrent or send lies in memory of their own.
    return { pieceRoots: hashes.pieceRoots.slice(), piecesV1: hashes.piecesV1?.slice(), whole };
  }

  async hashWhole(job: Omit<HashJob, "whole" | "pieceLength" | "kind">): Promise<Uint8Array> {
    job.signal.throwIfAborted();
    const shape = { ...job, pieceLength: WHOLE_PIECE_BYTES, kind: "v2" as const };
    const whole = await run(shape, { hashes: undefined, whole: true, workers: 0 });
    job.signal.throwIfAborted();
    return whole!;
  }
}

type Shape = Omit<HashJob, "whole">;

/** What of a file is wanted. */
interface Wanted {
  /** Room for its pieces' hashes. */
  readonly hashes: PieceHashes | undefined;
  readonly whole: boolean;
  /** Workers for the pieces. */
  readonly workers: number;
}

async function run(job: Shape, wanted: Wanted): Promise<Uint8Array | undefined> {
  return await (job.size <= SMALL_BYTES ? runHere(job, wanted) : runInWorkers(job, wanted));
}

/** Stretch by stretch, with a turn of the event loop between them. */
async function runHere(
  { signal, onProgress, ...file }: Shape,
  { hashes, whole }: Wanted,
): Promise<Uint8Array | undefined> {
  using reader = openReader(file.path);
  const onRead = (bytes: number) => {
    signal.throwIfAborted();
    onProgress(bytes);
  };
  if (hashes !== undefined) {
    let share = 0;
    await hashShares({ ...file, reader, hashes, take: () => share++, onRead });
  }
  if (!whole) return undefined;
  // Each byte is told of once.
  return await hashWhole({
    ...file,
    reader,
    onRead: hashes === undefined ? onRead : () => signal.throwIfAborted(),
  });
}

async function runInWorkers(
  { path, size, pieceLength, kind, signal, onProgress }: Shape,
  { hashes, whole, workers }: Wanted,
): Promise<Uint8Array | undefined> {
  const control = newControl(1);
  const started = new AbortController();
  let digest: Uint8Array | undefined;
  const workerOf = (task: WorkerHashTask, tells: boolean) => ({
    // A static URL: it is how `deno compile` learns which module the binary must carry.
    start: () => new Worker(new URL("./hash_worker.ts", import.meta.url), { type: "module" }),
    task,
    cannot: `Cannot hash ${path}`,
    onWord: (word: HashWord) => {
      if (tells) started.abort();
      if ("whole" in word) digest = word.whole;
      else if (tells) onProgress(word.bytes);
    },
  });
  const isPaired = whole && hashes !== undefined;
  const task = { path, size, pieceLength, kind, control, isPaired };
  const pool = Array.from({ length: workers }, () => workerOf({ ...task, hashes }, true));
  if (whole) pool.push(workerOf({ ...task, hashes: undefined }, hashes === undefined));
  const here = { path, size, pieceLength, kind, signal, onProgress };
  const beside = hashes === undefined ? [] : [hashUntil(started.signal, here, hashes, control)];
  await runPool(pool, { control, signal, beside });
  return digest;
}

/** Takes shares as a Worker does, until the first of those has said something. */
async function hashUntil(
  started: AbortSignal,
  { signal, onProgress, ...file }: Shape,
  hashes: PieceHashes,
  control: Control,
): Promise<void> {
  using reader = openReader(file.path);
  await hashShares({
    ...file,
    reader,
    hashes,
    take: () => {
      const isOver = started.aborted || Atomics.load(control, STOP) !== 0;
      return isOver ? Infinity : Atomics.add(control, NEXT, 1);
    },
    onRead: (bytes) => {
      signal.throwIfAborted();
      onProgress(bytes);
    },
  });
}

/** In shared memory: all Workers write into it. */
function roomFor({ size, pieceLength, kind }: HashJob): PieceHashes {
  const pieces = Math.ceil(size / pieceLength);
  const shared = (bytes: number) => new Uint8Array(new SharedArrayBuffer(bytes));
  return {
    pieceRoots: shared(32 * pieces),
    piecesV1: kind === "hybrid" ? shared(20 * pieces) : undefined,
  };
}

/** Disks have a limit before processors do, and each Worker takes some 20 MB. */
const MAX_WORKERS = 8;
/** What one thread hashes while a Worker starts. */
const SMALL_BYTES = 64 << 20;
/** Pieces that no hash is made of: any length would do. */
const WHOLE_PIECE_BYTES = 32 << 20;
