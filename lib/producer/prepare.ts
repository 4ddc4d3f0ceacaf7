// A file made ready for its swarm: FILE.torrent and snapshot-meta.json beside it. What an earlier run found out about
// the same bytes is used again, as long as the file is untouched since and the torrent is wanted the same.

import { basename } from "node:path";
import { toHex } from "../bytes.ts";
import { MetainfoInvalid, OperationFailed, WireFault } from "../errors.ts";
import type { Report } from "../events.ts";
import type { JsonObject } from "../json_file.ts";
import type { FileFacts, Files } from "../ports.ts";
import type { Info } from "../torrent/info.ts";
import { MAX_TORRENT_BYTES } from "../torrent/limits.ts";
import { parseTorrent } from "../torrent/metainfo.ts";
import { type CreatedTorrent, type CreateOptions, createTorrent } from "./create.ts";
import type { ProducerMachine } from "./machine.ts";
import {
  isAbout,
  markOf,
  metaPathOf,
  readMeta,
  TORRENT_FORMAT_VERSION,
  torrentOptionsIn,
  writeMeta,
} from "./snapshot_meta.ts";

/** A snapshot that may be published and seeded. */
export interface Prepared {
  readonly path: string;
  readonly torrentPath: string;
  readonly metaPath: string;
  readonly info: Info;
  /** Of the whole file, hex. */
  readonly sha256: string;
  /** Whether an earlier run's torrent serves. */
  readonly isReused: boolean;
}

/**
 * Makes the torrent, or finds it made, and writes snapshot-meta.json.
 *
 * @throws As `createTorrent`. Nothing is written unless the file was the same from beginning to end.
 */
export async function prepareSnapshot(
  options: CreateOptions,
  machine: ProducerMachine,
  report: Report,
  signal: AbortSignal,
): Promise<Prepared> {
  const { path } = options;
  const { files } = machine;
  const metaPath = metaPathOf(path);
  const { value: meta, warning } = readMeta(files, metaPath);
  if (warning !== undefined) report({ kind: "note", level: "warning", logger: LOGGER, text: warning });
  const facts = files.stat(path);
  const known = facts !== undefined && facts.kind === "file" && isAbout(meta, facts) ? meta : {};
  const wanted = recordOf(files, options);
  const found = sameJson(torrentOptionsIn(known), wanted) ? findTorrent(files, options, known) : undefined;
  if (found !== undefined) {
    report({
      kind: "note",
      level: "info",
      logger: LOGGER,
      text: `${path}.torrent is of this very file: used again`,
    });
  }

  const { torrent, sha256 } = await makeMissing({ options, machine, report, signal, found, known });
  const after = files.stat(path);
  // The torrent's maker looks at its own time; the other hash may have read on.
  if (after === undefined || (facts !== undefined && !sameJson(markOf(after), markOf(facts)))) {
    throw new OperationFailed(`Cannot use ${path}: it changed while it was hashed`);
  }
  const { info } = torrent;
  writeMeta(files, metaPath, {
    original_filename: torrent.originalFilename ?? basename(path),
    sha256,
    size_bytes: after.size,
    torrent_format_version: TORRENT_FORMAT_VERSION,
    downloaded_at: downloadedAt(meta, sha256, after),
    torrent_info_hash: toHex(info.infoHashV2!),
    torrent_info_hash_v1: info.infoHashV1 === undefined ? "" : toHex(info.infoHashV1),
  }, { mark: markOf(after), torrentOptions: wanted });
  const isReused = found !== undefined;
  return { path, torrentPath: `${path}.torrent`, metaPath, info, sha256, isReused };
}

type Torrent = Pick<CreatedTorrent, "info" | "originalFilename">;

interface Missing {
  readonly options: CreateOptions;
  readonly machine: ProducerMachine;
  readonly report: Report;
  readonly signal: AbortSignal;
  readonly found: Torrent | undefined;
  readonly known: JsonObject;
}

/** What both need is done in one go: the file is read once. */
async function makeMissing(job: Missing): Promise<{ torrent: Torrent; sha256: string }> {
  const { options, machine, report, signal, found, known } = job;
  const digest = known["sha256"];
  const recorded = typeof digest === "string" && /^[0-9a-f]{64}$/.test(digest) ? digest : undefined;
  if (found !== undefined) return { torrent: found, sha256: recorded ?? await wholeHash(job) };
  const torrent = await createTorrent(options, machine, report, signal, { whole: recorded === undefined });
  return { torrent, sha256: recorded ?? torrent.sha256! };
}

async function wholeHash(
  { options: { path }, machine: { files, hasher }, report, signal }: Missing,
): Promise<string> {
  const size = files.stat(path)?.size ?? 0;
  let doneBytes = 0;
  const onProgress = (bytes: number) => {
    doneBytes += bytes;
    report({ kind: "work", label: "Hashing as a whole", doneBytes, totalBytes: size });
  };
  return toHex(await hasher.hashWhole({ path, size, signal, onProgress }));
}

/** The torrent that an earlier run made; undefined when there is none, or it is not the one that was recorded. */
function findTorrent(files: Files, { path }: CreateOptions, known: JsonObject): Torrent | undefined {
  const bytes = files.read(`${path}.torrent`, MAX_TORRENT_BYTES);
  if (bytes === undefined) return undefined;
  try {
    const { info } = parseTorrent(bytes);
    const hash = info.infoHashV2 === undefined ? "" : toHex(info.infoHashV2);
    const isRecorded = hash === known["torrent_info_hash"] && info.name === basename(path);
    const name = known["original_filename"];
    return isRecorded ? { info, originalFilename: typeof name === "string" ? name : undefined } : undefined;
  } catch (error) {
    if (error instanceof MetainfoInvalid || error instanceof WireFault) return undefined;
    throw error;
  }
}

/** All that decides about the torrent, beside the file's bytes. */
function recordOf(files: Files, options: CreateOptions): JsonObject {
  const { path, pieceLength, formatFacts, v2Only, trackers } = options;
  return {
    piece_length: pieceLength ?? null,
    original_filename: options.originalFilename ?? basename(files.realPath(path) ?? path),
    format_facts: formatFacts,
    v2_only: v2Only,
    trackers,
  };
}

/** When the archive came here: as recorded for the same bytes, or what the file system says. */
function downloadedAt(meta: JsonObject, sha256: string, { mtimeMs }: FileFacts): string {
  const recorded = meta["downloaded_at"];
  const isSame = meta["sha256"] === sha256 && typeof recorded === "string" && recorded !== "";
  return isSame ? recorded : new Date(mtimeMs).toISOString();
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const LOGGER = "producer.torrent";
