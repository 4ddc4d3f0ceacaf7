// The Worker that unpacks one archive and ends: decoding takes hours of processor time, and most of it inside one
// synchronous call, so it must not be where peers are served. It hears one message, the job; to stop it there is a
// flag in shared memory, because it reads no messages while it decodes. A .7z of independent blocks is decoded by
// several: the first one begins `data.ldb.partial`, has the others started, and ends after them. An archive that is only
// tried is unpacked in the same way, to nowhere.

import type { ArchiveSource } from "../extract/archive.ts";
import { BlockShare, type BlockShareMemory } from "../extract/block_share.ts";
import { type BlockCrew, decodeParts } from "../extract/blocks.ts";
import type { Extracted } from "../extract/extractor.ts";
import { type GateMemory, PieceGate } from "../extract/gate.ts";
import { LEDGER_NAME } from "../extract/safe_path.ts";
import { refusalOf, unpackLedger } from "../extract/unpack.ts";
import type { Files, OpenFile } from "../ports.ts";
import { SegmentReader } from "../torrent/segments.ts";
import { systemFiles } from "./files.ts";
import { type Failure, failureOf } from "./worker_failure.ts";

/** Sent once to each Worker. */
export interface ExtractJob {
  readonly archive: string;
  /** undefined for an archive that is only tried. */
  readonly into: string | undefined;
  /** One Int32; anything but 0 asks the Workers to stop, remove what they wrote and answer "cancelled". */
  readonly stop: SharedArrayBuffer;
  /** Of an archive that is still coming. */
  readonly gate: GateMemory | undefined;
  /** Where `archive` is a folder of segments. */
  readonly segmentBytes: number | undefined;
  /** Workers that a .7z may have, this one included, and how long their parts are at least. */
  readonly threads: number;
  readonly leastPartBytes: number;
  /** For all but the first: which it is, and the work that they share. */
  readonly help: { readonly thread: number; readonly share: BlockShareMemory } | undefined;
}

/**
 * What a Worker answers: progress a few times a second, or how it moves through a gate, and that others can help; then
 * exactly one of the others, "helped" of a helper instead of "done".
 */
export type ExtractAnswer =
  | { readonly kind: "progress"; readonly done: number; readonly total: number }
  | { readonly kind: "moved" }
  | { readonly kind: "share"; readonly share: BlockShareMemory }
  | { readonly kind: "done"; readonly extracted: Extracted }
  | { readonly kind: "helped" }
  | { readonly kind: "cancelled" }
  | ({ readonly kind: "failed" } & Failure);

class Cancelled extends Error {}

/** Milliseconds between two words about progress. */
const PROGRESS_MS = 200;

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<ExtractJob>) => void) | null;
  postMessage(answer: ExtractAnswer): void;
};

scope.onmessage = ({ data: job }) => {
  const work: Promise<ExtractAnswer> = job.help === undefined ? unpack(job) : help(job, job.help);
  work.catch((error: unknown): ExtractAnswer => {
    return error instanceof Cancelled ? { kind: "cancelled" } : { kind: "failed", ...failureOf(error) };
  }).then((answer) => scope.postMessage(answer));
};

async function unpack(job: ExtractJob): Promise<ExtractAnswer> {
  const desk = deskOf(job);
  using archive = openArchive(job, desk);
  const { gate, checkStopped, onProgress } = desk;
  const extracted = await unpackLedger(job.into === undefined ? NOWHERE : systemFiles, {
    source: archive.source,
    archive: job.archive,
    into: job.into ?? "",
    checkCancelled: checkStopped,
    toComeBytes: () => gate === undefined ? 0 : Math.max(0, gate.memory.diskBytes - archive.allocated()),
    onProgress,
    crew: crewOf(job, archive.look, desk),
  });
  return { kind: "done", extracted };
}

