// Which tracker is told what, and when, for one info-hash: BEP 12's tiers with libtorrent's waiting times. No I/O and
// no clock: it is asked what is due, and told how each announce ended.
//
//   idle -> asked -> working (comes again after its interval) ┐
//    ^        └----> failing (comes again after a pause)      ├-> asked
//    └ never answered        └--------------------------------┘
//
// Only the first tracker that works is used, of the first tier that has one. Those before it in earlier tiers are tried
// again as their pauses end; whoever answers moves to the front of its tier. A tracker that keeps us waiting does
// not hold up the next one.

import { invariant } from "../errors.ts";
import {
  MAX_TRACKER_INTERVAL_MS,
  MAX_TRACKER_RETRY_MS,
  MIN_TRACKER_INTERVAL_MS,
  MIN_TRACKER_PAUSE_MS,
  TRACKER_INTERVAL_MS,
  TRACKER_PATIENCE_MS,
  TRACKER_RETRY_GROWTH_MS,
  TRACKER_RETRY_MS,
} from "./limits.ts";
import type { AnnounceReply, TrackerEvent } from "./tracker_wire.ts";

/** One announce to be made. */
export interface DueAnnounce {
  readonly url: string;
  readonly event: TrackerEvent;
  readonly trackerId: Uint8Array | undefined;
}

interface Tracker {
  readonly url: string;
  /** When it was asked and has not answered since; undefined when nothing is under way. */
  askedMs: number | undefined;
  /** What it was asked then. */
  event: TrackerEvent;
  /** Not before. Of a working one: by its interval, and by its least pause for whoever has no peers. */
  dueMs: number;
  soonestMs: number;
  /** Failures since it last answered. */
  failures: number;
  /** It answered `started` (and `completed`). */
  knowsUs: boolean;
  knowsWeAreDone: boolean;
  trackerId: Uint8Array | undefined;
}

export class TrackerTiers {
  /** In the order of asking. */
  readonly #tiers: Tracker[][];
  #hasCompleted = false;

  /** @param options.random From 0 to below 1, for the shuffle within each tier. */
  constructor(options: { readonly tiers: readonly (readonly string[])[]; readonly random: () => number }) {
    this.#tiers = options.tiers.map((tier) => shuffled(tier, options.random).map(newTracker));
  }

