// Of which torrent a file is: the one that the user names, the one beside it, or the one that an earlier run in the same
// directory wrote down. Nothing is written, moved or asked for.

import { basename, dirname } from "node:path";
import { SnapError, UsageError } from "../errors.ts";
import { DataPaths } from "../mirror/data_dir.ts";
import { type Installed, readInstalled } from "../mirror/installed.ts";
import { readSnapshotMeta } from "../mirror/mirror_state.ts";
import { readSavedTorrent } from "../mirror/target.ts";
import type { JsonObject } from "../json_file.ts";
import type { Files } from "../ports.ts";
import { isWanted } from "../torrent/metadata_fetch.ts";
import { parseMagnet } from "../torrent/magnet.ts";
import type { Metainfo } from "../torrent/metainfo.ts";
import { readTorrent } from "./subject.ts";

/** What names the torrent on the command line. */
export interface NamedTorrent {
  readonly kind: "torrent" | "magnet";
  readonly text: string;
}

/** The torrent of a file or folder; undefined when none is known. @throws {UsageError | PathUnusable | MetainfoInvalid} */
export function findTorrent(
  path: string,
  named: NamedTorrent | undefined,
  files: Files,
): Metainfo | undefined {
  if (named?.kind === "torrent") return readTorrent(named.text, files);
  if (named === undefined) {
    return torrentBeside(path, files) ??
      recordedFor(path, files).find(({ info }) => info.name === basename(path));
  }
  const { infoHashV1, infoHashV2 } = parseMagnet(named.text);
  if (infoHashV1 === undefined && infoHashV2 === undefined) {
    throw new UsageError(
      "That magnet names no torrent but an authority: without it, what is recorded here is taken",
    );
  }
  const wanted = infoHashV2 === undefined ? { either: infoHashV1! } : { infoHashV2 };
  const known = [torrentBeside(path, files), ...recordedFor(path, files), ...savedNear(path, files)];
  const found = known.find((one) => one !== undefined && isWanted(wanted, one.info.bytes));
  if (found !== undefined) return found;
  throw new UsageError(
    "The torrent of that magnet is not here, and verify asks nobody: name its .torrent file with --torrent",
  );
}

/** What an earlier run recorded of this very path; undefined when nothing. */
export function installedAt(path: string, files: Files): Installed | undefined {
  const { value } = readInstalled(readOnly(files), new DataPaths(dirname(path)).installed);
  return value !== undefined && basename(value.path) === basename(path) ? value : undefined;
}

/** What lies beside it as snapshot-meta.json; empty when nothing does. */
export function metaBeside(path: string, files: Files): JsonObject {
  return readSnapshotMeta(readOnly(files), new DataPaths(dirname(path)).snapshotMeta).value;
}

function torrentBeside(path: string, files: Files): Metainfo | undefined {
  try {
    return readTorrent(`${path}.torrent`, files);
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    return undefined;
  }
}

/** Those that the state files of its directory name. */
function recordedFor(path: string, files: Files): Metainfo[] {
  return saved([installedAt(path, files)?.v2, metaBeside(path, files)["torrent_info_hash"]], path, files);
}

function savedNear(path: string, files: Files): Metainfo[] {
  const names = files.list(dirname(new DataPaths(dirname(path)).torrent("")));
  return saved(names.map((name) => name.replace(/\.torrent$/, "")), path, files);
}

function saved(hashes: readonly unknown[], path: string, files: Files): Metainfo[] {
  const paths = new DataPaths(dirname(path));
  return hashes.flatMap((hash) => {
    const isHash = typeof hash === "string" && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash);
    const torrent = isHash ? readSavedTorrent(files, paths, hash) : undefined;
    return torrent === undefined ? [] : [torrent];
  });
}

/** Damaged state files are moved aside by whoever may write: not by us. */
function readOnly(files: Files): Files {
  return Object.assign(Object.create(files) as Files, { rename: () => {} });
}
