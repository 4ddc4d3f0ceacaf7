// The driver of `follow_core.ts`: carries out what the core decides, feeds it with what becomes of that, and tells the
// world (events, upstream's state files). After the start only a stop or a bug ends it.

import { toHex } from "../bytes.ts";
import { chanceFrom } from "../chance.ts";
import { SnapError } from "../errors.ts";
import type { Phase, Report, SnapshotFacts } from "../events.ts";
import { formatBytes, shortHash } from "../format.ts";
import type { Line } from "../line/line.ts";
import type { Candidate } from "../snapshot/discover.ts";
import type { Stream, TrustStore } from "../snapshot/trust.ts";
import { isWanted as isWantedInfo } from "../torrent/metadata_fetch.ts";
import { originalFilename } from "../torrent/x_snapshot.ts";
import type { DataPaths } from "./data_dir.ts";
import { FollowCore, type FollowInput, type FollowOutput, type FollowState } from "./follow_core.ts";
import { Fetches } from "./follow_fetches.ts";
import { UpdateHook } from "./follow_hook.ts";
import type { FollowMachine, FollowOptions, LiveSettings } from "./follow_options.ts";
import { PointerWatch } from "./follow_pointer.ts";
import { ServedSnapshots } from "./follow_served.ts";
import { Shelf, type Whole } from "./follow_shelf.ts";
import { SwarmTraffic } from "../line/traffic.ts";
import { recordSnapshot, writeMirrorState } from "./mirror_state.ts";
import { ofPointer } from "./target.ts";

export interface FollowerOptions {
  readonly options: FollowOptions;
  readonly machine: FollowMachine;
  readonly paths: DataPaths;
  readonly line: Line;
  readonly trust: TrustStore;
  readonly stream: Stream;
  /** What the data directory says, newest first: names of snapshots that may be whole, with the seq that named each. */
  readonly remembered: readonly { readonly name: string; readonly seq: number | undefined }[];
  /** The pointer accepted last; undefined when there is none. */
  readonly accepted: Candidate | undefined;
  readonly report: Report;
  readonly signal: AbortSignal;
}

export class Follower {
  readonly #parts: FollowerOptions;
  /** As they are now; whoever needs one asks when it is needed. */
  #options: FollowOptions;
  readonly #core: FollowCore;
  readonly #shelf: Shelf;
  readonly #traffic = new SwarmTraffic();
  readonly #served: ServedSnapshots;
  readonly #fetches: Fetches;
  readonly #watch: PointerWatch;
  readonly #hook: UpdateHook;
  readonly #broken = Promise.withResolvers<never>();
  readonly #stop = new AbortController();
  /** Aborts with the caller's, and when a bug ends the run. */
  readonly #signal: AbortSignal;
  readonly #tasks = new Set<Promise<void>>();
  /** By the core's name for a snapshot: the pointer that named it last. */
  readonly #candidates = new Map<string, Candidate>();
  /** The core's name for what is current. */
  #currentName: string | undefined;
  /** And for what the last pointer names. */
  #newest: string | undefined;
  #inbox: FollowInput[] = [];
  #isHandling = false;
  #wake = new AbortController();
  #phase: Phase = "starting";
  #trouble: string | undefined;
  #foundUnixMs: number | undefined;
  /** What could not be written last: told once, and not at each state. */
  #unwritten: string | undefined;

