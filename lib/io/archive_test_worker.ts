// The Worker that tries one archive and ends: what an extraction does, with nowhere to write to.

import { sourceOf } from "../extract/archive.ts";
import type { TestedArchive } from "../extract/tester.ts";
import { unpackLedger } from "../extract/unpack.ts";
import type { Files, OpenFile } from "../ports.ts";
import { systemFiles } from "./files.ts";
import { type Failure, failureOf } from "./worker_failure.ts";

/** Sent once to the Worker. */
export interface ArchiveTestJob {
  readonly archive: string;
  /** One Int32 in shared memory; anything but 0 asks the Worker to stop. */
  readonly stop: Int32Array;
}

/** What the Worker answers: progress a few times a second, then exactly one of the others. */
export type ArchiveTestAnswer =
  | { readonly kind: "progress"; readonly done: number; readonly total: number }
  | { readonly kind: "done"; readonly tested: TestedArchive }
  | { readonly kind: "stopped" }
  | ({ readonly kind: "failed" } & Failure);

class Stopped extends Error {}

/** Milliseconds between two words about progress. */
const PROGRESS_MS = 200;

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<ArchiveTestJob>) => void) | null;
  postMessage(answer: ArchiveTestAnswer): void;
};

scope.onmessage = (event) => {
  run(event.data).then((tested) => scope.postMessage({ kind: "done", tested }), (error: unknown) => {
    scope.postMessage(
      error instanceof Stopped ? { kind: "stopped" } : { kind: "failed", ...failureOf(error) },
    );
  });
};

async function run({ archive, stop }: ArchiveTestJob): Promise<TestedArchive> {
  const file = systemFiles.open(archive, "read");
  let toldMs = -Infinity;
  try {
    const { format, size } = await unpackLedger(NOWHERE, {
      source: sourceOf(file),
      archive,
      into: "",
      checkCancelled() {
        if (Atomics.load(stop, 0) !== 0) throw new Stopped();
      },
      onProgress(done, total) {
        const nowMs = performance.now();
        if (nowMs - toldMs < PROGRESS_MS && done < total) return;
        toldMs = nowMs;
        scope.postMessage({ kind: "progress", done, total });
      },
    });
    return { format, size };
  } finally {
    file.close();
  }
}

/** Takes whatever is written, and keeps nothing. */
const NOTHING: Pick<OpenFile, "path" | "writeAt" | "sync" | "close"> = {
  path: "",
  writeAt() {},
  sync: () => Promise.resolve(),
  close() {},
};
/** As much of a file system as an extraction writes to. */
const NOWHERE = {
  open: () => NOTHING,
  remove() {},
  freeBytes: () => Infinity,
} satisfies { [name in keyof Files]?: unknown } as unknown as Files;
