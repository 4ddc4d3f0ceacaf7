// The Worker that unpacks one archive and ends: decoding takes hours of processor time, and most of it inside one
// synchronous call, so it must not be where peers are served. It hears one message, the job; to stop it there is a
// flag in shared memory, because it reads no messages while it decodes.

import { type ArchiveSource, sourceOf } from "../extract/archive.ts";
import type { Extracted } from "../extract/extractor.ts";
import { type GateMemory, PieceGate } from "../extract/gate.ts";
import { unpackLedger } from "../extract/unpack.ts";
import { SegmentReader } from "../torrent/segments.ts";
import { systemFiles } from "./files.ts";
import { type Failure, failureOf } from "./worker_failure.ts";

/** Sent once to the Worker. */
export interface ExtractJob {
  readonly archive: string;
  readonly into: string;
  /** One Int32; anything but 0 asks the Worker to stop, remove what it wrote and answer "cancelled". */
  readonly stop: SharedArrayBuffer;
  /** Of an archive that is still coming. */
  readonly gate: GateMemory | undefined;
  /** Where `archive` is a folder of segments. */
  readonly segmentBytes: number | undefined;
}

/** What the Worker answers: progress a few times a second, or how it moves through a gate, then exactly one of the others. */
export type ExtractAnswer =
  | { readonly kind: "progress"; readonly done: number; readonly total: number }
  | { readonly kind: "moved" }
  | { readonly kind: "done"; readonly extracted: Extracted }
  | { readonly kind: "cancelled" }
  | ({ readonly kind: "failed" } & Failure);

class Cancelled extends Error {}

/** Milliseconds between two words about progress. */
const PROGRESS_MS = 200;

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<ExtractJob>) => void) | null;
  postMessage(answer: ExtractAnswer): void;
};

scope.onmessage = (event) => {
  run(event.data).then((extracted) => scope.postMessage({ kind: "done", extracted }), (error: unknown) => {
    scope.postMessage(
      error instanceof Cancelled ? { kind: "cancelled" } : { kind: "failed", ...failureOf(error) },
    );
  });
};

async function run(job: ExtractJob): Promise<Extracted> {
  const stop = new Int32Array(job.stop);
  const checkCancelled = () => {
    if (Atomics.load(stop, 0) !== 0) throw new Cancelled();
  };
  const gate = job.gate && new PieceGate(job.gate);
  using archive = openArchive(job, gate, checkCancelled);
  let toldMs = -Infinity;
  return await unpackLedger(systemFiles, {
    source: archive.source,
    archive: job.archive,
    into: job.into,
    checkCancelled,
    toComeBytes: () => gate === undefined ? 0 : Math.max(0, gate.memory.diskBytes - archive.allocated()),
    onProgress(done, total) {
      const nowMs = performance.now();
      if (nowMs - toldMs < PROGRESS_MS && done < total) return;
      toldMs = nowMs;
      scope.postMessage({ kind: "progress", done, total });
    },
  });
}

/** Through handles of its own: the other thread goes on writing through others. */
function openArchive(
  job: ExtractJob,
  gate: PieceGate | undefined,
  checkStopped: () => void,
): Disposable & { readonly source: ArchiveSource; readonly allocated: () => number } {
  if (gate !== undefined && job.segmentBytes !== undefined) {
    const reader = new SegmentReader(systemFiles, { folder: job.archive, segmentBytes: job.segmentBytes });
    const onMoved = () => {
      reader[Symbol.dispose]();
      scope.postMessage({ kind: "moved" });
    };
    const source = gate.source((into, at) => reader.readAt(into, at), { checkStopped, onMoved });
    return { source, allocated: () => reader.allocated(), [Symbol.dispose]: () => reader[Symbol.dispose]() };
  }
  const file = systemFiles.open(job.archive, "read");
  const read: ArchiveSource["readAt"] = (into, at) => file.readAt(into, at);
  const source = gate === undefined ? sourceOf(file) : gate.source(read, { checkStopped });
  return { source, allocated: () => file.facts().allocated, [Symbol.dispose]: () => file.close() };
}
