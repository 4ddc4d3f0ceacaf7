// Hashing a file on several cores: this thread, with a turn of the event loop at each read, and for each further
// core a Worker, which is ended with the job. A small file is hashed here alone, and on one core every file is.

import type { FileHasher, FileHashes, HashJob, PieceHashes } from "../producer/file_hasher.ts";
import { hashAlone, hashShares, hashWhole, shareBytes, shareCount } from "../producer/hash_file.ts";
import { openReader } from "./file_reader.ts";
import { AHEAD_BYTES, LOOK_MS, WHOLE } from "./hash_control.ts";
import type { HashWord, WorkerHashTask } from "./hash_worker.ts";
import { type Control, newControl, NEXT, runPool, STOP } from "./worker_pool.ts";

/** Hashes the system's own files. */
export class WorkerHasher implements FileHasher {
  readonly #threads: number;

  /** @param cores How many this process may use. */
  constructor(cores: number) {
    this.#threads = Math.max(1, Math.min(cores, MAX_THREADS));
  }

  async hash(job: HashJob): Promise<FileHashes> {
    job.signal.throwIfAborted();
    const hashes = roomFor(job);
    const whole = await this.#run(job, { hashes, whole: job.whole });
    job.signal.throwIfAborted();
    // Copies: what others write into a torrent or send lies in memory of their own.
    return { pieceRoots: hashes.pieceRoots.slice(), piecesV1: hashes.piecesV1?.slice(), whole };
  }

  async hashWhole(job: Omit<HashJob, "whole" | "pieceLength" | "kind">): Promise<Uint8Array> {
    job.signal.throwIfAborted();
    const shape = { ...job, pieceLength: WHOLE_PIECE_BYTES, kind: "v2" as const };
    const whole = await this.#run(shape, { hashes: undefined, whole: true });
    job.signal.throwIfAborted();
    return whole!;
  }

  async #run(job: Shape, wanted: Wanted): Promise<Uint8Array | undefined> {
    const threads = Math.min(this.#threads, shareCount(job));
    return await (job.size <= SMALL_BYTES || threads === 1
      ? runHere(job, wanted)
      : runInWorkers(job, wanted, threads - 1));
  }
}

type Shape = Omit<HashJob, "whole">;

/** What of a file is wanted. */
interface Wanted {
  /** Room for its pieces' hashes. */
  readonly hashes: PieceHashes | undefined;
  readonly whole: boolean;
}

/** Stretch by stretch, with a turn of the event loop at each read. */
async function runHere(
  { signal, onProgress, ...file }: Shape,
  { hashes, whole }: Wanted,
): Promise<Uint8Array | undefined> {
  using reader = openReader(file.path);
  const onRead = (bytes: number) => {
    signal.throwIfAborted();
    onProgress(bytes);
  };
  return await (hashes === undefined
    ? hashWhole({ ...file, reader, onRead })
    : hashAlone({ ...file, reader, onRead, hashes, whole }));
}

/** @param workers For the pieces. */
async function runInWorkers(
  { path, size, pieceLength, kind, signal, onProgress }: Shape,
  { hashes, whole }: Wanted,
  workers: number,
): Promise<Uint8Array | undefined> {
  const control = newControl(1);
  let digest: Uint8Array | undefined;
  const workerOf = (task: WorkerHashTask, tells: boolean) => ({
    // A static URL: it is how `deno compile` learns which module the binary must carry.
    start: () => new Worker(new URL("./hash_worker.ts", import.meta.url), { type: "module" }),
    task,
    cannot: `Cannot hash ${path}`,
    onWord: (word: HashWord) => {
      if ("whole" in word) digest = word.whole;
      else if (tells) onProgress(word.bytes);
    },
  });
  const isPaired = whole && hashes !== undefined;
  const task = { path, size, pieceLength, kind, control, isPaired };
  const count = hashes === undefined ? 0 : workers;
  const pool = Array.from({ length: count }, () => workerOf({ ...task, hashes }, true));
  if (whole) pool.push(workerOf({ ...task, hashes: undefined }, hashes === undefined));
  const here = { path, size, pieceLength, kind, signal, onProgress };
  const beside = hashes === undefined ? [] : [hashBeside(here, hashes, control, isPaired)];
  await runPool(pool, { control, signal, beside });
  return digest;
}

/** Takes shares as a Worker does. @param isPaired Whether one of those hashes the whole: as they, it waits for that. */
async function hashBeside(
  { signal, onProgress, ...file }: Shape,
  hashes: PieceHashes,
  control: Control,
  isPaired: boolean,
): Promise<void> {
  using reader = openReader(file.path);
  const share = shareBytes(file.pieceLength);
  let taken = 0;
  await hashShares({
    ...file,
    reader,
    hashes,
    take: () => {
      if (Atomics.load(control, STOP) !== 0) return Infinity;
      const n = Atomics.add(control, NEXT, 1);
      Atomics.notify(control, NEXT);
      if (n * share < file.size) taken = n;
      return n;
    },
    onRead: async (bytes) => {
      if (isPaired) await untilWhole(control, taken - Math.ceil(AHEAD_BYTES / share));
      signal.throwIfAborted();
      onProgress(bytes);
    },
  });
}

/** Until the hash of the whole has so many shares behind it, or all is to stop. */
async function untilWhole(control: Control, least: number): Promise<void> {
  for (let now = Atomics.load(control, WHOLE); now < least; now = Atomics.load(control, WHOLE)) {
    if (Atomics.load(control, STOP) !== 0) return;
    await Atomics.waitAsync(control, WHOLE, now, LOOK_MS).value;
  }
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
const MAX_THREADS = 8;
/** What one thread hashes while a Worker starts. */
const SMALL_BYTES = 64 << 20;
/** Pieces that no hash is made of: any length would do. */
const WHOLE_PIECE_BYTES = 32 << 20;
