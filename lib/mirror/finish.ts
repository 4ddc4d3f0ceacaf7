// From a whole, verified torrent in `incoming/` to what the user asked for: the archive in the data directory, or the
// ledger out of it, checked and put in its place by one rename. State files are written last, so that a run which
// dies here is gone on with, not believed.

import { dirname, join } from "node:path";
import type { Report } from "../events.ts";
import { toHex } from "../bytes.ts";
import type { Extracted } from "../extract/extractor.ts";
import { findArchive } from "../extract/folder.ts";
import type { Candidate } from "../snapshot/discover.ts";
import { filePathsIn, nameOf } from "./content_options.ts";
import { type DataPaths, LEDGER_NAME } from "./data_dir.ts";
import type { Fetched } from "./fetch_options.ts";
import { readInstalled, writeInstalled } from "./installed.ts";
import type { LedgerPlace, SnapshotName } from "./ledger_place.ts";
import { discardIncoming, discardReplaced, discardSuperseded, discardTorrent } from "./leftovers.ts";
import type { Machine } from "./machine.ts";
import { recordSnapshot } from "./mirror_state.ts";
import type { GetResult } from "./options.ts";
import type { Info } from "../torrent/metainfo.ts";
import { originalFilename } from "../torrent/x_snapshot.ts";
import { publishedMs, summaryOf } from "./snapshot_facts.ts";
import type { Unpacking } from "./unpacking.ts";

export interface FinishOptions {
  readonly machine: Machine;
  readonly paths: DataPaths;
  /** Where the ledger is to stay. */
  readonly place: LedgerPlace;
  readonly report: Report;
  readonly signal: AbortSignal;
  readonly extract: boolean;
  readonly keepArchive: boolean;
  readonly fetched: Fetched;
  /** What was begun while it was fetched; undefined when nothing was. */
  readonly unpacking: Unpacking | undefined;
  /** undefined when the torrent was named without a pointer. */
  readonly candidate: Candidate | undefined;
  readonly startedMs: number;
}

/** @throws {VerificationFailed} When archive or ledger is not what it must be: nothing in place was touched. */
export async function finish(options: FinishOptions): Promise<GetResult> {
  const { machine, paths, place, fetched, candidate, extract, keepArchive } = options;
  const { files, clock } = machine;
  const { info } = fetched;
  const name = nameOf(info);
  const seq = candidate?.item.seq;
  const v1 = info.infoHashV1 && toHex(info.infoHashV1);
  const of: SnapshotName = { v2: name, v1: v1 ?? null, seq: seq ?? null };
  const ledger = extract ? await place.put(await unpack(options), of) : undefined;
  const archive = extract && !keepArchive ? undefined : archivePlace(paths, info, extract);
  if (archive !== undefined) placeArchive(machine, paths, fetched, archive);
  const path = extract ? place.path : archive!;
  const before = readInstalled(files, paths.installed).value;
  if (info.isSingleFile || extract) {
    writeInstalled(files, paths.installed, { ...of, path });
  }
  recordSnapshot(files, paths, info, candidate?.item, ledger && summaryOf(ledger));
  // By its journal a mirror knows that it is whole.
  if (archive === paths.snapshot(name)) files.removeAll(paths.incoming(name));
  else discardIncoming(machine, paths, info);
  discardSuperseded(machine, paths, info);
  if (archive === undefined) {
    files.removeAll(fetched.path === paths.snapshot(name) ? dirname(fetched.path) : fetched.path);
    // Of a ledger that came as it is the next one may take whatever is the same, without hashing all of this one.
    const isItself = info.name === LEDGER_NAME && path === join(paths.root, info.name);
    if (!isItself) discardTorrent(machine, paths, info);
  }
  if (before?.path === path && before.v2 !== name) discardReplaced(machine, paths, before.v2);
  if (extract) place.settle();
  const published = publishedMs(originalFilename(info));
  return {
    path,
    size: extract ? files.stat(path)?.size ?? 0 : info.totalLength,
    seq,
    publishedMs: published,
    ageMs: published && clock.unixMs() - published,
    infoHash: info.infoHashV2 && toHex(info.infoHashV2),
    infoHashV1: v1,
    alreadyCurrent: false,
    archive,
    ledger: ledger && summaryOf(ledger),
    downloadedBytes: fetched.downloadedBytes,
    elapsedMs: clock.nowMs() - options.startedMs,
  };
}

/**
 * Where the archive stays. A ledger that came as it is stays beside the one that a node may take, where a mirror would
 * serve it.
 */
export function archivePlace(paths: DataPaths, info: Info, extract: boolean): string {
  const isLedger = extract && info.isSingleFile && info.name === LEDGER_NAME;
  return isLedger ? paths.snapshot(nameOf(info)) : join(paths.root, info.name);
}

/**
 * Out of `incoming/` by one rename, or by one for each file where the folder is there: what else is in it stays, and a file
 * that a killed run has moved is not moved again.
 */
export function placeArchive(
  { files }: Machine,
  paths: DataPaths,
  { info, path }: Pick<Fetched, "info" | "path">,
  archive: string,
): void {
  if (path === archive) return;
  files.makeDir(dirname(archive));
  if (info.isSingleFile || files.stat(archive) === undefined) return files.rename(path, archive);
  const sources = filePathsIn(dirname(path), info);
  for (const [i, target] of filePathsIn(paths.root, info).entries()) {
    if (files.stat(sources[i]!) === undefined) continue;
    files.makeDir(dirname(target));
    files.rename(sources[i]!, target);
  }
}

/** Unpacks beside the final place. @returns The partial file. */
async function unpack(options: FinishOptions): Promise<string> {
  const extracted = await (options.unpacking?.result() ?? extract(options));
  return extracted.path;
}

function extract({ machine, place, fetched, report, signal }: FinishOptions): Promise<Extracted> {
  const { info, path } = fetched;
  const folder = { name: info.name, path, members: info.files.map((file) => file.path) };
  return machine.extractor.extract({
    archive: info.isSingleFile ? path : findArchive(machine.files, folder),
    into: place.folder,
    signal,
    onProgress: (doneBytes, totalBytes) =>
      report({ kind: "work", label: "Extracting", doneBytes, totalBytes }),
  });
}
