// The job of `nano-snap produce run`, from a source to a pointer that strangers can read, in one command that a timer may
// call as often as it likes:
//
//   lock -> source -> [nothing new: done] -> archive -> torrent -> in its place -> published -> hub, seeder told
//
// Each arrow can be the last of one run and the first of the next. The output directory changes only when all that can be
// wrong with the new snapshot has been looked at.

import { basename, dirname, join } from "node:path";
import { toHex } from "../bytes.ts";
import { DirectoryHeld, invariant, MetainfoInvalid, PathUnusable, UsageError } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatBytes, shellWord } from "../format.ts";
import type { JsonObject } from "../json_file.ts";
import type { FileLock, Files } from "../ports.ts";
import type { CreateOptions } from "./create.ts";
import { HubNews } from "./hub_news.ts";
import type { SigningKey } from "./keys.ts";
import { findLedger } from "./ledger_copy.ts";
import { isArchiveName } from "./packer.ts";
import { findCurrent, OutputPaths, type Pair } from "./pairs.ts";
import { choosePieceLength } from "./piece_length.ts";
import { prepareSnapshot } from "./prepare.ts";
import { type PublishedSnapshot, type PublishingMachine, publishSnapshot } from "./publish_snapshot.ts";
import type { DhtReach } from "./publisher_dht.ts";
import { PublisherState } from "./publisher_state.ts";
import { isNoRetention, prune, retain } from "./retention.ts";
import { tellSeeder } from "./seeder_call.ts";
import { isAbout, readMeta } from "./snapshot_meta.ts";
import { openSource, type Source, type SourceMachine, type SourceOptions } from "./sources.ts";
import { isSameJson, SOURCE_KEY, Staging } from "./staging.ts";

export interface RunOptions {
  readonly outputDir: string;
  readonly source: SourceOptions;
  readonly key: SigningKey;
  readonly salt: Uint8Array;
  /** undefined: publisher_state.json in the output directory. */
  readonly stateFile: string | undefined;
  readonly dht: DhtReach;
  /** `originalFilename` undefined: what the source calls the archive. */
  readonly torrent: Omit<CreateOptions, "path">;
  /** How many earlier archives are kept. */
  readonly retain: number;
  /** A status hub's URL. */
  readonly hub: string | undefined;
}

/** What a run came to. */
export interface RunResult {
  /** The archive. */
  readonly path: string;
  /** undefined: the source has nothing new, and what it has is published. */
  readonly published: PublishedSnapshot | undefined;
  /** Whether a seeder was told; undefined: none runs. */
  readonly seeder: number | undefined;
}

export interface RunMachine extends SourceMachine, PublishingMachine {}

/**
 * Runs it once.
 *
 * @throws {UsageError} When the directory is that of the ledger.
 * @throws {DirectoryHeld} When another run has the directory. @throws As `openSource` and `Source.make`, `prepareSnapshot`,
 *   `publishSnapshot`. @throws The signal's reason.
 */
export async function produceRun(
  options: RunOptions,
  machine: RunMachine,
  report: Report,
  signal: AbortSignal,
): Promise<RunResult> {
  signal.throwIfAborted();
  const paths = new OutputPaths(options.outputDir);
  refuseLedgerInside(options, machine.files);
  const lock = takeLock(paths, machine);
  try {
    return await new Run(options, machine, report, signal, paths).run();
  } finally {
    lock.release();
  }
}

class Run {
  readonly #options: RunOptions;
  readonly #machine: RunMachine;
  readonly #report: Report;
  readonly #signal: AbortSignal;
  readonly #paths: OutputPaths;
  readonly #staging: Staging;
  readonly #hub: HubNews;

  constructor(
    options: RunOptions,
    machine: RunMachine,
    report: Report,
    signal: AbortSignal,
    paths: OutputPaths,
  ) {
    this.#options = options;
    this.#machine = machine;
    this.#report = report;
    this.#signal = signal;
    this.#paths = paths;
    this.#staging = new Staging(machine.files, paths);
    const { hub, key } = options;
    this.#hub = new HubNews({ machine, paths, hub, key, report, signal });
  }

