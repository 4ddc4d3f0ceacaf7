// What a thing is, without unpacking it or writing anywhere: the job of `nano-snap inspect`. Nobody is asked, unless what
// a magnet names is to be asked of its peers.

import { OperationFailed, UsageError, VerificationFailed } from "../errors.ts";
import type { Report } from "../events.ts";
import { BadArchive, sourceOf } from "../extract/archive.ts";
import { type ArchiveListing, listArchive } from "../extract/listing.ts";
import type { Examination, ExaminationJob } from "../ledger/examination.ts";
import { type LedgerFacts, readLedgerFacts } from "../ledger/facts.ts";
import { minimumNode } from "../ledger/node_version.ts";
import { readSource } from "../mirror/target.ts";
import type { Magnet } from "../torrent/magnet.ts";
import type { Metainfo } from "../torrent/metainfo.ts";
import { type Found, learnSource, type TorrentSource } from "./find_torrent.ts";
import type { InspectMachine } from "./machine.ts";
import { type Subject, subjectOf } from "./subject.ts";

/** What is to be looked at. */
export interface InspectOptions {
  /** A path, a magnet or an info-hash. */
  readonly word: string;
  /** Also what takes a walk over the ledger's tables. */
  readonly full: boolean;
}

/** A torrent: in a file, or as its peers describe it. */
export interface InspectedTorrent {
  readonly kind: "torrent";
  /** undefined for one that is in no file. */
  readonly path: string | undefined;
  readonly metainfo: Metainfo;
  /** Who signed it as the newest, where that is what was asked. */
  readonly signed?: Found["signed"];
}

/** What was found out. */
export type Inspected =
  | { readonly kind: "magnet"; readonly magnet: Magnet }
  | { readonly kind: "info-hash"; readonly bytes: Uint8Array }
  | InspectedTorrent
  | ({ readonly kind: "archive"; readonly path: string; readonly size: number } & ArchiveListing)
  | InspectedLedger;

/** A ledger, by its quick facts and what was counted. */
export interface InspectedLedger {
  readonly kind: "ledger";
  readonly path: string;
  readonly facts: LedgerFacts;
  /** The first node release that takes it; see minimumNode. */
  readonly minimumNode: string | undefined;
  /** With `full`: the sum of the accounts' block counts. */
  readonly accountBlocks: number | undefined;
}

/**
 * Finds out what something is.
 *
 * @param others Asked what the torrent of a magnet or an info-hash is; undefined when nobody is to be asked.
 * @throws {VerificationFailed} When it is damaged where it was looked at, or of no kind that we know.
 */
export async function inspect(
  { word, full }: InspectOptions,
  machine: InspectMachine,
  report: Report,
  signal: AbortSignal,
  others?: TorrentSource,
): Promise<Inspected> {
  const subject = subjectOf(word, machine.files);
  if (others !== undefined) return await inspectLearnt(subject, word, machine, others);
  switch (subject.kind) {
    case "magnet":
    case "torrent":
      return subject;
    case "infoHash":
      return { kind: "info-hash", bytes: subject.bytes };
    case "archive":
      return await inspectArchive(subject.path, machine);
    case "ledger":
      return await inspectLedger(subject.path, { full, machine, report, signal });
    case "unknown":
      throw new VerificationFailed(
        `Cannot tell what ${subject.path} is: it does not begin as a torrent, an archive or a ledger`,
      );
  }
}

async function inspectLearnt(
  subject: Subject,
  word: string,
  { files }: InspectMachine,
  others: TorrentSource,
): Promise<InspectedTorrent> {
  if (subject.kind !== "magnet" && subject.kind !== "infoHash") {
    throw new UsageError(`--fetch asks peers what a magnet or an info-hash names: ${word} is here`);
  }
  const source = subject.kind === "magnet" ? { kind: "magnet" as const, text: word } : subject;
  const { metainfo, signed } = await learnSource(readSource(source, files), others);
  return { kind: "torrent", path: undefined, metainfo, ...(signed && { signed }) };
}

/** Shows how far an examination is. */
export function examinationProgress(report: Report): ExaminationJob["onProgress"] {
  return ({ stage, doneBytes, totalBytes }) =>
    report({
      kind: "work",
      label: stage === "branches" ? "Walking the trees" : "Checking pages",
      doneBytes,
      totalBytes,
    });
}

/** The facts of the ledger at a path. @throws {VerificationFailed} */
export function ledgerFactsAt(path: string, { files }: Pick<InspectMachine, "files">): LedgerFacts {
  const file = files.open(path, "read");
  try {
    return readLedgerFacts(file);
  } finally {
    file.close();
  }
}

async function inspectArchive(path: string, { files }: InspectMachine): Promise<Inspected> {
  const file = files.open(path, "read");
  try {
    const listing = await listArchive(sourceOf(file));
    if (listing === undefined) throw new OperationFailed(`Cannot read ${path}: it changed meanwhile`);
    return { kind: "archive", path, size: file.facts().size, ...listing };
  } catch (error) {
    if (!(error instanceof BadArchive)) throw error;
    throw new VerificationFailed(`Cannot read the archive ${path}: ${error.message}`, { cause: error });
  } finally {
    file.close();
  }
}

async function inspectLedger(
  path: string,
  { full, machine, report, signal }: {
    full: boolean;
    machine: InspectMachine;
    report: Report;
    signal: AbortSignal;
  },
): Promise<InspectedLedger> {
  const facts = ledgerFactsAt(path, machine);
  for (const text of facts.warnings) report({ kind: "note", level: "warning", logger: "inspect", text });
  const counted = full ? await count(path, machine, report, signal) : undefined;
  return {
    kind: "ledger",
    path,
    facts: { ...facts, cemented_count: counted?.cementedCount },
    minimumNode: facts.version === undefined ? undefined : minimumNode(facts.version),
    accountBlocks: counted?.accountBlocks,
  };
}

async function count(
  path: string,
  machine: InspectMachine,
  report: Report,
  signal: AbortSignal,
): Promise<Examination> {
  const onProgress = examinationProgress(report);
  const counted = await machine.examiner.examine({
    path,
    tables: ["accounts", "confirmation_height"],
    signal,
    onProgress,
  });
  const [first] = counted.problems;
  if (first === undefined) return counted;
  throw new VerificationFailed(
    `Cannot count what is in ${path}: table ${first.table}: ${first.text}; nano-snap verify ${path} tells all`,
  );
}