  constructor(parts: FollowerOptions) {
    this.#parts = parts;
    const { options, machine, paths, line, trust, stream, report } = parts;
    this.#options = options;
    const now = () => this.#options;
    const signal = AbortSignal.any([parts.signal, this.#stop.signal]);
    this.#signal = signal;
    const onBug = (error: unknown) => this.#broken.reject(error);
    this.#broken.promise.catch(() => {});
    this.#core = new FollowCore({
      get pollMs() {
        return now().pollMs;
      },
      random: chanceFrom(machine.random.bytes(16)),
    });
    this.#shelf = new Shelf(machine.files, paths);
    const { bind } = options;
    const trackers = { enabled: options.useTrackers, named: options.trackers };
    const common = { machine, line, shelf: this.#shelf, traffic: this.#traffic, report, onBug };
    this.#served = new ServedSnapshots({ ...common, bind, keep: () => now().keep, trackers });
    const tell = (input: FollowInput) => this.#tell(input);
    this.#fetches = new Fetches({
      ...common,
      options: now,
      paths,
      machine,
      served: this.#served,
      signal,
      tell,
    });
    const { clock } = machine;
    this.#watch = new PointerWatch({
      ...{ dht: line.dht!, trust, stream, clock, report },
      get timeoutMs() {
        return Math.min(Math.max(now().pollMs, SHORTEST_LOOK_MS), LONGEST_LOOK_MS);
      },
      get refresh() {
        return now().refresh;
      },
    });
    this.#hook = new UpdateHook({ machine, report, signal });
  }

  /** Everything is to be looked at now. @param settings Hold from now on; undefined for no change. */
  lookNow(settings?: LiveSettings): void {
    if (settings !== undefined) this.change(settings);
    this.#note("info", "Looking now: for a newer snapshot, at the files, and for room on the disk");
    this.#lookAtFiles();
    this.#tell({ kind: "lookNow" });
  }

  /** These hold from now on. */
  change(settings: LiveSettings): void {
    this.#options = { ...this.#options, ...settings };
    this.#parts.line.change(this.#options);
    this.#spawn(this.#served.trim());
  }

  /** Runs until the signal aborts. @throws Its reason, or a bug. */
  async run(): Promise<never> {
    const { line, signal } = this.#parts;
    line.session.failed.catch((error) => this.#broken.reject(error));
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => {
      this.#tell({ kind: "stop" });
      this.#wake.abort();
      aborted.reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort);
    try {
      this.#begin();
      if (signal.aborted) onAbort();
      void line.dht!.ready(this.#signal).then((isReady) => isReady && this.#tell({ kind: "dhtAnswers" }));
      this.#spawn(this.#tickForEver());
      this.#spawn(this.#standForEver());
      return await Promise.race([aborted.promise, this.#broken.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#stop.abort();
      this.#wake.abort();
      await Promise.all([this.#served[Symbol.asyncDispose](), this.#fetches[Symbol.asyncDispose]()]);
      await Promise.all([...this.#tasks, this.#hook.ended()]);
      this.#note("info", "Mirror service stopped.");
    }
  }

  #begin(): void {
    const { accepted, remembered } = this.#parts;
    const named = accepted && ofPointer(accepted.pointer).name;
    const names = remembered.map(({ name }) => name);
    const current = this.#shelf.findCurrent(named === undefined ? names : [named, ...names]);
    this.#served.begin(current, this.#shelf.findKept(current?.name));
    this.#currentName = current?.name;
    if (accepted !== undefined) {
      this.#newest = this.#nameOf(accepted);
      this.#candidates.set(this.#newest, accepted);
    }
    this.#tell({ kind: "begin", held: this.#currentName, named: this.#newest });
  }

  /** The core's name for what a pointer names. A pointer may be short, and the same snapshot have a longer name. */
  #nameOf({ pointer }: Candidate): string {
    const { name, wanted } = ofPointer(pointer);
    const current = this.#served.current;
    const isCurrent = current !== undefined && isWantedInfo(wanted, current.info.bytes);
    return isCurrent ? this.#currentName ?? name : name;
  }

  /** Inputs are handled one after the other, also those that come while one is. */
  #tell(input: FollowInput): void {
    this.#inbox.push(input);
    if (this.#isHandling) return;
    this.#isHandling = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
        this.#core.handle(next, this.#parts.machine.clock.nowMs());
        for (const output of this.#core.outputs()) this.#carryOut(output);
      }
    } finally {
      this.#isHandling = false;
    }
    this.#wake.abort();
  }

  #carryOut(output: FollowOutput): void {
    switch (output.kind) {
      case "lookUp":
        this.#spawn(this.#lookUp());
        break;
      case "fetch":
        this.#fetches.begin(output.name, ofPointer(this.#candidates.get(output.name)!.pointer));
        break;
      case "admit":
        this.#fetches.admit(output.name);
        break;
      case "measure":
        this.#spawn(this.#fetches.measure(output.name, output.other));
        break;
      case "abandon":
        this.#fetches.abandon(output.name, output.why);
        break;
      case "place":
        this.#spawn(this.#place(output.name));
        break;
      case "state":
        this.#onState(output.state, output.why);
        break;
      default:
        output satisfies never;
    }
  }

  async #lookUp(): Promise<void> {
    const { machine: { clock }, line } = this.#parts;
    try {
      const candidate = await this.#watch.look(this.#signal);
      this.#foundUnixMs = clock.unixMs();
      line.saveNodes();
      this.#onFound(candidate);
    } catch (error) {
      if (this.#signal.aborted) return;
      if (!(error instanceof SnapError)) throw error;
      this.#tell({ kind: "lookupFailed", why: error.message });
    }
  }

  #onFound(candidate: Candidate): void {
    const name = this.#nameOf(candidate);
    const { seq } = candidate.item;
    const isNews = !this.#candidates.has(name);
    this.#candidates.set(name, candidate);
    this.#newest = name;
    this.#parts.report({ kind: "discovered", seq, infoHash: ofPointer(candidate.pointer).name, isNews });
    const current = this.#served.current;
    if (name === this.#currentName && current !== undefined) {
      if (!isNews) this.#note("debug", `${shortHash(name)} is current, no update needed`);
      this.#keepRecords(current, candidate);
    }
    this.#tell({ kind: "found", name });
  }

  /** The new one takes the place of the old one. */
  async #place(name: string): Promise<void> {
    const { keep } = this.#options;
    const { report } = this.#parts;
    const { torrent, path, serving } = this.#fetches.take(name);
    const old = this.#served.current;
    let placed: { whole: Whole; kept: Whole | undefined };
    try {
      placed = await this.#shelf.putInPlace({ torrent, path }, old, keep > 0);
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      this.#fetches.abandon(name, error.message);
      return this.#tell({ kind: "fetchFailed", name, why: error.message });
    }
    const { whole, kept } = placed;
    this.#fetches.release(name);
    this.#served.switchTo(whole, serving, kept);
    this.#currentName = name;
    const candidate = this.#candidates.get(name);
    this.#keepRecords(whole, candidate);
    this.#unlessFull(() => this.#shelf.recordInstalled(whole, candidate?.item.seq));
    this.#unlessFull(() => {
      const names = this.#served.wholes.map((one) => one.name);
      this.#shelf.tidy({ whole: names, growing: this.#fetches.names });
    });
    for (const known of this.#candidates.keys()) {
      const isWanted = known === name || known === this.#newest || this.#fetches.names.includes(known);
      if (!isWanted) this.#candidates.delete(known);
    }
    const snapshot = this.#factsOf(whole);
    this.#note(
      "info",
      `Snapshot download complete; now seeding info_hash=${snapshot.infoHash}: ${whole.path}, ${
        formatBytes(snapshot.size)
      }`,
    );
    report({ kind: "switched", snapshot });
    const { onUpdate } = this.#options;
    if (onUpdate !== undefined) this.#hook.run(onUpdate, snapshot);
    this.#tell({ kind: "placed", name });
  }

  #keepRecords(whole: Whole, candidate: Candidate | undefined): void {
    const { machine: { files }, paths } = this.#parts;
    this.#unlessFull(() => recordSnapshot(files, paths, whole.info, candidate?.item));
  }

  /** What is served does not depend on what is written about it. */
  #unlessFull(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      if (error.message !== this.#unwritten) this.#note("warning", error.message);
      this.#unwritten = error.message;
    }
  }

  #onState(state: FollowState, why: string | undefined): void {
    const { machine: { files }, paths, report } = this.#parts;
    const phase = this.#phaseOf(state);
    if (phase !== this.#phase) report({ kind: "phase", phase, previous: this.#phase });
    this.#phase = phase;
    this.#unlessFull(() => writeMirrorState(files, paths.mirrorState, { phase, last_error: why ?? "" }));
    if (why === this.#trouble) return;
    // The same with other numbers in it is no news.
    const isNews = kindOf(why) !== kindOf(this.#trouble);
    this.#trouble = why;
    report({ kind: "degraded", why });
    if (!isNews) return;
    const current = this.#served.current;
    if (why === undefined) this.#note("info", "All is well again");
    else {
      const rest = current === undefined || why.includes("still seeding")
        ? ""
        : `; still seeding ${shortHash(current.name)}`;
      this.#note("warning", `${why}${rest}; trying again`);
    }
  }

  /** Upstream's word for a state. Whoever serves is healthy, whatever else is wrong. */
  #phaseOf(state: FollowState): Phase {
    if (state === "degraded") return this.#served.current === undefined ? "error" : "seeding";
    return PHASES[state];
  }

  async #tickForEver(): Promise<void> {
    const { clock } = this.#parts.machine;
    while (!this.#signal.aborted) {
      const { deadlineMs } = this.#core;
      this.#wake = new AbortController();
      const pauseMs = deadlineMs === undefined ? LONGEST_SLEEP_MS : deadlineMs - clock.nowMs();
      const sleepMs = Math.min(Math.max(pauseMs, SHORTEST_SLEEP_MS), LONGEST_SLEEP_MS);
      await clock.sleep(sleepMs, this.#wake.signal);
      if (!this.#signal.aborted) this.#tell({ kind: "tick" });
    }
  }

  /** Every few seconds: who leaves, whose file is spoiled, how things stand. */
  async #standForEver(): Promise<void> {
    const { clock } = this.#parts.machine;
    for (let round = 0; !this.#signal.aborted; round++) {
      this.#lookAtFiles();
      this.#fetches.look();
      void this.#served.letGo();
      this.#stand();
      if (round > 0 && round % HEARTBEAT_ROUNDS === 0 && this.#served.current !== undefined) {
        this.#note("info", this.#served.heartbeat());
      }
      await clock.sleep(STAND_MS, this.#signal);
    }
  }

  #lookAtFiles(): void {
    if (this.#core.state !== "replacing" && this.#served.dropSpoiled()) {
      this.#currentName = undefined;
      this.#tell({ kind: "lost" });
    }
  }

  #stand(): void {
    const { machine: { clock }, line, trust, stream, report } = this.#parts;
    const current = this.#served.current;
    report({
      kind: "standing",
      standing: {
        snapshot: current && this.#factsOf(current),
        kept: this.#served.keptCount,
        ...this.#traffic.moment(clock.nowMs()),
        dhtNodes: line.dht!.nodeCount,
        newestSeq: trust.floor(stream).seq || undefined,
        foundUnixMs: this.#foundUnixMs,
        trouble: this.#core.trouble,
      },
    });
  }

  #factsOf({ name, info, path }: Whole): SnapshotFacts {
    const { remembered } = this.#parts;
    const seq = this.#candidates.get(this.#currentName ?? name)?.item.seq ??
      remembered.find((one) => one.name === name)?.seq;
    return {
      infoHash: name,
      infoHashV1: info.infoHashV1 && toHex(info.infoHashV1),
      seq,
      name: info.name,
      originalFilename: originalFilename(info) ?? info.name,
      size: info.totalLength,
      path,
    };
  }

  #spawn(task: Promise<void>): void {
    const watched = task.catch((error) => {
      if (!this.#signal.aborted) this.#broken.reject(error);
    }).finally(() => this.#tasks.delete(watched));
    this.#tasks.add(watched);
  }

  #note(level: "debug" | "info" | "warning", text: string): void {
    this.#parts.report({ kind: "note", level, logger: "mirror.watcher", text });
  }
}

/** What was wrong, whatever numbers it was told with. */
function kindOf(why: string | undefined): string | undefined {
  return why?.replaceAll(/[\d.]+/g, "#");
}

/** Upstream's words. */
const PHASES: Readonly<Record<Exclude<FollowState, "degraded">, Phase>> = {
  bootstrapping: "bootstrapping_dht",
  discovering: "discovering",
  metadata: "downloading_metadata",
  checking: "checking",
  downloading: "downloading",
  replacing: "finished",
  seeding: "seeding",
  stopped: "stopped",
};

/** One look at the DHT goes on for so long while nobody answers; upstream's time is the longest. */
const SHORTEST_LOOK_MS = 10_000;
const LONGEST_LOOK_MS = 120_000;
const SHORTEST_SLEEP_MS = 20;
const LONGEST_SLEEP_MS = 60_000;
const STAND_MS = 5_000;
const HEARTBEAT_ROUNDS = 60;