  async run(): Promise<RunResult> {
    // What an earlier run made ready and did not move any more.
    this.#staging.commit();
    const source = await openSource(this.#options.source, this.#machine, this.#report, this.#signal);
    const present = this.#present(source);
    if (present !== undefined && await this.#isPublished(present)) {
      this.#note("info", `Nothing to do: ${nameOf(source)} is the one that is published`);
      await this.#hub.tellAgain(`${present.path}.torrent`, present.meta["torrent_info_hash"]);
      return { path: present.path, published: undefined, seeder: this.#seeder() };
    }
    const before = this.#before();
    const path = present?.path ?? await this.#makeNew(source, before);
    const published = await this.#publish(this.#torrentOf(path, source));
    const { prepared, publication: { item: { seq } } } = published;
    await this.#hub.tell(prepared.torrentPath, { v2: toHex(prepared.info.infoHashV2!), seq });
    const seeder = this.#tellSeeder();
    this.#tidy(before, published, seeder !== undefined);
    return { path, published, seeder };
  }

  /** The archive in the output directory, when it is the source's newest. */
  #present(source: Source): { path: string; meta: JsonObject } | undefined {
    const { files } = this.#machine;
    const path = join(this.#paths.root, source.archiveName);
    const facts = files.stat(path);
    const { value: meta } = readMeta(files, this.#paths.meta);
    if (facts?.kind !== "file") return undefined;
    if (meta[SOURCE_KEY] !== undefined) {
      return isSameJson(meta[SOURCE_KEY], source.record) && isAbout(meta, facts) ? { path, meta } : undefined;
    }
    // Upstream's program left it: name and size are what it went by.
    const isSame = source.size !== undefined && meta["original_filename"] === source.originalFilename &&
      meta["size_bytes"] === source.size && facts.size === source.size;
    return isSame ? { path, meta } : undefined;
  }

  async #isPublished({ path, meta }: { path: string; meta: JsonObject }): Promise<boolean> {
    const { files, pid } = this.#machine;
    const { key, salt, stateFile } = this.#options;
    if (files.stat(`${path}.torrent`)?.kind !== "file") return false;
    const stream = { publicKey: key.publicKey, salt };
    const statePath = stateFile ?? this.#paths.publisherState;
    if (files.stat(statePath) === undefined) return false;
    return await this.#whenFree(() => {
      using state = PublisherState.open({ files, path: statePath, stream, pid, report: this.#report });
      return Promise.resolve(state.last !== undefined && state.last.infoHash === meta["torrent_info_hash"]);
    });
  }

  /** @returns The new archive, in its place. */
  async #makeNew(source: Source, before: Pair | undefined): Promise<string> {
    const into = this.#staging.archive(source.archiveName);
    if (!this.#staging.holds(source.record, source.archiveName)) {
      this.#staging.begin(source.record);
      await source.make({ into, tmp: this.#staging.tmp });
    }
    await prepareSnapshot(this.#torrentOf(into, source), this.#machine, this.#report, this.#signal);
    // From `finish` on the next run may move it, and knows nothing of the one before.
    this.#retain(before);
    this.#staging.finish(source.record);
    this.#noteLink(join(this.#paths.root, source.archiveName));
    const path = this.#staging.commit();
    invariant(path !== undefined, "what was made ready can be moved");
    return path;
  }

  /** The same wherever the archive lies. */
  #torrentOf(path: string, source: Source): CreateOptions {
    const { torrent } = this.#options;
    const size = this.#machine.files.stat(path)?.size ?? 0;
    return {
      ...torrent,
      path,
      pieceLength: torrent.pieceLength ?? choosePieceLength(size, source.pieceLength),
      originalFilename: torrent.originalFilename ?? source.originalFilename,
    };
  }

  async #publish(torrent: CreateOptions): Promise<PublishedSnapshot> {
    const { key, salt, dht } = this.#options;
    const stateFile = this.#options.stateFile ?? this.#paths.publisherState;
    // A free port: the stream's own is the seeder's.
    const options = { torrent, key, salt, stateFile, dht: { ...dht, port: 0 }, dryRun: false };
    return await this.#whenFree(() => publishSnapshot(options, this.#machine, this.#report, this.#signal));
  }

  /** The seeder holds the state file for the seconds that its own publishing takes. */
  async #whenFree<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1;; tries++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof DirectoryHeld) || tries === STATE_TRIES) throw error;
        this.#note("debug", error.message);
        await this.#machine.clock.sleep(STATE_PAUSE_MS, this.#signal);
        this.#signal.throwIfAborted();
      }
    }
  }

  /** The pair that the new one replaces; undefined when there is none that is whole. */
  #before(): Pair | undefined {
    try {
      return findCurrent(this.#machine.files, this.#paths);
    } catch (error) {
      if (error instanceof PathUnusable || error instanceof MetainfoInvalid) return undefined;
      throw error;
    }
  }

  #retain(before: Pair | undefined): void {
    if (before === undefined || this.#options.retain === 0) return;
    try {
      retain(this.#machine.files, this.#paths, before);
    } catch (error) {
      if (!isNoRetention(error)) throw error;
      this.#note("warning", `${error.message}; it is not kept`);
    }
  }

  /** Upstream's program makes a link of this name; what it leads to is nobody's from now on. */
  #noteLink(path: string): void {
    const { files } = this.#machine;
    const target = files.realPath(path);
    if (target === undefined || target === join(files.realPath(this.#paths.root)!, basename(path))) return;
    this.#note("warning", `${path} was a link; ${target} is not used any more and may be removed`);
  }

  #seeder(): number | undefined {
    return tellSeeder(this.#machine, this.#paths, false);
  }

  #tellSeeder(): number | undefined {
    const pid = tellSeeder(this.#machine, this.#paths, true);
    this.#note("info", pid === undefined ? this.#nextCommand() : `The seeder (process ${pid}) takes it over`);
    return pid;
  }

  #nextCommand(): string {
    return `Nobody seeds it yet; next, with the same key: nano-snap produce seed --output-dir ${
      shellWord(this.#paths.root)
    }`;
  }

  /** A seeder retains and removes by itself; an archive of another kind is in nobody's way any more. */
  #tidy(before: Pair | undefined, { prepared }: PublishedSnapshot, isSeeded: boolean): void {
    const { files } = this.#machine;
    const current = toHex(prepared.info.infoHashV2!);
    if (!isSeeded) prune(files, this.#paths, { current, keep: this.#options.retain });
    if (before === undefined || before.archivePath === prepared.path) return;
    if (!isArchiveName(basename(before.archivePath))) return;
    this.#note(
      "info",
      `Removing ${before.archivePath} (${formatBytes(files.stat(before.archivePath)?.size ?? 0)})`,
    );
    files.remove(before.torrentPath);
    files.remove(before.archivePath);
  }

  #note(level: "debug" | "info" | "warning", text: string): void {
    this.#report({ kind: "note", level, logger: "producer.run", text });
  }
}

