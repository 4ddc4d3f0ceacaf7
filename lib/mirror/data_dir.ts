// The data directory: the one owner of the names in it, and of the lock that keeps a second instance out.
// Upstream's names lie at the top, ours in `.nano-snap/`. Opening makes what is missing, proves that it can be
// written before anything is fetched, and refuses a producer's output directory, whose snapshot-meta.json has the
// same name and another meaning.

import { join } from "node:path";
import { parseUtf8 } from "../bytes.ts";
import { DirectoryHeld, PathUnusable } from "../errors.ts";
import type { Clock, FileLock, Files } from "../ports.ts";

/** The name every OpenRai torrent has, and so the archive's in the data directory. */
export const ARCHIVE_NAME = "nano-ledger-snapshot.7z";
/** What a node calls its ledger, and what extraction leaves. */
export const LEDGER_NAME = "data.ldb";

/** Where everything lies. `hash` is a torrent's v2 info-hash in hex (v1 where a torrent has no other). */
export class DataPaths {
  readonly root: string;
  /** Ours alone: upstream's program never looks into it. */
  readonly own: string;
  readonly archive: string;
  readonly ledger: string;
  /** Upstream's. */
  readonly mirrorState: string;
  readonly snapshotMeta: string;
  /** Only a producer's output directory has it. */
  readonly publisherState: string;
  readonly lock: string;
  /** The DHT's routing cache; never trust state. */
  readonly dht: string;
  /** Peers of the last fetch; never trust state. */
  readonly peers: string;
  readonly trust: string;
  readonly installed: string;
  readonly status: string;

  constructor(root: string) {
    this.root = root;
    this.own = join(root, ".nano-snap");
    this.archive = join(root, ARCHIVE_NAME);
    this.ledger = join(root, LEDGER_NAME);
    this.mirrorState = join(root, "mirror_state.json");
    this.snapshotMeta = join(root, "snapshot-meta.json");
    this.publisherState = join(root, "publisher_state.json");
    this.lock = join(this.own, "lock");
    this.dht = join(this.own, "dht.json");
    this.peers = join(this.own, "peers.json");
    this.trust = join(this.own, "trust.json");
    this.installed = join(this.own, "installed.json");
    this.status = join(this.own, "status.json");
  }

  /** The info dictionary and piece layers, so that seeding starts without a network. */
  torrent(hash: string): string {
    return join(this.own, "torrents", `${hash}.torrent`);
  }

  /** A snapshot being fetched. */
  incoming(hash: string): string {
    return join(this.own, "incoming", hash);
  }

  /** A snapshot that passes through in segments and is never here as a whole. */
  segments(hash: string): string {
    return join(this.own, "incoming", `${hash}.segments`);
  }

  /** An old snapshot still seeded. */
  kept(hash: string): string {
    return join(this.own, "kept", hash);
  }

  /** A seeded copy of a ledger, never the node's live file. */
  snapshot(hash: string): string {
    return join(this.own, "snapshots", hash, LEDGER_NAME);
  }

  /** Which pieces are on disk. */
  resume(hash: string): string {
    return join(this.own, "resume", hash);
  }
}

/** A data directory that this process holds until it closes it or dies. */
export class DataDir implements Disposable {
  readonly paths: DataPaths;
  readonly #lock: FileLock;

  private constructor(paths: DataPaths, lock: FileLock) {
    this.paths = paths;
    this.#lock = lock;
  }

  /**
   * Makes the directory if need be, checks that files can be made in it, and takes its lock.
   *
   * @param root Relative paths count from the current folder.
   * @param holder.role Told to whoever finds the directory held: "get".
   * @throws {PathUnusable} When it cannot be made or written, or is a producer's output directory.
   * @throws {DirectoryHeld} When another instance has it, naming that one.
   */
  static open(
    root: string,
    files: Files,
    holder: { role: string; pid: number; clock: Clock },
  ): DataDir {
    const paths = new DataPaths(root);
    refuseProducerDirectory(paths, files);
    try {
      files.makeDir(paths.own);
      // Mode bits say little (root, read-only mounts, access lists): a file that could be made is proof. Each folder
      // has its own rights, and the lock file may be older than they are.
      for (const folder of [paths.root, paths.own]) {
        const probe = join(folder, ".nano-snap-probe");
        files.open(probe, "create").close();
        files.remove(probe);
      }
      const since = new Date(holder.clock.unixMs()).toISOString();
      const lock = files.lock(paths.lock, `nano-snap ${holder.role}, process ${holder.pid}, since ${since}`);
      if (lock !== undefined) return new DataDir(paths, lock);
    } catch (error) {
      if (!(error instanceof PathUnusable)) throw error;
      throw new PathUnusable(`Cannot use the data directory ${root}: ${lowerFirst(error.message)}`, {
        cause: error,
      });
    }
    throw new DirectoryHeld(
      `Cannot use the data directory ${root}: another instance holds it (${holderOf(paths, files)})`,
    );
  }

  /** Lets the next instance in. */
  close(): void {
    this.#lock.release();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function refuseProducerDirectory(paths: DataPaths, files: Files): void {
  if (files.stat(paths.publisherState) === undefined) return;
  throw new PathUnusable(
    `Cannot use ${paths.root} as a data directory: publisher_state.json shows that it is a producer's output directory`,
  );
}

/** The lock file's note on one line; where locks keep readers out, or it is damaged, at least the file. */
function holderOf(paths: DataPaths, files: Files): string {
  try {
    const note = parseUtf8(files.read(paths.lock, MAX_NOTE_BYTES) ?? new Uint8Array());
    const line = note?.replace(/[^\x20-\x7e]+/g, " ").trim();
    if (line !== undefined && line !== "") return line;
  } catch {
    // Told below.
  }
  return `see ${paths.lock}`;
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

/** Ours are below 100; more is not ours and is not repeated. */
const MAX_NOTE_BYTES = 400;
