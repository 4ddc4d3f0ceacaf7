// The job of `nano-snap produce seed`, from its lock to its end: serves what the output directory holds for as long as
// it runs, keeps the pointer to the current archive published, looks for the next one, and tells what it does.
//
//   lock, pair -> line -> checked -> served, published -> another pair -> checked -> served, published -> ...
//
// Which archives are served meanwhile is succession.ts's. One archive's trouble never ends the others: after the start
// only a stop or a bug does.

import { basename } from "node:path";
import { equalBytes, parseHex, toHex } from "../bytes.ts";
import { DirectoryHeld, SnapError } from "../errors.ts";
import type { Report, SnapshotFacts, Traffic } from "../events.ts";
import { formatBytes, formatRate, shortHash } from "../format.ts";
import { Line, type LineOptions } from "../line/line.ts";
import type { TrackerSettings } from "../line/trackers.ts";
import type { FileLock, Files } from "../ports.ts";
import { pointerValue } from "../snapshot/pointer.ts";
import { originalFilename } from "../torrent/x_snapshot.ts";
import { KeepPublished } from "./keep_published.ts";
import type { SigningKey } from "./keys.ts";
import { findCurrent, OutputPaths, type Pair } from "./pairs.ts";
import { openReader } from "./publisher_dht.ts";
import { type SeederMoment, writeSeederStats } from "./seeder_stats.ts";
import { isSame, type SeedMachine, type Served } from "./served.ts";
import { markOf } from "./snapshot_meta.ts";
import { Succession } from "./succession.ts";

export interface SeedOptions {
  readonly outputDir: string;
  /** undefined: whoever has the key publishes; this only seeds. */
  readonly key: SigningKey | undefined;
  readonly salt: Uint8Array;
  /** undefined: publisher_state.json in the output directory. */
  readonly stateFile: string | undefined;
  readonly line: LineOptions;
  readonly trackers: TrackerSettings;
  /** How many earlier archives are kept and seeded. */
  readonly retain: number;
}

/** Tells of each wish to look at the output directory now, until the signal aborts. */
export type OnReload = (reload: () => void) => void;

/**
 * Seeds until the signal aborts.
 *
 * @throws {PathUnusable} When there is nothing to seed. @throws {VerificationFailed} When it is not what its torrent says.
 * @throws {DirectoryHeld} When another seeder has the directory. @throws {PortTaken | UsageError} As `Line.open`.
 * @throws The signal's reason.
 */
export async function seed(
  options: SeedOptions,
  machine: SeedMachine,
  report: Report,
  signal: AbortSignal,
  onReload: OnReload,
): Promise<never> {
  signal.throwIfAborted();
  const paths = new OutputPaths(options.outputDir);
  const pair = findCurrent(machine.files, paths);
  // Before the lock: who finds its holder there may send the signal at once.
  const wish = { reload: false };
  onReload(() => wish.reload = true);
  const lock = takeLock(paths, machine);
  report({ kind: "facts", facts: { directory: paths.own } });
  try {
    const line = await Line.open(machine, paths.dht, { ...options.line, saysReachability: true }, report);
    try {
      return await new Seeder({ options, machine, report, paths, line, wish }).run(pair, signal);
    } finally {
      await line[Symbol.asyncDispose]();
    }
  } catch (error) {
    if (!signal.aborted && error instanceof SnapError) {
      report({ kind: "facts", facts: { lastError: error.message } });
      report({ kind: "phase", phase: "error", previous: "stopped", logger: LOGGER });
    }
    throw error;
  } finally {
    report({ kind: "facts", facts: { directory: undefined } });
    lock.release();
  }
}

class Seeder {
  readonly #options: SeedOptions;
  readonly #machine: SeedMachine;
  readonly #report: Report;
  readonly #paths: OutputPaths;
  readonly #line: Line;
  readonly #keeper: KeepPublished | undefined;
  readonly #startedMs: number;
  readonly #broken = Promise.withResolvers<never>();
  readonly #archives: Succession;
  #reloading: Promise<void> | undefined;
  /** Somebody wants the directory to be looked at now. */
  readonly #wish: { reload: boolean };
  /** What the directory looked like when it was last looked at. */
  #seen = "";
  #state: SeederMoment["state"] | "starting" = "starting";

