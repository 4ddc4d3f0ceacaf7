// The whole job of extraction, as the Worker runs it: tell the kind, unpack the one member into `data.ldb.partial`,
// sync it. Whatever goes wrong, the partial file is gone before the error is out.

import { VerificationFailed } from "../errors.ts";
import type { Files } from "../ports.ts";
import {
  type ArchiveFormat,
  type ArchiveSource,
  BadArchive,
  headOf,
  type LedgerSink,
  type Progress,
  readThrough,
} from "./archive.ts";
import type { BlockCrew } from "./blocks.ts";
import type { Extracted } from "./extractor.ts";
import { LedgerOutput } from "./output.ts";
import { unpackSevenZip } from "./seven_zip.ts";
import { sniff, SNIFF_BYTES } from "./sniff.ts";
import { unpackStream } from "./stream.ts";
import { TarReader } from "./tar.ts";

export interface UnpackJob {
  readonly source: ArchiveSource;
  /** The archive's name, for messages. */
  readonly archive: string;
  /** The folder for `data.ldb.partial`. */
  readonly into: string;
  /** Called before each read and write; ends the job by throwing. */
  readonly checkCancelled: () => void;
  /** Bytes that others are going to write to the same disk meanwhile. */
  readonly toComeBytes?: () => number;
  readonly onProgress: Progress;
  /** Threads that may help with a .7z of independent blocks. */
  readonly crew?: BlockCrew | undefined;
}

/** @see Extractor.extract For results and errors. */
export async function unpackLedger(files: Files, job: UnpackJob): Promise<Extracted> {
  const { checkCancelled, onProgress } = job;
  const output = new LedgerOutput({
    files,
    folder: job.into,
    beforeWrite: checkCancelled,
    onProgress,
    ...(job.toComeBytes && { toComeBytes: job.toComeBytes }),
  });
  const source: ArchiveSource = {
    size: job.source.size,
    readAt(into, at) {
      checkCancelled();
      return job.source.readAt(into, at);
    },
  };
  try {
    const format = await unpackInto(output, source, job);
    return { path: output.path, size: await output.finish(), format };
  } catch (error) {
    throw refusalOf(error, job.archive);
  } finally {
    output.discard();
  }
}

/** The error as those who called know it. */
export function refusalOf(error: unknown, archive: string): unknown {
  if (!(error instanceof BadArchive)) return error;
  return new VerificationFailed(`Cannot unpack ${archive}: ${error.message}`, { cause: error });
}

async function unpackInto(
  sink: LedgerSink,
  source: ArchiveSource,
  { onProgress, crew }: Pick<UnpackJob, "onProgress" | "crew">,
): Promise<ArchiveFormat> {
  const container = sniff(headOf(source, SNIFF_BYTES));
  switch (container) {
    case "7z":
      await unpackSevenZip(source, sink, crew);
      return "7z";
    case "zst":
    case "gz":
      return await unpackStream(container, source, sink, onProgress);
    case "tar": {
      const tar = new TarReader(sink);
      await readThrough(source, (bytes) => tar.write(bytes));
      tar.end();
      return "tar";
    }
    case "ldb":
      sink.begin(source.size);
      await readThrough(source, (bytes) => sink.write(bytes));
      return "ldb";
    case undefined:
      throw new BadArchive(
        source.size === 0 ? "it is empty" : "it is none of .7z, .tar, .tar.gz, .tar.zst, .ldb.zst and .ldb",
      );
  }
}
