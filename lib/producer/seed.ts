// The job of `nano-snap produce seed`: serves the current archive and the retained ones for as long as it runs, and keeps
// the pointer to the current one published.
//
//   lock, pair -> line -> checked -> served, published -> another pair -> checked -> served, published -> ...
//                                       |_ the one before: retained, or served until nobody wants it any more
//
// One archive's trouble never ends the others: after the start only a stop or a bug does.

import { basename } from "node:path";
import { DhtNode } from "../dht/dht_node.ts";
import { PUBLIC_ROUTERS } from "../dht/routers.ts";
import { isIpv4 } from "../address.ts";
import { equalBytes, parseHex, toHex } from "../bytes.ts";
import { DirectoryHeld, SnapError } from "../errors.ts";
import type { Report, SnapshotFacts, Traffic } from "../events.ts";
import { formatBytes, formatRate, shortHash } from "../format.ts";
import { Line, type LineOptions } from "../line/line.ts";
import { SwarmTraffic } from "../line/traffic.ts";
import { trackerLists, type TrackerSettings } from "../line/trackers.ts";
import type { FileLock, Files } from "../ports.ts";
import { pointerValue } from "../snapshot/pointer.ts";
import { originalFilename } from "../torrent/x_snapshot.ts";
import { KeepPublished } from "./keep_published.ts";
import type { SigningKey } from "./keys.ts";
import { findCurrent, findRetained, OutputPaths, type Pair } from "./pairs.ts";
import { isNoRetention, prune, retain } from "./retention.ts";
import { type SeederMoment, writeSeederStats } from "./seeder_stats.ts";
import { isSame, type SeedMachine, Served } from "./served.ts";
import { isAbout, markOf, readMeta } from "./snapshot_meta.ts";

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