  constructor(parts: {
    options: SeedOptions;
    machine: SeedMachine;
    report: Report;
    paths: OutputPaths;
    line: Line;
    wish: { reload: boolean };
  }) {
    this.#options = parts.options;
    this.#machine = parts.machine;
    this.#report = parts.report;
    this.#paths = parts.paths;
    this.#line = parts.line;
    this.#wish = parts.wish;
    this.#startedMs = parts.machine.clock.nowMs();
    const { line: { bind }, trackers, retain: keep } = parts.options;
    const onBug = (error: unknown) => this.#broken.reject(error);
    this.#archives = new Succession({ ...parts, trackers, bind, keep, onBug });
    this.#keeper = this.#makeKeeper();
    this.#broken.promise.catch(() => {});
  }

  async run(pair: Pair, signal: AbortSignal): Promise<never> {
    const { clock } = this.#machine;
    const stop = new AbortController();
    const stopped = AbortSignal.any([signal, stop.signal]);
    const tasks: Promise<void>[] = [];
    const spawn = (task: Promise<void>) => tasks.push(task.catch((error) => this.#broken.reject(error)));
    this.#line.session.failed.catch((error) => this.#broken.reject(error));
    try {
      this.#note("info", `Listening on port ${this.#line.port}`);
      spawn(this.#tellForEver(stopped));
      this.#seen = this.#look();
      await Promise.race([this.#load(pair, stopped), this.#broken.promise]);
      if (this.#keeper !== undefined) spawn(this.#keeper.run(stopped));
      spawn(this.#archives.loadRetained(stopped));
      spawn(this.#watchForEver(stopped));
      const aborted = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => aborted.reject(signal.reason));
      if (signal.aborted) aborted.reject(signal.reason);
      return await Promise.race([aborted.promise, this.#broken.promise]);
    } finally {
      stop.abort();
      await Promise.all([...tasks, this.#reloading]);
      await this.#archives[Symbol.asyncDispose]();
      this.#tell("stopped");
      this.#note("info", `Seeded for ${Math.round((clock.nowMs() - this.#startedMs) / 1000)} s`);
    }
  }

  /** Checks a pair and makes it the current one. @throws {SnapError} */
  async #load(pair: Pair, signal: AbortSignal): Promise<void> {
    const served = this.#archives.find(pair) ?? await this.#archives.open(pair, signal);
    this.#archives.makeCurrent(served, pair);
    if (this.#keeper === undefined) this.#archives.settle();
    else this.#keeper.publish(pointerValue(pair.metainfo.info.infoHashV2!));
    this.#tell("seeding");
  }

  /** Once a second: what has changed, and who may go. */
  async #watchForEver(signal: AbortSignal): Promise<void> {
    const { clock } = this.#machine;
    let polledMs = clock.nowMs();
    while (!signal.aborted) {
      await clock.sleep(TICK_MS, signal);
      const nowMs = clock.nowMs();
      if (this.#archives.dropSpoiled()) this.#wish.reload = true;
      this.#archives.letGo(nowMs);
      const isDue = nowMs - polledMs >= POLL_MS;
      if (signal.aborted || this.#reloading !== undefined || !(this.#wish.reload || isDue)) continue;
      polledMs = nowMs;
      const seen = this.#look();
      if (!this.#wish.reload && seen === this.#seen) continue;
      this.#note("debug", `Looking at ${this.#paths.root} again`);
      this.#wish.reload = false;
      this.#seen = seen;
      this.#reloading = this.#reload(signal).catch((error) => this.#broken.reject(error))
        .finally(() => this.#reloading = undefined);
    }
  }

  async #reload(signal: AbortSignal): Promise<void> {
    const { files } = this.#machine;
    try {
      const pair = findCurrent(files, this.#paths);
      const current = this.#archives.current;
      const facts = files.stat(pair.archivePath);
      const isNews = current?.pair.v2 !== pair.v2 || facts === undefined ||
        !isSame(markOf(facts), current.mark);
      if (isNews) await this.#load(pair, signal);
      else this.#note("info", `${shortHash(pair.v2)} is still the current one`);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof SnapError)) throw error;
      const rest = this.#archives.current === undefined
        ? ""
        : `; still seeding ${shortHash(this.#archives.current.pair.v2)}`;
      this.#note("warning", `${error.message}${rest}`);
    }
  }

  async #tellForEver(signal: AbortSignal): Promise<void> {
    const { clock } = this.#machine;
    for (let round = 0; !signal.aborted; round++) {
      this.#tell(this.#archives.current === undefined ? "checking" : "seeding");
      if (round > 0 && round % HEARTBEAT_ROUNDS === 0) this.#note("info", this.#heartbeat());
      await clock.sleep(STATS_MS, signal);
    }
  }

  /** Tells what it does, to whoever watches this run and in seeder-stats.json. */
  #tell(state: SeederMoment["state"]): void {
    const { clock, files } = this.#machine;
    const current = this.#archives.current;
    const publishing = this.#keeper?.status;
    const traffic = this.#traffic();
    this.#report({ kind: "facts", facts: { publication: publishing } });
    this.#report({
      kind: "standing",
      standing: {
        ...traffic,
        snapshot: current && factsOf(current, publishing?.isVerified === true ? publishing.seq : undefined),
        kept: this.#archives.retainedCount,
        newestSeq: publishing?.seq,
        foundUnixMs: publishing?.lastUnixMs,
        trouble: undefined,
      },
    });
    if (state !== this.#state) {
      this.#report({ kind: "phase", phase: state, previous: this.#state, logger: LOGGER });
      this.#state = state;
    }
    try {
      writeSeederStats(files, this.#paths.stats, {
        state,
        peers: traffic.connections,
        upBytesPerSec: traffic.upRate,
        uploadedBytes: traffic.uploadedBytes,
        current: current &&
          { name: basename(current.pair.archivePath), size: current.mark.size, v2: current.pair.v2 },
        uptimeMs: clock.nowMs() - this.#startedMs,
        unixMs: clock.unixMs(),
        publishing,
        retained: this.#archives.retainedCount,
      });
    } catch (error) {
      // A full disk stops no upload.
      if (!(error instanceof SnapError)) throw error;
      this.#note("debug", error.message);
    }
  }

  #heartbeat(): string {
    const { connections, upRate, uploadedBytes } = this.#traffic();
    return `Seeding | Peers: ${connections} | UL: ${formatRate(upRate)} | Total UL: ${
      formatBytes(uploadedBytes)
    }`;
  }

  #traffic(): Traffic {
    const nowMs = this.#machine.clock.nowMs();
    return { ...this.#archives.moment(nowMs), dhtNodes: this.#line.dht?.nodeCount ?? 0 };
  }

  /** What names and describes the current pair, in one word that changes with it. */
  #look(): string {
    const { files } = this.#machine;
    const known = this.#archives.current?.pair;
    const watched = [this.#paths.meta, known?.archivePath, known?.torrentPath];
    const marks = watched.map((path) => {
      const facts = path === undefined ? undefined : files.stat(path);
      return facts === undefined ? null : markOf(facts);
    });
    return JSON.stringify([files.list(this.#paths.root).filter((name) => name.endsWith(".torrent")), marks]);
  }

  #makeKeeper(): KeepPublished | undefined {
    const { key, salt, stateFile, line: { bind, dht: { bootstrap } } } = this.#options;
    const { dht } = this.#line;
    if (key === undefined || dht === undefined) {
      const why = key === undefined ? "there is no private key" : "the DHT is off";
      this.#note("info", `Seeding without publishing: ${why}`);
      return undefined;
    }
    return new KeepPublished({
      machine: this.#machine,
      dht,
      openReader: () => openReader(this.#machine, { bind, bootstrap }),
      key,
      salt,
      statePath: stateFile ?? this.#paths.publisherState,
      report: this.#report,
      onPublished: (value) => {
        const current = this.#archives.current?.pair.v2;
        if (current !== undefined && equalBytes(value, pointerValue(parseHex(current)!))) {
          this.#archives.settle();
          this.#tell("seeding");
        }
      },
    });
  }

  #note(level: "debug" | "info" | "warning", text: string): void {
    this.#report({ kind: "note", level, logger: LOGGER, text });
  }
}

/** @param seq Of the pointer to it, once that is published. */
function factsOf({ pair, mark }: Served, seq: number | undefined): SnapshotFacts {
  const { info } = pair.metainfo;
  return {
    infoHash: pair.v2,
    infoHashV1: info.infoHashV1 && toHex(info.infoHashV1),
    seq,
    name: info.name,
    originalFilename: originalFilename(info) ?? "",
    size: mark.size,
    path: pair.archivePath,
  };
}

/** @throws {DirectoryHeld | PathUnusable} */
function takeLock(
  paths: OutputPaths,
  { files, clock, pid }: { files: Files; clock: SeedMachine["clock"]; pid: number },
): FileLock {
  files.makeDir(paths.own);
  const since = new Date(clock.unixMs()).toISOString();
  const lock = files.lock(paths.lock, `nano-snap produce seed, process ${pid}, since ${since}`);
  if (lock !== undefined) return lock;
  throw new DirectoryHeld(`Cannot seed from ${paths.root}: another seeder has it (see ${paths.lock})`);
}

const LOGGER = "producer.seeder";
const TICK_MS = 1_000;
/** As upstream's: nobody waits long for a new archive to be noticed, and looking costs nothing. */
const POLL_MS = 60_000;
const STATS_MS = 5_000;
const HEARTBEAT_ROUNDS = 60;
