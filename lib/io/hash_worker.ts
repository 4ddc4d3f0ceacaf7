// A Worker that hashes its part of a file: shares of its pieces, whose hashes it writes into shared memory, or the whole of
// it in order. It opens the file itself.

import type { HashJob, PieceHashes } from "../producer/file_hasher.ts";
import { hashShares, hashWhole, shareBytes } from "../producer/hash_file.ts";
import { openReader } from "./file_reader.ts";
import { AHEAD_BYTES, LOOK_MS, WHOLE } from "./hash_control.ts";
import { servePool } from "./pool_worker.ts";
import { type Control, NEXT } from "./worker_pool.ts";

/** For each Worker of a job. */
export interface WorkerHashTask extends Pick<HashJob, "path" | "size" | "pieceLength" | "kind"> {
  /** In shared memory: whose shares are to be hashed; undefined: the whole is. */
  readonly hashes: PieceHashes | undefined;
  readonly control: Control;
  /** Whether some Workers hash shares and another one the whole: then neither gets far ahead. */
  readonly isPaired: boolean;
}

/** What a Worker says: progress now and then, and the whole file's hash. */
export type HashWord = { readonly bytes: number } | { readonly whole: Uint8Array };

servePool<WorkerHashTask, HashWord>(async ({ control, hashes, isPaired, ...file }, { say, checkStopped }) => {
  using reader = openReader(file.path);
  let unsaid = 0;
  const count = (bytes: number) => {
    checkStopped();
    unsaid += bytes;
    if (unsaid < WORD_BYTES) return;
    say({ bytes: unsaid });
    unsaid = 0;
  };
  const share = shareBytes(file.pieceLength);
  const ahead = Math.ceil(AHEAD_BYTES / share);
  if (hashes === undefined) {
    let read = 0;
    const onRead = (bytes: number) => {
      count(bytes);
      const before = Math.floor(read / share);
      const after = Math.floor((read += bytes) / share);
      if (!isPaired || before === after) return;
      Atomics.store(control, WHOLE, after);
      Atomics.notify(control, WHOLE);
      waitFor(control, NEXT, after - ahead, checkStopped);
    };
    say({ whole: await hashWhole({ ...file, reader, onRead }) });
  } else {
    const take = () => {
      const n = Atomics.add(control, NEXT, 1);
      if (!isPaired) return n;
      Atomics.notify(control, NEXT);
      if (n * share < file.size) waitFor(control, WHOLE, n - ahead, checkStopped);
      return n;
    };
    await hashShares({ ...file, reader, hashes, take, onRead: count });
  }
  if (unsaid > 0) say({ bytes: unsaid });
});

/** Until what stands there is at least so much. */
function waitFor(control: Control, place: number, least: number, checkStopped: () => void): void {
  for (let now = Atomics.load(control, place); now < least; now = Atomics.load(control, place)) {
    checkStopped();
    Atomics.wait(control, place, now, LOOK_MS);
  }
}

/** Some milliseconds of hashing: a word for each stretch would take a percent of the time. */
const WORD_BYTES = 8 << 20;