/** One that is not current any more and not retained: served until nobody wants it. */
interface Leaving {
  readonly served: Served;
  readonly sinceMs: number;
  wantedMs: number;
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
  #current: Served | undefined;
  /** The one before, until its successor is published. */
  #before: Served[] = [];
  readonly #retained = new Map<string, Served>();
  #leaving: Leaving[] = [];
  readonly #closing = new Set<Promise<void>>();
  readonly #swarms = new SwarmTraffic();
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
      spawn(this.#loadRetained(stopped));
      spawn(this.#watchForEver(stopped));
      const aborted = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => aborted.reject(signal.reason));
      if (signal.aborted) aborted.reject(signal.reason);
      return await Promise.race([aborted.promise, this.#broken.promise]);
    } finally {
      stop.abort();
      await Promise.all([...tasks, this.#reloading]);
      await Promise.all([...this.#all().map((served) => served[Symbol.asyncDispose]()), ...this.#closing]);
      this.#tell("stopped");
      this.#note("info", `Seeded for ${Math.round((clock.nowMs() - this.#startedMs) / 1000)} s`);
    }
  }

  /** Checks a pair and makes it the current one. @throws {SnapError} */
  async #load(pair: Pair, signal: AbortSignal): Promise<void> {
    const old = this.#current;
    // Two swarms of one hash would take each other's peers.
    const known = this.#all().find((served) => served.pair.v2 === pair.v2);
    const facts = this.#machine.files.stat(pair.archivePath);
    const isKnown = known !== undefined && facts !== undefined && known.isIntact &&
      isSame(known.mark, markOf(facts));
    const served = isKnown ? known : await this.#open(pair, signal, known);
    this.#forget(served);
    if (old !== undefined && old !== known && this.#current === old) this.#before.push(old);
    this.#current = served;
    this.#note("info", `Seeding ${pair.archivePath}: ${formatBytes(served.mark.size)}, ${pair.v2}`);
    this.#retainCurrent(pair);
    if (this.#keeper === undefined) this.#settleBefore();
    else this.#keeper.publish(pointerValue(pair.metainfo.info.infoHashV2!));
    this.#tell("seeding");
  }

  /** @param replaced What goes when this one is ready. */
  async #open(pair: Pair, signal: AbortSignal, replaced?: Served): Promise<Served> {
    const { files } = this.#machine;
    const { value: meta } = readMeta(files, this.#paths.meta);
    const options = {
      pair,
      machine: this.#machine,
      recordPath: this.#paths.checked(pair.v2),
      isVouched: (facts: Parameters<typeof isAbout>[1]) =>
        meta["torrent_info_hash"] === pair.v2 && isAbout(meta, facts),
      line: this.#line,
      trackers: trackerLists({ trackers: pair.metainfo.trackers }, this.#options.trackers),
      bind: this.#options.line.bind,
      report: this.#report,
      onBug: (error: unknown) => this.#broken.reject(error),
    };
    const served = await Served.open(options, signal, async () => {
      if (replaced === undefined) return;
      this.#forget(replaced);
      await this.#close(replaced);
    });
    this.#swarms.add(served.swarm);
    return served;
  }

  #retainCurrent(pair: Pair): void {
    if (this.#options.retain === 0) return;
    try {
      retain(this.#machine.files, this.#paths, pair);
    } catch (error) {
      if (!isNoRetention(error)) throw error;
      this.#note("warning", `${error.message}; it will not be kept when the next one comes`);
    }
  }

  /** The retained pairs that stay. A folder that cannot be read or emptied is no reason to stop seeding. */
  #prune(current: string): readonly string[] {
    try {
      return prune(this.#machine.files, this.#paths, { current, keep: this.#options.retain });
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      this.#note("warning", error.message);
      return [...this.#retained.keys()];
    }
  }

  async #loadRetained(signal: AbortSignal): Promise<void> {
    const current = this.#current!.pair.v2;
    for (const v2 of this.#prune(current)) {
      if (signal.aborted) return;
      if (this.#all().some(({ pair }) => pair.v2 === v2)) continue;
      try {
        const pair = findRetained(this.#machine.files, this.#paths, v2);
        const served = await this.#open(pair, signal);
        this.#retained.set(v2, served);
        this.#note("info", `Seeding the retained ${shortHash(v2)}`);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof SnapError)) throw error;
        this.#note("warning", error.message);
      }
    }
  }

  /** The successor is published, or will be by somebody else: those before it are retained, or leave. */
  #settleBefore(): void {
    const current = this.#current!.pair.v2;
    const kept = this.#prune(current);
    for (const served of this.#before.splice(0)) this.#retained.set(served.pair.v2, served);
    const nowMs = this.#machine.clock.nowMs();
    for (const [v2, served] of this.#retained) {
      if (kept.includes(v2)) continue;
      this.#retained.delete(v2);
      this.#leaving.push({ served, sinceMs: nowMs, wantedMs: nowMs });
    }
  }

  /** Once a second: what has changed, and who may go. */
  async #watchForEver(signal: AbortSignal): Promise<void> {
    const { clock } = this.#machine;
    let polledMs = clock.nowMs();
    while (!signal.aborted) {
      await clock.sleep(TICK_MS, signal);
      const nowMs = clock.nowMs();
      this.#dropSpoiled();
      this.#letGo(nowMs);
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
      const current = this.#current;
      const facts = files.stat(pair.archivePath);
      const isNews = current?.pair.v2 !== pair.v2 || facts === undefined ||
        !isSame(markOf(facts), current.mark);
      if (isNews) await this.#load(pair, signal);
      else this.#note("info", `${shortHash(pair.v2)} is still the current one`);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof SnapError)) throw error;
      const rest = this.#current === undefined ? "" : `; still seeding ${shortHash(this.#current.pair.v2)}`;
      this.#note("warning", `${error.message}${rest}`);
    }
  }

  /** A file that was written to holds something else now: serving it would get us banned. */
  #dropSpoiled(): void {
    for (const served of this.#all()) {
      if (served.isIntact) continue;
      this.#note(
        "warning",
        `${served.pair.archivePath} was written to while it was seeded: it is not seeded any more`,
      );
      this.#forget(served);
      void this.#close(served);
      this.#wish.reload = true;
    }
  }

  #letGo(nowMs: number): void {
    for (const leaving of this.#leaving) {
      if (leaving.served.isWanted) leaving.wantedMs = nowMs;
      const isOver = nowMs - leaving.wantedMs >= UNWANTED_MS || nowMs - leaving.sinceMs >= LONGEST_LEAVE_MS;
      if (!isOver) continue;
      this.#note("info", `${shortHash(leaving.served.pair.v2)} is not seeded any more`);
      this.#forget(leaving.served);
      void this.#close(leaving.served);
    }
  }

  #forget(served: Served): void {
    if (this.#current === served) this.#current = undefined;
    this.#before = this.#before.filter((one) => one !== served);
    this.#leaving = this.#leaving.filter((one) => one.served !== served);
    if (this.#retained.get(served.pair.v2) === served) this.#retained.delete(served.pair.v2);
  }

  async #close(served: Served): Promise<void> {
    this.#swarms.remove(served.swarm);
    const closing = served[Symbol.asyncDispose]();
    this.#closing.add(closing);
    await closing;
    this.#closing.delete(closing);
  }

  /** Everything that is served. */
  #all(): Served[] {
    const all = [this.#current, ...this.#before, ...this.#retained.values()];
    return [...all.filter((one) => one !== undefined), ...this.#leaving.map(({ served }) => served)];
  }

  async #tellForEver(signal: AbortSignal): Promise<void> {
    const { clock } = this.#machine;
    for (let round = 0; !signal.aborted; round++) {
      this.#tell(this.#current === undefined ? "checking" : "seeding");
      if (round > 0 && round % HEARTBEAT_ROUNDS === 0) this.#note("info", this.#heartbeat());
      await clock.sleep(STATS_MS, signal);
    }
  }

  /** Tells what it does, to whoever watches this run and in seeder-stats.json. */
  #tell(state: SeederMoment["state"]): void {
    const { clock, files } = this.#machine;
    const current = this.#current;
    const publishing = this.#keeper?.status;
    const traffic = this.#traffic();
    this.#report({ kind: "facts", facts: { publication: publishing } });
    this.#report({
      kind: "standing",
      standing: {
        ...traffic,
        snapshot: current && factsOf(current, publishing?.isVerified === true ? publishing.seq : undefined),
        kept: this.#retained.size,
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
        retained: this.#retained.size,
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
    return { ...this.#swarms.moment(nowMs), dhtNodes: this.#line.dht?.nodeCount ?? 0 };
  }

  /** What names and describes the current pair, in one word that changes with it. */
  #look(): string {
    const { files } = this.#machine;
    const known = this.#current?.pair;
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
    const { net, clock } = this.#machine;
    const host = bind.find(isIpv4) ?? "0.0.0.0";
    return new KeepPublished({
      machine: this.#machine,
      dht,
      openReader: async () =>
        DhtNode.open({
          udp: await net.openUdp({ host, port: 0 }),
          clock,
          resolve: (name) => net.resolve(name),
          bootstrap: bootstrap ?? PUBLIC_ROUTERS,
          readOnly: true,
        }),
      key,
      salt,
      statePath: stateFile ?? this.#paths.publisherState,
      report: this.#report,
      onPublished: (value) => {
        const current = this.#current?.pair.v2;
        if (current !== undefined && equalBytes(value, pointerValue(parseHex(current)!))) {
          this.#settleBefore();
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
/** Whoever is in the middle of the old archive may finish; what is not wanted for this long is let go. */
const UNWANTED_MS = 300_000;
/** Its space on the disk is not free before that. */
const LONGEST_LEAVE_MS = 6 * 3_600_000;
