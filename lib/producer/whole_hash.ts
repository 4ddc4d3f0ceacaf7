// SHA-256 of a whole file, as people compare it with `sha256sum`. One core at most: each byte needs the one before.

import { createHash } from "node:crypto";
import { toHex } from "../bytes.ts";
import { OperationFailed } from "../errors.ts";
import type { Clock, Files } from "../ports.ts";

/**
 * Hashes a file, with turns of the event loop in between.
 *
 * @param options.onProgress Called for each byte once.
 * @returns 64 hex digits.
 * @throws {OperationFailed} When the file gets shorter meanwhile. @throws {PathUnusable} When it cannot be read.
 * @throws The signal's reason when it aborts.
 */
export async function hashWhole(
  { files, clock, path, signal, onProgress }: {
    readonly files: Files;
    readonly clock: Pick<Clock, "sleep">;
    readonly path: string;
    readonly signal: AbortSignal;
    readonly onProgress: (bytes: number) => void;
  },
): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(STEP_BYTES);
  const file = files.open(path, "read");
  try {
    const { size } = file.facts();
    for (let at = 0; at < size;) {
      const count = file.readAt(buffer.subarray(0, Math.min(STEP_BYTES, size - at)), at);
      if (count === 0) throw new OperationFailed(`Cannot hash ${path}: it became shorter meanwhile`);
      hash.update(buffer.subarray(0, count));
      at += count;
      onProgress(count);
      await clock.sleep(0, signal);
      signal.throwIfAborted();
    }
    return toHex(hash.digest());
  } finally {
    file.close();
  }
}

/** A few milliseconds of hashing: signals and packets are looked at in between. */
const STEP_BYTES = 4 << 20;
