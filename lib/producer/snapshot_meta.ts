// snapshot-meta.json as a producer writes it (upstream.md 4), beside the archive: what the archive is and which torrent
// was made of it. Upstream's keys keep their meaning, those that we do not know are kept; one of ours,
// `nano_snap`, says of which file all that was found out, so that it need not be found out again.

import { dirname, join } from "node:path";
import { isJsonObject, type JsonObject, type Reading, readJsonFile, writeJsonFile } from "../json_file.ts";
import type { FileFacts, FileNumber, Files } from "../ports.ts";

/** Upstream's keys. Hashes in hex. */
export interface ProducerMeta {
  /** What the archive's source called it. */
  readonly original_filename: string;
  /** Of the whole archive. */
  readonly sha256: string;
  readonly size_bytes: number;
  /** 3: as upstream's hybrid torrents. */
  readonly torrent_format_version: number;
  /** ISO 8601, UTC. */
  readonly downloaded_at: string;
  readonly torrent_info_hash: string;
  /** "" for a torrent without v1 half. */
  readonly torrent_info_hash_v1: string;
}

/** Which bytes a record is about, as far as a file system can tell without reading them. */
export interface FileMark {
  readonly size: number;
  readonly mtime_ms: number;
  readonly device: number;
  readonly inode: FileNumber;
}

export const TORRENT_FORMAT_VERSION = 3;

/** `<folder of the archive>/snapshot-meta.json`. */
export function metaPathOf(archivePath: string): string {
  return join(dirname(archivePath), "snapshot-meta.json");
}

/** Reads the file as it is; empty, with a warning, where it cannot be used. @throws {PathUnusable} */
export function readMeta(files: Files, path: string): Reading<JsonObject> {
  return readJsonFile(files, path, (json) => json, {});
}

/**
 * Writes the given keys and keeps all others.
 *
 * @param mark Of the file that they are about. `torrentOptions`: what its torrent was made with, in any shape.
 */
export function writeMeta(
  files: Files,
  path: string,
  changed: Partial<ProducerMeta>,
  { mark, torrentOptions }: { readonly mark: FileMark; readonly torrentOptions?: JsonObject },
): void {
  const { value: current } = readMeta(files, path);
  const ours = { ...mark, ...(torrentOptions === undefined ? {} : { torrent_options: torrentOptions }) };
  writeJsonFile(files, path, { ...current, ...changed, nano_snap: ours });
}

/** Whether what is recorded is about the file that now has these facts. */
export function isAbout(meta: JsonObject, facts: FileFacts): boolean {
  const recorded = meta["nano_snap"];
  if (!isJsonObject(recorded)) return false;
  return Object.entries(markOf(facts)).every(([key, value]) => recorded[key] === value);
}

/** What the torrent was made with. */
export function torrentOptionsIn(meta: JsonObject): unknown {
  const recorded = meta["nano_snap"];
  return isJsonObject(recorded) ? recorded["torrent_options"] : undefined;
}

/** What tells one state of a file from another. */
export function markOf({ size, mtimeMs, device, inode }: FileFacts): FileMark {
  return { size, mtime_ms: mtimeMs, device, inode };
}
