// Which archives are served, and how one follows another:
//
//   opened -> current -> before ---------> retained -------> leaving ---------> closed
//                  its successor is published      too many      nobody wants it
//
// From each state it is current again when the directory holds it again, and closed when somebody writes to its file.
// No hash has two swarms: those of one hash are opened one after another. Checking an archive takes as long as reading
// it, so whoever waited for that looks again what is wanted by then. When to look for the next one and when it counts as
// published is seed.ts's to say.

import { SnapError } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatBytes, shortHash } from "../format.ts";
import type { Line } from "../line/line.ts";
import { type SwarmsMoment, SwarmTraffic } from "../line/traffic.ts";
import { trackerLists, type TrackerSettings } from "../line/trackers.ts";
import type { FileFacts } from "../ports.ts";
import { findRetained, type OutputPaths, type Pair } from "./pairs.ts";
import { isNoRetention, prune, retain } from "./retention.ts";
import { isSame, type SeedMachine, Served } from "./served.ts";
import { isAbout, markOf, readMeta } from "./snapshot_meta.ts";

/** What a succession is made of. */
export interface SuccessionOptions {
  readonly machine: SeedMachine;
  readonly paths: OutputPaths;
  readonly line: Line;
  readonly trackers: TrackerSettings;
  /** Our own addresses; empty: all of them. */
  readonly bind: readonly string[];
  /** How many earlier archives are kept and seeded. */
  readonly keep: number;
  readonly report: Report;
  /** Told of what must not happen. */
  readonly onBug: (error: unknown) => void;
}

/** One that is not current any more and not retained: served until nobody wants it. */
interface Leaving {
  readonly served: Served;
  readonly sinceMs: number;
  wantedMs: number;
}

/** Everything that is served. Disposing of it closes all and waits for those that are closing. */
export class Succession implements AsyncDisposable {
  readonly #options: SuccessionOptions;
  readonly #machine: SeedMachine;
  readonly #paths: OutputPaths;
  /** Who is opening the archive of a hash; resolved when that has ended, well or not. */
  readonly #opening = new Map<string, Promise<void>>();
  /** Opened, and not yet current or retained. */
  readonly #opened = new Set<Served>();
  #current: Served | undefined;
  /** The one before, until its successor is published. */
  #before: Served[] = [];
  readonly #retained = new Map<string, Served>();
  /** Hashes of the retained pairs that stayed when they were counted last. */
  #kept: readonly string[] = [];
  #leaving: Leaving[] = [];
  readonly #closing = new Map<Served, Promise<void>>();
  readonly #swarms = new SwarmTraffic();

  constructor(options: SuccessionOptions) {
    this.#options = options;
    this.#machine = options.machine;
    this.#paths = options.paths;
  }

  /** What the pointer names, or will; undefined before the first, and after it was written to. */
  get current(): Served | undefined {
    return this.#current;
  }

  /** How many earlier archives are retained and served. */
  get retainedCount(): number {
    return this.#retained.size;
  }

  /** What all swarms move, those that are gone included. */
  moment(nowMs: number): SwarmsMoment {
    return this.#swarms.moment(nowMs);
  }

  /** The one of this pair that is served already, when its file is still the pair's. */
  find(pair: Pair): Served | undefined {
    const known = this.#of(pair);
    const facts = this.#machine.files.stat(pair.archivePath);
    const isKnown = known !== undefined && facts !== undefined && known.isIntact &&
      isSame(known.mark, markOf(facts));
    return isKnown ? known : undefined;
  }

