// The Worker that packs one ledger and ends. 7-Zip runs inside one synchronous call, so it must not be where peers are
// served and signals are heard; to stop it there is a flag in shared memory.

import { packSevenZip } from "../producer/pack_seven_zip.ts";
import { packTarZst } from "../producer/pack_tar_zst.ts";
import type { PackRequest } from "../producer/packer.ts";
import { systemFiles } from "./files.ts";
import { type Failure, failureOf } from "./worker_failure.ts";

/** Sent once to the Worker. */
export interface PackJob extends Pick<PackRequest, "ledger" | "into" | "format"> {
  /** One Int32; anything but 0 asks the Worker to stop. */
  readonly stop: SharedArrayBuffer;
}

/** What the Worker answers: progress a few times a second, then exactly one of the others; then both files are closed. */
export type PackAnswer =
  | { readonly kind: "progress"; readonly doneBytes: number }
  | { readonly kind: "done" }
  | { readonly kind: "cancelled" }
  | ({ readonly kind: "failed" } & Failure);

class Cancelled extends Error {}

/** Milliseconds between two words about progress. */
const PROGRESS_MS = 200;

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<PackJob>) => void) | null;
  postMessage(answer: PackAnswer): void;
};

scope.onmessage = async (event) => {
  try {
    await run(event.data);
    scope.postMessage({ kind: "done" });
  } catch (error) {
    scope.postMessage(
      error instanceof Cancelled ? { kind: "cancelled" } : { kind: "failed", ...failureOf(error) },
    );
  }
};

async function run(job: PackJob): Promise<void> {
  const stop = new Int32Array(job.stop);
  const ledger = systemFiles.open(job.ledger, "read");
  try {
    const out = systemFiles.open(job.into, "create");
    try {
      let toldMs = -Infinity;
      const pack = job.format === "7z" ? packSevenZip : packTarZst;
      await pack(ledger, out, (doneBytes) => {
        if (Atomics.load(stop, 0) !== 0) throw new Cancelled();
        const nowMs = performance.now();
        if (nowMs - toldMs < PROGRESS_MS) return;
        toldMs = nowMs;
        scope.postMessage({ kind: "progress", doneBytes });
      });
    } finally {
      out.close();
    }
  } finally {
    ledger.close();
  }
}
