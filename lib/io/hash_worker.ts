// A Worker that hashes its part of a file. All Workers of a job take their shares from one counter in shared memory, so
// that none waits while there is work, and write the hashes there; each opens the file itself. One message comes in, the
// task; to stop there is a flag beside the counter.

import type { FileHashes, HashJob } from "../producer/file_hasher.ts";
import { hashShares } from "../producer/hash_file.ts";
import { openReader } from "./file_reader.ts";
import { type Failure, failureOf } from "./worker_failure.ts";

/** The same for each Worker of a job. */
export interface WorkerHashTask extends Pick<HashJob, "path" | "size" | "pieceLength" | "kind"> {
  /** In shared memory. */
  readonly hashes: FileHashes;
  /** In shared memory: at STOP anything but 0 asks to stop, NEXT is the first share that nobody has taken. */
  readonly control: Int32Array;
}

/** What a Worker answers: progress now and then, then exactly one of the others; then its file is closed. */
export type HashAnswer =
  | { readonly kind: "progress"; readonly bytes: number }
  | { readonly kind: "done" }
  | ({ readonly kind: "failed" } & Failure);

export const STOP = 0;
export const NEXT = 1;

class Stopped extends Error {}

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<WorkerHashTask>) => void) | null;
  postMessage(answer: HashAnswer): void;
};

scope.onmessage = async (event) => {
  try {
    await run(event.data);
  } catch (error) {
    if (!(error instanceof Stopped)) return scope.postMessage({ kind: "failed", ...failureOf(error) });
  }
  scope.postMessage({ kind: "done" });
};

async function run({ control, ...task }: WorkerHashTask): Promise<void> {
  using reader = openReader(task.path);
  let unsaid = 0;
  const say = () => scope.postMessage({ kind: "progress", bytes: unsaid });
  await hashShares({
    ...task,
    reader,
    take: () => Atomics.add(control, NEXT, 1),
    onPart: (bytes) => {
      if (Atomics.load(control, STOP) !== 0) throw new Stopped();
      unsaid += bytes;
      if (unsaid < WORD_BYTES) return;
      say();
      unsaid = 0;
    },
  });
  if (unsaid > 0) say();
}

/** Some milliseconds of hashing: a word for each part would take two percent of the time. */
const WORD_BYTES = 8 << 20;