  /**
   * Checks a pair and begins to serve it, in place of one of the same hash; or finds it served by somebody who was at that
   * already.
   *
   * @throws {SnapError} As `Served.open`. @throws The signal's reason.
   */
  async open(pair: Pair, signal: AbortSignal): Promise<Served> {
    for (let other; (other = this.#opening.get(pair.v2)) !== undefined;) await other;
    signal.throwIfAborted();
    const known = this.find(pair);
    if (known !== undefined) return known;
    const opening = Promise.withResolvers<void>();
    this.#opening.set(pair.v2, opening.promise);
    try {
      return await this.#open(pair, signal);
    } finally {
      this.#opening.delete(pair.v2);
      opening.resolve();
    }
  }

  /**
   * It is what the directory holds now; the one before is served as it was until `settle`.
   *
   * @param pair Where it lies now: it may have been opened under another name.
   */
  makeCurrent(served: Served, pair: Pair): void {
    this.#forget(served);
    if (this.#current !== undefined) this.#before.push(this.#current);
    this.#current = served;
    this.#note("info", `Seeding ${pair.archivePath}: ${formatBytes(served.mark.size)}, ${pair.v2}`);
    this.#retainCurrent(pair);
  }

  /** Opens what earlier runs retained, one by one. One that cannot be served is told of and passed over. */
  async loadRetained(signal: AbortSignal): Promise<void> {
    this.#kept = this.#prune(this.#current!.pair.v2);
    for (const v2 of this.#kept) {
      if (signal.aborted) return;
      if (!this.#isMissing(v2)) continue;
      try {
        const served = await this.open(findRetained(this.#machine.files, this.#paths, v2), signal);
        // Somebody else may have opened it, or the directory holds it again by now.
        if (!this.#opened.has(served)) continue;
        this.#forget(served);
        if (this.#isMissing(v2)) this.#retained.set(v2, served);
        else await this.#close(served);
        if (this.#retained.has(v2)) this.#note("info", `Seeding the retained ${shortHash(v2)}`);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof SnapError)) throw error;
        this.#note("warning", error.message);
      }
    }
  }

  /** The successor is published, or will be by somebody else: those before it are retained, or leave. */
  settle(): void {
    this.#kept = this.#prune(this.#current!.pair.v2);
    for (const served of this.#before.splice(0)) this.#retained.set(served.pair.v2, served);
    const nowMs = this.#machine.clock.nowMs();
    for (const [v2, served] of this.#retained) {
      if (this.#kept.includes(v2)) continue;
      this.#retained.delete(v2);
      this.#leaving.push({ served, sinceMs: nowMs, wantedMs: nowMs });
    }
  }

  /**
   * A file that was written to holds something else now: serving it would get us banned.
   *
   * @returns Whether there was one.
   */
  dropSpoiled(): boolean {
    let isAny = false;
    for (const served of this.#all()) {
      if (served.isIntact) continue;
      this.#note(
        "warning",
        `${served.pair.archivePath} was written to while it was seeded: it is not seeded any more`,
      );
      this.#forget(served);
      void this.#close(served);
      isAny = true;
    }
    return isAny;
  }

  /** Closes those that left and that nobody wants any more. */
  letGo(nowMs: number): void {
    for (const leaving of this.#leaving) {
      if (leaving.served.isWanted) leaving.wantedMs = nowMs;
      const isOver = nowMs - leaving.wantedMs >= UNWANTED_MS || nowMs - leaving.sinceMs >= LONGEST_LEAVE_MS;
      if (!isOver) continue;
      this.#note("info", `${shortHash(leaving.served.pair.v2)} is not seeded any more`);
      this.#forget(leaving.served);
      void this.#close(leaving.served);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([
      ...this.#all().map((served) => served[Symbol.asyncDispose]()),
      ...this.#closing.values(),
    ]);
  }

  async #open(pair: Pair, signal: AbortSignal): Promise<Served> {
    const { line, trackers, bind, report, onBug } = this.#options;
    const { value: meta } = readMeta(this.#machine.files, this.#paths.meta);
    const options = {
      pair,
      machine: this.#machine,
      recordPath: this.#paths.checked(pair.v2),
      isVouched: (facts: FileFacts) => meta["torrent_info_hash"] === pair.v2 && isAbout(meta, facts),
      line,
      trackers: trackerLists({ trackers: pair.metainfo.trackers }, trackers),
      bind,
      report,
      onBug,
    };
    const served = await Served.open(options, signal, () => this.#makeRoom(pair));
    this.#swarms.add(served.swarm);
    this.#opened.add(served);
    return served;
  }

  /** Two swarms of one hash would take each other's peers: one that is served, or just going, is gone then. */
  async #makeRoom(pair: Pair): Promise<void> {
    const replaced = this.#of(pair);
    if (replaced !== undefined) {
      this.#forget(replaced);
      await this.#close(replaced);
    }
    for (const [served, closing] of this.#closing) if (served.pair.v2 === pair.v2) await closing;
  }

  /** Whether it is to be retained and not served in any way. */
  #isMissing(v2: string): boolean {
    return this.#kept.includes(v2) && !this.#all().some(({ pair }) => pair.v2 === v2);
  }

  /** The one that is served under this pair's hash. */
  #of(pair: Pair): Served | undefined {
    return this.#all().find((served) => served.pair.v2 === pair.v2);
  }

  #retainCurrent(pair: Pair): void {
    if (this.#options.keep === 0) return;
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
      return prune(this.#machine.files, this.#paths, { current, keep: this.#options.keep });
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      this.#note("warning", error.message);
      return [...this.#retained.keys()];
    }
  }

  #forget(served: Served): void {
    if (this.#current === served) this.#current = undefined;
    this.#opened.delete(served);
    this.#before = this.#before.filter((one) => one !== served);
    this.#leaving = this.#leaving.filter((one) => one.served !== served);
    if (this.#retained.get(served.pair.v2) === served) this.#retained.delete(served.pair.v2);
  }

  async #close(served: Served): Promise<void> {
    this.#swarms.remove(served.swarm);
    const closing = served[Symbol.asyncDispose]();
    this.#closing.set(served, closing);
    await closing;
    this.#closing.delete(served);
  }

  /** Everything that is served. */
  #all(): Served[] {
    const all = [...this.#opened, this.#current, ...this.#before, ...this.#retained.values()];
    return [...all.filter((one) => one !== undefined), ...this.#leaving.map(({ served }) => served)];
  }

  #note(level: "info" | "warning", text: string): void {
    this.#options.report({ kind: "note", level, logger: LOGGER, text });
  }
}

const LOGGER = "producer.seeder";
/** Whoever is in the middle of the old archive may finish; what is not wanted for this long is let go. */
const UNWANTED_MS = 300_000;
/** Its space on the disk is not free before that. */
const LONGEST_LEAVE_MS = 6 * 3_600_000;
