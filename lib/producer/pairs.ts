// What lies in an output directory to be seeded: an archive with its .torrent beside it, named by snapshot-meta.json,
// and earlier such pairs under retained/<v2 info-hash>/. Nothing is opened or checked here; see served.ts.

import { join } from "node:path";
import { toHex } from "../bytes.ts";
import { MetainfoInvalid, PathUnusable, SnapError, WireFault } from "../errors.ts";
import { shortHash } from "../format.ts";
import type { Files } from "../ports.ts";
import { MAX_TORRENT_BYTES } from "../torrent/limits.ts";
import { type Metainfo, parseTorrent } from "../torrent/metainfo.ts";
import { readMeta } from "./snapshot_meta.ts";

/** An archive and the torrent that was made of it. */
export interface Pair {
  readonly archivePath: string;
  readonly torrentPath: string;
  readonly metainfo: Metainfo;
  /** Info-hash, hex. */
  readonly v2: string;
}

/** The output directory's names. */
export class OutputPaths {
  readonly root: string;
  /** Which archive and torrent are current. */
  readonly meta: string;
  readonly stats: string;
  readonly publisherState: string;
  readonly retained: string;
  /** Ours alone. */
  readonly own: string;
  readonly lock: string;
  /** The DHT's routing cache. */
  readonly dht: string;

  constructor(root: string) {
    this.root = root;
    this.meta = join(root, "snapshot-meta.json");
    this.stats = join(root, "seeder-stats.json");
    this.publisherState = join(root, "publisher_state.json");
    this.retained = join(root, "retained");
    this.own = join(root, ".nano-snap");
    this.lock = join(this.own, "seed.lock");
    this.dht = join(this.own, "dht.json");
  }

  get checkedFolder(): string {
    return join(this.own, "checked");
  }

  /** Which file was found to be that torrent's content. */
  checked(v2: string): string {
    return join(this.checkedFolder, `${v2}.json`);
  }

  retainedPair(v2: string): string {
    return join(this.retained, v2);
  }
}

/**
 * The pair that snapshot-meta.json names.
 *
 * @throws {PathUnusable} When there is none. @throws {MetainfoInvalid} When its torrent cannot be used.
 */
export function findCurrent(files: Files, paths: OutputPaths): Pair {
  const cannot = (why: string) => new PathUnusable(`Cannot seed from ${paths.root}: ${why}; ${ADVICE}`);
  if (files.stat(paths.root)?.kind !== "directory") {
    throw new PathUnusable(`Cannot seed from ${paths.root}: there is no such folder`);
  }
  if (files.stat(paths.meta) === undefined) throw cannot("it has no snapshot-meta.json");
  const { value: meta, warning } = readMeta(files, paths.meta);
  const named = meta["torrent_info_hash"];
  if (warning !== undefined || typeof named !== "string" || !/^[0-9a-f]{64}$/.test(named)) {
    throw cannot(warning ?? "its snapshot-meta.json names no torrent");
  }
  const torrents = torrentsIn(files, paths.root);
  if (torrents.length === 0) throw cannot("no archive there has its .torrent beside it");
  let fault: unknown;
  for (const path of torrents) {
    try {
      const pair = readPair(files, path);
      if (pair.v2 === named) return pair;
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      fault ??= error;
    }
  }
  throw fault ??
    cannot(`its snapshot-meta.json names ${shortHash(named)}, and no .torrent there is that one`);
}

/** Hashes of the retained pairs, the one that was retained last first. */
export function listRetained(files: Files, paths: OutputPaths): string[] {
  const found = files.list(paths.retained).filter((name) => /^[0-9a-f]{64}$/.test(name)).map((v2) => {
    const [torrent] = torrentsIn(files, paths.retainedPair(v2));
    return { v2, sinceMs: torrent === undefined ? 0 : files.stat(torrent)?.mtimeMs ?? 0 };
  });
  return found.sort((a, b) => b.sinceMs - a.sinceMs).map(({ v2 }) => v2);
}

/** @throws {PathUnusable | MetainfoInvalid} */
export function findRetained(files: Files, paths: OutputPaths, v2: string): Pair {
  const folder = paths.retainedPair(v2);
  const [torrent] = torrentsIn(files, folder);
  if (torrent === undefined) throw new PathUnusable(`Cannot seed from ${folder}: nothing is whole there`);
  const pair = readPair(files, torrent);
  if (pair.v2 === v2) return pair;
  throw new PathUnusable(`Cannot seed from ${folder}: its torrent is ${shortHash(pair.v2)}`);
}

/** The .torrent files that have an archive beside them. */
function torrentsIn(files: Files, folder: string): string[] {
  return files.list(folder).filter((name) => name.endsWith(SUFFIX)).map((name) => join(folder, name)).filter((
    path,
  ) => files.stat(archiveOf(path))?.kind === "file");
}

/** @throws {PathUnusable | MetainfoInvalid} */
function readPair(files: Files, torrentPath: string): Pair {
  const bytes = files.read(torrentPath, MAX_TORRENT_BYTES);
  if (bytes === undefined) throw new PathUnusable(`Cannot read ${torrentPath}: it is gone`);
  const metainfo = parse(bytes, torrentPath);
  const { infoHashV2, isSingleFile } = metainfo.info;
  if (infoHashV2 === undefined || !isSingleFile) {
    throw new MetainfoInvalid(`${torrentPath} is not a v2 torrent of one file`);
  }
  return { archivePath: archiveOf(torrentPath), torrentPath, metainfo, v2: toHex(infoHashV2) };
}

function parse(bytes: Uint8Array, path: string): Metainfo {
  try {
    return parseTorrent(bytes);
  } catch (error) {
    if (!(error instanceof MetainfoInvalid || error instanceof WireFault)) throw error;
    throw new MetainfoInvalid(`${path}: ${error.why}`, { cause: error });
  }
}

function archiveOf(torrentPath: string): string {
  return torrentPath.slice(0, -SUFFIX.length);
}

const SUFFIX = ".torrent";
const ADVICE = "make it with: nano-snap produce publish FILE";