  /**
   * The next announce that is due, marked as under way. To be called until it says undefined, at `deadlineMs` and after
   * everything that was told.
   *
   * @param needsPeers Nobody is connected: a working tracker may be asked before its interval is over.
   */
  next(nowMs: number, needsPeers: boolean): DueAnnounce | undefined {
    for (const tracker of this.#candidates(nowMs)) {
      if (tracker.askedMs !== undefined || this.#dueMs(tracker, needsPeers) > nowMs) continue;
      const event = this.#eventFor(tracker);
      tracker.askedMs = nowMs;
      tracker.event = event;
      return { url: tracker.url, event, trackerId: tracker.trackerId };
    }
    return undefined;
  }

  /** When `next` may have something to say if nothing happens before; undefined without trackers. */
  deadlineMs(nowMs: number, needsPeers: boolean): number | undefined {
    let deadline: number | undefined;
    for (const tracker of this.#candidates(nowMs)) {
      const atMs = tracker.askedMs === undefined
        ? this.#dueMs(tracker, needsPeers)
        : tracker.askedMs + TRACKER_PATIENCE_MS;
      // One that is past its patience is waited for by nobody.
      if (tracker.askedMs !== undefined && atMs <= nowMs) continue;
      if (deadline === undefined || atMs < deadline) deadline = atMs;
    }
    return deadline;
  }

  /** The announce that `next` gave out was answered. */
  succeeded(url: string, reply: AnnounceReply, nowMs: number): void {
    const { tier, tracker } = this.#find(url);
    const intervalMs = within(
      msOf(reply.intervalSeconds) ?? TRACKER_INTERVAL_MS,
      MIN_TRACKER_INTERVAL_MS,
      MAX_TRACKER_INTERVAL_MS,
    );
    const pauseMs = msOf(reply.minIntervalSeconds) ?? MIN_TRACKER_INTERVAL_MS;
    tracker.askedMs = undefined;
    tracker.failures = 0;
    tracker.dueMs = nowMs + intervalMs;
    tracker.soonestMs = nowMs + within(pauseMs, MIN_TRACKER_PAUSE_MS, intervalMs);
    tracker.knowsUs = true;
    if (tracker.event === "completed") tracker.knowsWeAreDone = true;
    if (reply.trackerId !== undefined) tracker.trackerId = reply.trackerId;
    // To the front (BEP 12), but not before another one that works already: two would take turns.
    const at = tier.indexOf(tracker);
    const others = tier.filter((one) => one !== tracker);
    const firstWorking = others.findIndex(isWorking);
    const target = firstWorking >= 0 && firstWorking < at ? firstWorking + 1 : 0;
    others.splice(target, 0, tracker);
    tier.splice(0, tier.length, ...others);
  }

  /** The announce that `next` gave out was not answered, or with a refusal. */
  failed(url: string, nowMs: number): void {
    const { tracker } = this.#find(url);
    tracker.askedMs = undefined;
    tracker.failures++;
    const pauseMs = TRACKER_RETRY_MS + tracker.failures ** 2 * TRACKER_RETRY_GROWTH_MS;
    tracker.dueMs = tracker.soonestMs = nowMs + Math.min(pauseMs, MAX_TRACKER_RETRY_MS);
  }

  /** The content became whole in this run: trackers that know us are to hear of it at once. */
  complete(): void {
    this.#hasCompleted = true;
  }

  /** What is still to be said when the torrent stops, in order for each tracker that knows us. */
  farewells(): DueAnnounce[][] {
    return this.#tiers.flat().filter((tracker) => tracker.knowsUs).map((tracker) => {
      const isBeingSaid = tracker.askedMs !== undefined && tracker.event === "completed";
      const events: TrackerEvent[] = this.#owesCompleted(tracker) && !isBeingSaid
        ? ["completed", "stopped"]
        : ["stopped"];
      return events.map((event) => ({ url: tracker.url, event, trackerId: tracker.trackerId }));
    });
  }

  /** Trackers that count now: up to the first that works, or that was asked a moment ago. */
  *#candidates(nowMs: number): Generator<Tracker> {
    for (const tracker of this.#tiers.flat()) {
      yield tracker;
      const isSilent = tracker.askedMs !== undefined && nowMs >= tracker.askedMs + TRACKER_PATIENCE_MS;
      const isAsked = tracker.askedMs !== undefined && !isSilent;
      if (isAsked || (isWorking(tracker) && !isSilent)) return;
    }
  }

  #dueMs(tracker: Tracker, needsPeers: boolean): number {
    if (!isWorking(tracker)) return tracker.dueMs;
    if (this.#owesCompleted(tracker)) return -Infinity;
    return needsPeers ? tracker.soonestMs : tracker.dueMs;
  }

  #eventFor(tracker: Tracker): TrackerEvent {
    if (!tracker.knowsUs) return "started";
    return this.#owesCompleted(tracker) ? "completed" : "none";
  }

  #owesCompleted(tracker: Tracker): boolean {
    return this.#hasCompleted && tracker.knowsUs && !tracker.knowsWeAreDone;
  }

  #find(url: string): { tier: Tracker[]; tracker: Tracker } {
    for (const tier of this.#tiers) {
      const tracker = tier.find((one) => one.url === url);
      if (tracker !== undefined) return { tier, tracker };
    }
    invariant(false, "only trackers of the tiers are announced to");
  }
}

function newTracker(url: string): Tracker {
  return {
    url,
    askedMs: undefined,
    event: "none",
    dueMs: -Infinity,
    soonestMs: -Infinity,
    failures: 0,
    knowsUs: false,
    knowsWeAreDone: false,
    trackerId: undefined,
  };
}

function isWorking(tracker: Tracker): boolean {
  return tracker.knowsUs && tracker.failures === 0;
}

/** Fisher and Yates. */
function shuffled(urls: readonly string[], random: () => number): string[] {
  const order = [...urls];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

function msOf(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

function within(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
