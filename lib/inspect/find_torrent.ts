// Of which torrent a file is: the one that the user names, the authority's newest, the one beside the file, or the one that
// an earlier run in the same directory wrote down. What is not here is asked of whoever knows. Nothing is written or moved.

import { basename, dirname } from "node:path";
import { SnapError, UsageError } from "../errors.ts";
import type { JsonObject } from "../json_file.ts";
import { DataPaths } from "../mirror/data_dir.ts";
import { type Installed, readInstalled } from "../mirror/installed.ts";
import { readSnapshotMeta } from "../mirror/mirror_state.ts";
import type { Source } from "../mirror/options.ts";
import { ofPointer, readSavedTorrent, readSource, type Target } from "../mirror/target.ts";
import type { Files } from "../ports.ts";
import type { Candidate } from "../snapshot/discover.ts";
import type { Stream } from "../snapshot/trust.ts";
import { Layout } from "../torrent/layout.ts";
import { isWanted } from "../torrent/metadata_fetch.ts";
import type { Metainfo } from "../torrent/metainfo.ts";
import { PieceLayers } from "../torrent/piece_layers.ts";
import { readTorrent } from "./subject.ts";

/** What a file is to be compared with, as the user says it: a torrent, or the authority's newest. */
export type Named = Source | { readonly kind: "newest" };

/** Whoever knows of torrents that are not here; lib/mirror/learn.ts asks the network. */
export interface TorrentSource {
  newest(stream: Stream): Promise<Candidate>;
  /** With the hashes of all pieces. */
  learn(target: Target): Promise<Metainfo>;
}

/** A torrent to compare with. */
export interface Found {
  readonly metainfo: Metainfo;
  /** What its authority signed for it, just now; undefined for a torrent that nobody was asked about. */
  readonly signed?: { readonly stream: Stream; readonly seq: number };
}

/** Finds the torrents of some files that are to be compared with the same thing; nobody is asked twice. */
export class TorrentFinder {
  readonly #named: Named | undefined;
  readonly #stream: Stream;
  readonly #files: Files;
  readonly #others: TorrentSource | undefined;
  #newest: Promise<Candidate> | undefined;
  readonly #learnt = new Map<string, Promise<Metainfo>>();

  /** @param others undefined when nobody is to be asked. */
  constructor(
    { named, stream, files, others }: {
      readonly named: Named | undefined;
      readonly stream: Stream;
      readonly files: Files;
      readonly others: TorrentSource | undefined;
    },
  ) {
    this.#named = named;
    this.#stream = stream;
    this.#files = files;
    this.#others = others;
  }

  /**
   * @returns undefined when none was named, and nothing says of which torrent this is.
   * @throws {UsageError | PathUnusable | MetainfoInvalid} What `others` throws, too.
   */
  async of(path: string): Promise<Found | undefined> {
    const named = this.#named;
    if (named === undefined) {
      const metainfo = torrentBeside(path, this.#files) ??
        recordedFor(path, this.#files).find(({ info }) => info.name === basename(path));
      return metainfo && { metainfo };
    }
    if (named.kind === "torrent") return { metainfo: readTorrent(named.path, this.#files) };
    if (named.kind === "newest") return await this.#signed(path, this.#stream);
    const read = readSource(named, this.#files);
    return read.kind === "authority"
      ? await this.#signed(path, read)
      : { metainfo: await this.#torrentOf(path, read.target) };
  }

  async #signed(path: string, stream: Stream): Promise<Found> {
    this.#newest ??= this.#ask().newest(stream);
    const { pointer, item } = await this.#newest;
    const metainfo = await this.#torrentOf(path, ofPointer(pointer));
    return { metainfo, signed: { stream, seq: item.seq } };
  }

  /** Here, where it is whole here. */
  async #torrentOf(path: string, target: Target): Promise<Metainfo> {
    const files = this.#files;
    const known = [torrentBeside(path, files), ...recordedFor(path, files), ...savedNear(path, files)];
    const here = known.find((one) => one && isWanted(target.wanted, one.info.bytes) && hasAllHashes(one));
    if (here !== undefined) return here;
    const learnt = this.#learnt.get(target.name) ?? this.#ask().learn(target);
    this.#learnt.set(target.name, learnt);
    return await learnt;
  }

  #ask(): TorrentSource {
    if (this.#others !== undefined) return this.#others;
    throw new UsageError("That torrent is not here, and nobody is to be asked: name its .torrent file");
  }
}

/** What a magnet or an info-hash names, as others tell it. */
export async function learnSource(
  source: ReturnType<typeof readSource>,
  others: TorrentSource,
): Promise<Found> {
  if (source.kind === "target") return { metainfo: await others.learn(source.target) };
  const { pointer, item: { seq } } = await others.newest(source);
  return { metainfo: await others.learn(ofPointer(pointer)), signed: { stream: source, seq } };
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

/** A .torrent file may leave the hashes of its pieces to peers. */
function hasAllHashes({ info, pieceLayers }: Metainfo): boolean {
  return info.kind === "v1" || new PieceLayers(Layout.of(info), pieceLayers).isComplete;
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