/** None where segments go behind the one reader. */
function crewOf(job: ExtractJob, look: ArchiveSource, desk: Desk): BlockCrew | undefined {
  if (job.threads < 2 || job.segmentBytes !== undefined) return undefined;
  return {
    ...desk,
    threads: job.threads,
    leastBytes: job.leastPartBytes,
    look,
    start: (share) => scope.postMessage({ kind: "share", share }),
    onLeft: () => desk.gate?.leave(0),
  };
}

/** Decodes parts beside the first Worker. Its failure ends all, and is told before the first one can end. */
async function help(
  job: ExtractJob,
  { thread, share: memory }: NonNullable<ExtractJob["help"]>,
): Promise<ExtractAnswer> {
  const share = new BlockShare(memory);
  if (!share.join(thread)) return { kind: "helped" };
  const desk = deskOf(job);
  try {
    using archive = openArchive(job, desk, thread);
    using target = new Target(job.into);
    await decodeParts(share, thread, {
      ...desk,
      source: archive.source,
      look: archive.look,
      write: (bytes, at) => target.file.writeAt(bytes, at),
    });
    return { kind: "helped" };
  } catch (error) {
    desk.stop();
    throw refusalOf(error, job.archive);
  } finally {
    desk.gate?.leave(thread);
    share.leave(thread);
  }
}

/** Closed by `using`. */
class Target implements Disposable {
  readonly file: Pick<OpenFile, "writeAt" | "close">;

  constructor(into: string | undefined) {
    const path = `${into}/${LEDGER_NAME}.partial`;
    this.file = into === undefined ? NOTHING : systemFiles.open(path, "write");
  }

  [Symbol.dispose](): void {
    this.file.close();
  }
}

/** What each Worker has of a job. */
interface Desk {
  readonly gate: PieceGate | undefined;
  readonly checkStopped: () => void;
  readonly stop: () => void;
  readonly onProgress: (done: number, total: number) => void;
}

function deskOf(job: ExtractJob): Desk {
  const stop = new Int32Array(job.stop);
  const gate = job.gate && new PieceGate(job.gate);
  let toldMs = -Infinity;
  return {
    gate,
    checkStopped() {
      if (Atomics.load(stop, 0) !== 0) throw new Cancelled();
    },
    stop() {
      Atomics.store(stop, 0, 1);
      gate?.wake();
    },
    onProgress(done, total) {
      const nowMs = performance.now();
      if (nowMs - toldMs < PROGRESS_MS && done < total) return;
      toldMs = nowMs;
      scope.postMessage({ kind: "progress", done, total });
    },
  };
}

interface OpenArchive extends Disposable {
  readonly source: ArchiveSource;
  /** The same for who only looks ahead. */
  readonly look: ArchiveSource;
  readonly allocated: () => number;
}

/** Through handles of its own: other threads go on writing and reading through others. */
function openArchive(job: ExtractJob, { gate, checkStopped }: Desk, reader = 0): OpenArchive {
  if (gate !== undefined && job.segmentBytes !== undefined) {
    const reader = new SegmentReader(systemFiles, { folder: job.archive, segmentBytes: job.segmentBytes });
    const onMoved = () => {
      reader[Symbol.dispose]();
      scope.postMessage({ kind: "moved" });
    };
    const source = gate.source((into, at) => reader.readAt(into, at), { checkStopped, onMoved });
    const close = () => reader[Symbol.dispose]();
    return { source, look: source, allocated: () => reader.allocated(), [Symbol.dispose]: close };
  }
  const file = systemFiles.open(job.archive, "read");
  const read: ArchiveSource["readAt"] = (into, at) => {
    checkStopped();
    return file.readAt(into, at);
  };
  const opened = { allocated: () => file.facts().allocated, [Symbol.dispose]: () => file.close() };
  if (gate === undefined) {
    const source = { size: file.facts().size, readAt: read };
    return { ...opened, source, look: source };
  }
  const source = gate.source(read, { checkStopped, reader });
  return { ...opened, source, look: gate.source(read, { checkStopped, reader, isLook: true }) };
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
