// A Worker that hashes its part of what is to be checked. It opens the files itself.

import { checkShares } from "../torrent/check.ts";
import { Layout, type LayoutSource, type PieceIndex } from "../torrent/layout.ts";
import type { Verdicts } from "../torrent/piece_checker.ts";
import { openThere } from "./file_reader.ts";
import { systemFiles } from "./files.ts";
import { servePool } from "./pool_worker.ts";
import { type Control, NEXT } from "./worker_pool.ts";

/** Files as they travel between threads. */
export interface TaskFiles {
  readonly layout: LayoutSource;
  readonly paths: readonly string[];
  /** In shared memory. */
  readonly pieces: Uint32Array;
}

/** The same for each Worker of a job. */
export interface WorkerCheckTask {
  readonly from: TaskFiles;
  readonly to: TaskFiles | undefined;
  /** In shared memory. */
  readonly hashes: Uint8Array;
  readonly control: Control;
}

servePool<WorkerCheckTask, Verdicts>(async ({ from, to, hashes, control }, { say, checkStopped }) => {
  await checkShares({
    files: systemFiles,
    open: openThere,
    from: filesOf(from),
    to: to && filesOf(to),
    pieces: piecesOf(from),
    hashes,
    take: () => Atomics.add(control, NEXT, 1),
    checkStopped,
    onVerdicts: say,
  });
});

function filesOf(files: TaskFiles) {
  return { layout: Layout.of(files.layout), paths: files.paths, pieces: piecesOf(files) };
}

/** They were checked on the other side. */
function piecesOf({ pieces }: TaskFiles): PieceIndex[] {
  return Array.from(pieces) as PieceIndex[];
}
