// What a mirror serves: the current snapshot, older ones that are kept, and those that leave. A snapshot that was
// replaced is served on from its open file while somebody still fetches it, for a while; then its space is free.

import type { Report } from "../events.ts";
import { formatBytes, formatRate, shortHash } from "../format.ts";
import type { Line } from "../line/line.ts";
import { isWanted, Offer } from "../line/offer.ts";
import { trackerLists, type TrackerSettings } from "../line/trackers.ts";
import { FileStorage } from "../torrent/storage.ts";
import type { Swarm } from "../torrent/swarm.ts";
import type { Machine } from "./machine.ts";
import type { Shelf, Whole } from "./follow_shelf.ts";
import type { SwarmTraffic } from "../line/traffic.ts";

/** A whole snapshot among its peers. */
export interface Serving {
  readonly swarm: Swarm;
  /** Ends it: trackers are told, connections and files closed. Safe twice. */
  close(): Promise<void>;
}

interface Served {
  readonly whole: Whole;
  readonly serving: Serving;
}

interface Leaving extends Served {
  readonly sinceMs: number;
  wantedMs: number;
}

export interface ServedOptions {
  readonly machine: Machine;
  readonly line: Line;
  readonly shelf: Shelf;
  readonly traffic: SwarmTraffic;
  readonly trackers: TrackerSettings;
  readonly bind: readonly string[];
  /** How many older ones are kept now. */
  readonly keep: () => number;
  readonly report: Report;
  readonly onBug: (error: unknown) => void;
}

export class ServedSnapshots {
  readonly #options: ServedOptions;
  #current: Served | undefined;
  /** The one that was finished last first. */
  #kept: Served[] = [];
  #leaving: Leaving[] = [];
  readonly #closing = new Set<Promise<void>>();

  constructor(options: ServedOptions) {
    this.#options = options;
  }

  get current(): Whole | undefined {
    return this.#current?.whole;
  }

  get keptCount(): number {
    return this.#kept.length;
  }

  get isAnyLeaving(): boolean {
    return this.#leaving.length > 0;
  }

  /** All that lie whole on the disk under a name. */
  get wholes(): Whole[] {
    return this.#named().map(({ whole }) => whole);
  }