function nameOf({ originalFilename, record }: Source): string {
  return originalFilename ?? `the ledger as of transaction ${record["last_transaction"]}`;
}

/** A ledger has the name of an archive: where those go it would be replaced by its copy, or removed as an earlier one. */
function refuseLedgerInside({ source, outputDir }: RunOptions, files: Files): void {
  if (source.kind !== "ledger") return;
  const path = findLedger(files, source.path);
  const [there, root] = [dirname(files.realPath(path) ?? path), outputDir].map((folder) =>
    files.stat(folder)
  );
  if (there === undefined || there.inode !== root?.inode || there.device !== root.device) return;
  throw new UsageError(
    `Cannot produce in ${outputDir}: the ledger itself lies there; name another folder with --output-dir`,
  );
}

/** Upstream's name, so that the two programs keep out of each other's way. @throws {DirectoryHeld | PathUnusable} */
function takeLock(paths: OutputPaths, { files, clock, pid }: { files: Files } & RunMachine): FileLock {
  const path = join(paths.root, ".snapshot.lock");
  files.makeDir(paths.root);
  const since = new Date(clock.unixMs()).toISOString();
  const lock = files.lock(path, `nano-snap produce run, process ${pid}, since ${since}`);
  if (lock !== undefined) return lock;
  throw new DirectoryHeld(`Cannot produce in ${paths.root}: another run has it (see ${path})`);
}

/** A minute: publishing takes seconds. */
const STATE_TRIES = 12;
const STATE_PAUSE_MS = 5000;
