// Follows one run by its events and can say at any time what it is doing. It decides nothing and shows nothing.

import type { Phase, RunEvent, RunFacts, SnapshotFacts, Standing, Traffic } from "../events.ts";
import type { Clock } from "../ports.ts";
import type { Generation, Role, RunStatus } from "./run_status.ts";

/** What does not change while a run lasts. */
export interface RunIdentity {
  readonly role: Role;
  readonly version: string;
  readonly pid: number;
  readonly hostName: string;
}

export class Monitor {
  readonly #identity: RunIdentity;
  readonly #clock: Pick<Clock, "unixMs">;
  readonly #startedUnixMs: number;
  #phase: Phase = "starting";
  #sinceUnixMs: number;
  #beatUnixMs: number;
  #advancedUnixMs: number;
  #facts: Partial<RunFacts> = {};
  #served: SnapshotFacts | undefined;
  #traffic: Traffic | undefined;
  #discoveredUnixMs: number | undefined;
  #degraded: string | undefined;
  /** For a run that tells of its downloads only. */
  #transfer: Traffic | undefined;
  #progress: RunStatus["progress"];
  /** Of the generation, to see when it is another. */
  #mark: string | undefined;

  constructor(identity: RunIdentity, clock: Pick<Clock, "unixMs">) {
    this.#identity = identity;
    this.#clock = clock;
    this.#startedUnixMs = clock.unixMs();
    this.#sinceUnixMs = this.#beatUnixMs = this.#advancedUnixMs = this.#startedUnixMs;
  }

  /** Takes the run's next event. */
  take(event: RunEvent): void {
    const nowMs = this.#clock.unixMs();
    this.#beatUnixMs = nowMs;
    switch (event.kind) {
      case "phase":
        if (event.phase === this.#phase) return;
        this.#phase = event.phase;
        this.#sinceUnixMs = nowMs;
        this.#progress = undefined;
        break;
      case "facts":
        this.#facts = { ...this.#facts, ...event.facts };
        break;
      case "standing":
        this.#stand(event.standing, nowMs);
        break;
      case "switched":
        this.#served = event.snapshot;
        break;
      case "discovered":
        this.#discover(nowMs, nowMs);
        this.#expect(event.infoHash, event.seq);
        break;
      case "degraded":
        this.#degraded = event.why;
        break;
      case "transfer": {
        const { doneBytes, totalBytes, etaSeconds, peers, seeds, connections, downRate, upRate } =
          event.progress;
        this.#comeOn({ label: "Download", doneBytes, totalBytes, etaSeconds }, nowMs);
        this.#transfer = { ...NO_TRAFFIC, peers, seeds, connections, downRate, upRate };
        break;
      }
      case "work": {
        const { label, doneBytes, totalBytes } = event;
        this.#comeOn({ label, doneBytes, totalBytes, etaSeconds: undefined }, nowMs);
        break;
      }
      case "note":
        break;
      default:
        event satisfies never;
    }
    const generation = this.#generation();
    const mark = generation && `${generation.infoHash} ${generation.isServed}`;
    if (mark !== undefined && mark !== this.#mark) this.#advancedUnixMs = nowMs;
    this.#mark = mark;
  }

  /** What it does now. */
  status(more: { readonly isRunning: boolean; readonly metricsUrl: string | undefined }): RunStatus {
    const facts = this.#facts;
    return {
      ...this.#identity,
      ...more,
      phase: this.#phase,
      startedUnixMs: this.#startedUnixMs,
      sinceUnixMs: this.#sinceUnixMs,
      updatedUnixMs: this.#clock.unixMs(),
      beatUnixMs: this.#traffic === undefined ? undefined : this.#beatUnixMs,
      advancedUnixMs: this.#advancedUnixMs,
      generation: this.#generation(),
      progress: this.#progress,
      traffic: this.#traffic ?? this.#transfer ?? NO_TRAFFIC,
      discoveredUnixMs: this.#discoveredUnixMs,
      isReachable: facts.isReachable,
      degraded: this.#degraded,
      publication: facts.publication,
      lastError: facts.lastError,
    };
  }

  #generation(): Generation | undefined {
    const served = this.#served;
    const known = served ?? this.#facts.fetching;
    return known && {
      infoHash: known.infoHash,
      seq: known.seq,
      torrentName: known.name,
      originalFilename: known.originalFilename,
      sizeBytes: known.size,
      isServed: served !== undefined,
    };
  }

  #stand(standing: Standing, nowMs: number): void {
    const { snapshot, foundUnixMs, trouble, downRate, upRate, peers, seeds, connections, dhtNodes } =
      standing;
    const before = this.#traffic ?? NO_TRAFFIC;
    this.#served = snapshot;
    this.#degraded = trouble;
    if (foundUnixMs !== undefined) this.#discover(foundUnixMs, nowMs);
    this.#traffic = {
      // A counter that fell would look like a restart to whoever adds it up.
      downloadedBytes: Math.max(standing.downloadedBytes, before.downloadedBytes),
      uploadedBytes: Math.max(standing.uploadedBytes, before.uploadedBytes),
      downRate,
      upRate,
      peers,
      seeds,
      connections,
      dhtNodes,
    };
  }

  /** The first word of a snapshot is a step on; a pointer that is found again and again is none. */
  #discover(foundUnixMs: number, nowMs: number): void {
    if (this.#discoveredUnixMs === undefined) this.#advancedUnixMs = nowMs;
    this.#discoveredUnixMs = foundUnixMs;
  }

  /** What a pointer names is fetched next, where nothing more is said of that. */
  #expect(infoHash: string, seq: number): void {
    const { fetching } = this.#facts;
    const known = fetching?.infoHash === infoHash
      ? fetching
      : { infoHash, name: undefined, originalFilename: undefined, size: undefined };
    this.#facts = { ...this.#facts, fetching: { ...known, seq } };
  }

  #comeOn(progress: NonNullable<RunStatus["progress"]>, nowMs: number): void {
    const before = this.#progress;
    const isOther = before?.label !== progress.label || before.totalBytes !== progress.totalBytes;
    if (isOther || progress.doneBytes > before.doneBytes) this.#advancedUnixMs = nowMs;
    this.#progress = progress;
  }
}

const NO_TRAFFIC: Traffic = {
  downloadedBytes: 0,
  uploadedBytes: 0,
  downRate: 0,
  upRate: 0,
  peers: 0,
  seeds: 0,
  connections: 0,
  dhtNodes: 0,
};
