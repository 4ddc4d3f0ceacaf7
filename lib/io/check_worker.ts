// A Worker that hashes its part of what is to be checked. All Workers of a job take their shares from one counter in
// shared memory, so that none waits while there is work; each opens the files itself. One message comes in, the task;
// to stop there is a flag beside the counter.

import { lookAt, PieceCheck, piecesPerShare } from "../torrent/check.ts";
import { Layout, type LayoutSource, type PieceIndex } from "../torrent/layout.ts";
import type { Verdicts } from "../torrent/piece_checker.ts";
import { systemFiles } from "./files.ts";
import { type Failure, failureOf } from "./worker_failure.ts";

/** Files as they travel between threads. */
export interface TaskFiles {
  readonly layout: LayoutSource;
  readonly paths: readonly string[];
  /** In shared memory. */
  readonly pieces: Uint32Array;
}

/** The same for each Worker of a job. */
export interface CheckTask {
  readonly from: TaskFiles;
  readonly to: TaskFiles | undefined;
  /** In shared memory. */
  readonly hashes: Uint8Array;
  /** In shared memory: at STOP anything but 0 asks to stop, NEXT is the first share that nobody has taken. */
  readonly control: Int32Array;
}

/** What a Worker answers: verdicts after each share, then exactly one of the others; then its files are closed. */
export type CheckAnswer =
  | { readonly kind: "verdicts"; readonly verdicts: Verdicts }
  | { readonly kind: "done" }
  | ({ readonly kind: "failed" } & Failure);

export const STOP = 0;
export const NEXT = 1;

class Stopped extends Error {}

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<CheckTask>) => void) | null;
  postMessage(answer: CheckAnswer): void;
};

scope.onmessage = (event) => {
  try {
    run(event.data);
  } catch (error) {
    if (!(error instanceof Stopped)) return scope.postMessage({ kind: "failed", ...failureOf(error) });
  }
  scope.postMessage({ kind: "done" });
};

function run({ from, to, hashes, control }: CheckTask): void {
  const checkStopped = () => {
    if (Atomics.load(control, STOP) !== 0) throw new Stopped();
  };
  const job = { from: filesOf(from), to: to && filesOf(to), pieces: piecesOf(from), hashes };
  using check = new PieceCheck(systemFiles, job, checkStopped);
  const step = piecesPerShare(job.from.layout);
  for (;;) {
    const first = Atomics.add(control, NEXT, 1) * step;
    if (first >= job.pieces.length) return;
    const verdicts = lookAt(check, first, Math.min(first + step, job.pieces.length));
    scope.postMessage({ kind: "verdicts", verdicts });
  }
}

function filesOf(files: TaskFiles) {
  return { layout: Layout.of(files.layout), paths: files.paths, pieces: piecesOf(files) };
}

/** They were checked on the other side. */
function piecesOf({ pieces }: TaskFiles): PieceIndex[] {
  return Array.from(pieces) as PieceIndex[];
}
