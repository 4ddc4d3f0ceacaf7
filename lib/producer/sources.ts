// Where a producer's archive comes from: an archive that an index names, or a node's ledger. Both come down to a record,
// which tells whether there is anything new, and a way to make the archive.

import { join } from "node:path";
import { SnapError } from "../errors.ts";
import type { Report } from "../events.ts";
import { readLedgerFacts } from "../ledger/facts.ts";
import type { JsonObject } from "../json_file.ts";
import type { Clock, Files, HttpClient, HttpStreams } from "../ports.ts";
import { remoteToJson } from "./download_journal.ts";
import { findLedger, takeLedger } from "./ledger_copy.ts";
import { packLedger, type PackMachine, planPacking } from "./pack.ts";
import { ARCHIVE_NAMES, fetchedName, type PackFormat } from "./packer.ts";
import { DEFAULT_PIECE_LENGTH } from "./piece_length.ts";
import { download, type DownloadLimits, findRemote, refuseFailedBefore } from "./ranged_download.ts";
import { readSourceIndex } from "./source_index.ts";

/** What a producer is asked to publish. */
export type SourceOptions =
  | { readonly kind: "index"; readonly url: string; readonly limits: DownloadLimits }
  | { readonly kind: "ledger"; readonly path: string; readonly format: PackFormat };

/** An archive that can be had. */
export interface Source {
  /** The same for the same content, and only then; see `Staging`. */
  readonly record: JsonObject;
  /** The archive's name in the output directory. */
  readonly archiveName: string;
  /** What its source calls it; undefined when it has no name of its own. */
  readonly originalFilename: string | undefined;
  /** Bytes: where the choice of a piece length begins. */
  readonly pieceLength: number;
  /** Bytes of the archive, where that is known before. */
  readonly size: number | undefined;
  /** Makes the whole, checked archive. @param tmp For what is on its way. */
  make(place: { readonly into: string; readonly tmp: string }): Promise<void>;
}

export interface SourceMachine extends PackMachine {
  readonly clock: Clock;
  readonly http: HttpClient & HttpStreams;
}

/** Looks at the source. @throws As `readSourceIndex` and `findRemote`, or `findLedger`. */
export function openSource(
  options: SourceOptions,
  machine: SourceMachine,
  report: Report,
  signal: AbortSignal,
): Promise<Source> {
  return options.kind === "index"
    ? openIndex(options, machine, report, signal)
    : Promise.resolve(openLedger(options, machine, report, signal));
}

async function openIndex(
  { url, limits }: SourceOptions & { kind: "index" },
  machine: SourceMachine,
  report: Report,
  signal: AbortSignal,
): Promise<Source> {
  const { files, http } = machine;
  const source = await readSourceIndex(http, url, signal);
  const remote = await findRemote(source.url, machine, limits, signal);
  return {
    record: { kind: "index", name: source.name, ...remoteToJson(remote) },
    archiveName: fetchedName(remote.kind, source.name),
    originalFilename: source.name,
    pieceLength: remote.kind === "ldb" ? LEDGER_PIECE_LENGTH : DEFAULT_PIECE_LENGTH,
    size: remote.size,
    async make({ into, tmp }) {
      const place = { folder: tmp, name: source.name };
      refuseFailedBefore(files, place, remote);
      dropOtherDownloads(files, tmp, source.name);
      report({ kind: "note", level: "info", logger: "producer.source", text: `Fetching ${source.name}` });
      files.rename(await download(remote, place, machine, { limits, report, signal }), into);
    },
  };
}

/** What is left of archives that are not the newest any more. What failed stays: it says what must not be fetched again. */
function dropOtherDownloads(files: Files, tmp: string, name: string): void {
  for (const there of files.list(tmp)) {
    const isOther = !there.startsWith(`${name}.`) && /\.(partial|journal)$/.test(there);
    if (isOther) files.remove(join(tmp, there));
  }
}

function openLedger(
  { path: given, format }: SourceOptions & { kind: "ledger" },
  machine: SourceMachine,
  report: Report,
  signal: AbortSignal,
): Source {
  const { files } = machine;
  const path = findLedger(files, given);
  return {
    record: { kind: "ledger", path, format, ...stateOf(files, path) },
    archiveName: ARCHIVE_NAMES[format],
    originalFilename: undefined,
    pieceLength: format === "ldb" ? LEDGER_PIECE_LENGTH : DEFAULT_PIECE_LENGTH,
    size: undefined,
    async make({ into, tmp }) {
      const folder = join(tmp, "copy");
      files.removeAll(folder);
      try {
        const size = files.stat(path)?.size ?? 0;
        const archiveBytes = format === "ldb" ? 0 : planPacking(format, size, machine).bytes;
        const options = { folder, needsCopy: format === "ldb", alsoNeeded: archiveBytes };
        const ledger = await takeLedger(path, options, machine, report, signal);
        if (format === "ldb") files.rename(ledger.path, into);
        else {
          const { check } = ledger;
          await packLedger({ ledger: ledger.path, into, format, check }, machine, report, signal);
        }
      } finally {
        files.removeAll(folder);
      }
    },
  };
}

/** How far a ledger is; read while a node may be writing, so that a strange page only means "not known to be the same". */
function stateOf(files: Files, path: string): JsonObject {
  const file = files.open(path, "read");
  try {
    const { last_transaction, size } = readLedgerFacts(file);
    return { last_transaction, size };
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    const { size, mtimeMs } = file.facts();
    return { last_transaction: null, size, mtime_ms: mtimeMs };
  } finally {
    file.close();
  }
}

/** A ledger's pages keep their places: small pieces let a mirror find those that did not change. */
const LEDGER_PIECE_LENGTH = 4 << 20;
