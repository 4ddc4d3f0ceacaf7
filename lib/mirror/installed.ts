// installed.json: what was extracted last, and from which snapshot. It decides "already current" without reading a
// hundred gigabytes, so it counts only while the file is untouched since: same size, time and identity on disk.

import type { FileFacts, FileNumber, Files } from "../ports.ts";
import { isFileNumber, type JsonObject, type Reading, readJsonFile, writeJsonFile } from "../json_file.ts";

/** A file that we finished, under the names of installed.json. */
export interface Installed {
  /** Info-hash in hex: v2, or v1 where the torrent has no other. */
  readonly v2: string;
  /** The v1 info-hash in hex; null where the torrent has none. */
  readonly v1: string | null;
  /** The pointer's seq when it was fetched; null when it came without a pointer. */
  readonly seq: number | null;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970, fractions kept. */
  readonly mtime: number;
  readonly inode: FileNumber;
}

/** undefined when nothing was installed, or nobody can tell. */
export function readInstalled(files: Files, path: string): Reading<Installed | undefined> {
  return readJsonFile<Installed | undefined>(files, path, parseInstalled, undefined);
}

/** Records the file at `installed.path` as it lies on disk now. @throws {PathUnusable} When it is not there. */
export function writeInstalled(
  files: Files,
  path: string,
  installed: Pick<Installed, "v2" | "v1" | "seq" | "path">,
): void {
  const file = files.open(installed.path, "read");
  const facts = file.facts();
  file.close();
  const record: Installed = {
    v2: installed.v2,
    v1: installed.v1,
    seq: installed.seq,
    path: installed.path,
    size: facts.size,
    mtime: facts.mtimeMs,
    inode: facts.inode,
  };
  writeJsonFile(files, path, { ...record });
}

/**
 * Whether the recorded file is the wanted snapshot's and still untouched.
 *
 * @param facts Of `installed.path`, as the disk says now; undefined when nothing is there.
 */
export function isCurrent(
  installed: Installed | undefined,
  wanted: { readonly v2: string; readonly path: string },
  facts: FileFacts | undefined,
): boolean {
  return installed !== undefined && facts !== undefined && facts.kind === "file" &&
    installed.v2 === wanted.v2 && installed.path === wanted.path &&
    installed.size === facts.size && installed.mtime === facts.mtimeMs && installed.inode === facts.inode;
}

function parseInstalled(json: JsonObject): Installed | undefined {
  const { v2, v1, seq, path, size, mtime, inode } = json;
  if (typeof v2 !== "string" || typeof path !== "string") return undefined;
  if (v1 !== null && typeof v1 !== "string") return undefined;
  if (seq !== null && typeof seq !== "number") return undefined;
  if (typeof size !== "number" || typeof mtime !== "number" || !isFileNumber(inode)) return undefined;
  return { v2, v1, seq, path, size, mtime, inode };
}