  /** Begins with what an earlier run left. Kept ones that are too many go. */
  begin(current: Whole | undefined, kept: readonly Whole[]): void {
    if (current !== undefined) {
      this.#current = { whole: current, serving: this.#open(current) };
      this.#note(
        "info",
        `Seeding ${current.path}: ${formatBytes(current.info.totalLength)}, ${current.name}`,
      );
    }
    for (const whole of kept.slice(0, this.#options.keep())) {
      this.#kept.push({ whole, serving: this.#open(whole) });
      this.#note("info", `Seeding the kept ${shortHash(whole.name)}`);
    }
    for (const { name } of kept.slice(this.#options.keep())) this.#options.shelf.drop(name);
  }

  /**
   * A new one has the place.
   *
   * @param serving As it is served already, with those who fetched along.
   * @param kept The old one where it lies now; undefined when it has no name any more.
   */
  switchTo(whole: Whole, serving: Serving, kept: Whole | undefined): void {
    const old = this.#current;
    this.#current = { whole, serving };
    if (old === undefined) return;
    if (kept !== undefined) {
      this.#kept.unshift({ whole: kept, serving: old.serving });
      while (this.#kept.length > this.#options.keep()) void this.dropOldest();
    } else {
      const nowMs = this.#options.machine.clock.nowMs();
      this.#leaving.push({ ...old, sinceMs: nowMs, wantedMs: nowMs });
      this.letGo();
    }
  }

  /** How one that was fetched is served once its fetch has ended. */
  reopen(whole: Whole): void {
    if (this.#current?.whole.name === whole.name) this.#current = { whole, serving: this.#open(whole) };
  }

  /** Gives up the current one: it is not to be read any more. */
  async giveUpCurrent(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    if (current !== undefined) await this.#close(current);
  }

  /** Gives up kept ones that are too many now. */
  async trim(): Promise<void> {
    while (this.#kept.length > this.#options.keep()) await this.dropOldest();
  }

  /** Gives up the oldest kept one, and its space. @returns Which it was; undefined when none is kept. */
  async dropOldest(): Promise<Whole | undefined> {
    const oldest = this.#kept.pop();
    if (oldest === undefined) return undefined;
    this.#options.shelf.drop(oldest.whole.name);
    this.#note("info", `Dropped the kept ${shortHash(oldest.whole.name)}`);
    await this.#close(oldest);
    return oldest.whole;
  }

  /** Ends whatever is served of that snapshot besides the current one: two swarms of one hash would be in each other's way. */
  async clear(name: string): Promise<void> {
    const same = [...this.#kept, ...this.#leaving].filter(({ whole }) => whole.name === name);
    this.#kept = this.#kept.filter((one) => !same.includes(one));
    this.#leaving = this.#leaving.filter((one) => !same.includes(one));
    await Promise.all(same.map((one) => this.#close(one)));
  }

  /** Ends those that nobody wants any more, or all at once. */
  letGo(at: "leisure" | "once" = "leisure"): Promise<void> {
    const nowMs = this.#options.machine.clock.nowMs();
    const over: Leaving[] = [];
    for (const leaving of this.#leaving) {
      if (isWanted(leaving.serving.swarm)) leaving.wantedMs = nowMs;
      else if (leaving.wantedMs === leaving.sinceMs) leaving.wantedMs = -Infinity;
      const isUnwanted = nowMs - leaving.wantedMs >= UNWANTED_MS;
      if (at === "once" || isUnwanted || nowMs - leaving.sinceMs >= LONGEST_LEAVE_MS) over.push(leaving);
    }
    this.#leaving = this.#leaving.filter((one) => !over.includes(one));
    for (const { whole } of over) this.#note("info", `${shortHash(whole.name)} is not seeded any more`);
    return Promise.all(over.map((one) => this.#close(one))).then(() => {});
  }

  /** Ends those whose file is not what it was. @returns Whether the current one was among them. */
  dropSpoiled(): boolean {
    const spoiled = this.#named().filter(({ whole }) => !this.#options.shelf.isIntact(whole));
    for (const one of spoiled) {
      this.#note("warning", `${one.whole.path} was changed or taken away: it is not seeded any more`);
      this.#kept = this.#kept.filter((kept) => kept !== one);
      void this.#close(one);
    }
    const isCurrentLost = spoiled.some((one) => one === this.#current);
    if (isCurrentLost) this.#current = undefined;
    return isCurrentLost;
  }

  heartbeat(): string {
    const { traffic, machine: { clock } } = this.#options;
    const { peers, seeds, upRate, uploadedBytes } = traffic.moment(clock.nowMs());
    return `Seeding | Peers: ${peers + seeds} | UL: ${formatRate(upRate)} | Total UL: ${
      formatBytes(uploadedBytes)
    }`;
  }

  /** Ends all. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#named(), ...this.#leaving];
    this.#current = undefined;
    this.#kept = this.#leaving = [];
    await Promise.all([...all.map((one) => this.#close(one)), ...this.#closing]);
  }

  #named(): Served[] {
    return this.#current === undefined ? this.#kept : [this.#current, ...this.#kept];
  }

  #open(whole: Whole): Serving {
    const { machine, line, trackers, traffic } = this.#options;
    const { layout, path } = whole;
    const storage = FileStorage.open({ files: machine.files, layout, paths: [path], mode: "read" });
    const offer = new Offer({
      ...this.#options,
      ...whole,
      machine,
      line,
      storage,
      // As a pointer's torrent, which names none.
      trackers: trackerLists({ trackers: undefined }, trackers),
      logger: "mirror.session",
    });
    traffic.add(offer.swarm);
    return { swarm: offer.swarm, close: () => offer[Symbol.asyncDispose]() };
  }

  async #close({ serving }: Served): Promise<void> {
    this.#options.traffic.remove(serving.swarm);
    const closing = serving.close().catch(this.#options.onBug);
    this.#closing.add(closing);
    await closing;
    this.#closing.delete(closing);
  }

  #note(level: "info" | "warning", text: string): void {
    this.#options.report({ kind: "note", level, logger: "mirror.session", text });
  }
}

/** Who is in the middle of the old one may lose the connection for a moment. */
const UNWANTED_MS = 10_000;
/** Its space is not free before that. */
const LONGEST_LEAVE_MS = 3_600_000;
