// What a mirror that follows its authority does next. A core: it is told what happened and the time, and says what is
// to be done. It knows snapshots by name only; files, peers and lookups are the driver's.
//
//                     a pointer           understood,              its place            all is
//   bootstrapping ─┐  is known             admitted               is open              here
//        │ DHT     ├───────────> metadata ──────────> checking ──────────> downloading ──────────> replacing
//        v answers │                ^  ^                                                             │ renamed
//   discovering ───┘                │  └── a fetch that failed: again after a pause                   v
//        │                          └──────────────── another snapshot is named ───────────────── seeding
//        │ nobody answers, or what is said cannot be trusted                                      │    ^
//        └───────────────────────────────> degraded <─────────────────────────────────────────────┘    │ all well
//                                             └────────────────────────────────────────────────────────┘
//   any of them ──> stopped
//
// Beside the state there is what is served: from its start, before any lookup, a mirror serves what is whole on its disk,
// in every state. Degraded means that something is wrong which ends nothing; what is served goes on being served.
//
// A newer pointer while a snapshot is being fetched: the newer one's metadata is fetched too, it waits at a gate, and
// who has fewer bytes to go is first. One that brings nothing for long gives way.

export type FollowState =
  | "bootstrapping"
  | "discovering"
  | "metadata"
  | "checking"
  | "downloading"
  | "replacing"
  | "seeding"
  | "degraded"
  | "stopped";

/** How far a fetch is. */
export type FetchStage = "metadata" | "checking" | "downloading";

export type FollowInput =
  /** Once, at the start: the whole snapshot on disk, and the one that the pointer accepted last names. */
  | { readonly kind: "begin"; readonly held: string | undefined; readonly named: string | undefined }
  | { readonly kind: "dhtAnswers" }
  /** A lookup ended: with the snapshot that the newest verified pointer names, or with why there is none. */
  | { readonly kind: "found"; readonly name: string }
  | { readonly kind: "lookupFailed"; readonly why: string }
  /** A fetch knows its torrent and waits at its gate. */
  | { readonly kind: "understood"; readonly name: string }
  /** For one at the gate behind another: the bytes that it would need, and that the other one still needs. */
  | {
    readonly kind: "measured";
    readonly name: string;
    readonly neededBytes: number;
    readonly otherBytes: number;
  }
  | { readonly kind: "stage"; readonly name: string; readonly stage: FetchStage }
  /** Something came of it. */
  | { readonly kind: "advanced"; readonly name: string }
  | { readonly kind: "whole"; readonly name: string }
  /** It is in its place, and served from there. */
  | { readonly kind: "placed"; readonly name: string }
  | { readonly kind: "fetchFailed"; readonly name: string; readonly why: string }
  /** What was held is not what it was: somebody changed or took the file. */
  | { readonly kind: "lost" }
  /** Somebody wants everything to be looked at now. */
  | { readonly kind: "lookNow" }
  | { readonly kind: "stop" }
  /** Safe early, safe twice. */
  | { readonly kind: "tick" };

export type FollowOutput =
  | { readonly kind: "lookUp" }
  /** Begin to fetch it, up to its gate. */
  | { readonly kind: "fetch"; readonly name: string }
  /** Open its gate: nothing else is being fetched any more. */
  | { readonly kind: "admit"; readonly name: string }
  /** Say what it needs, once its hashes are known: `measured`. */
  | { readonly kind: "measure"; readonly name: string; readonly other: string }
  /** End its fetch; what is here of it stays on disk. */
  | { readonly kind: "abandon"; readonly name: string; readonly why: string }
  | { readonly kind: "place"; readonly name: string }
  /** Told at each change of either. `why`: what is wrong, in words; undefined when nothing is. */
  | { readonly kind: "state"; readonly state: FollowState; readonly why: string | undefined };

export interface FollowSettings {
  /** Between two lookups. */
  readonly pollMs: number;
  /** 0 up to but not 1. */
  readonly random: () => number;
}

interface Fetch {
  readonly name: string;
  stage: FetchStage;
  isUnderstood: boolean;
  advancedMs: number;
}

/** Something that failed and is to be tried again. */
interface Retry {
  readonly name: string;
  readonly why: string;
  readonly failures: number;
  dueMs: number;
}

export class FollowCore {
  readonly #settings: FollowSettings;
  #outputs: FollowOutput[] = [];
  #state: FollowState = "bootstrapping";
  #why: string | undefined;
  #held: string | undefined;
  #named: string | undefined;
  #dhtAnswers = false;
  /** undefined while a lookup runs. */
  #lookupMs: number | undefined;
  #lookupFailures = 0;
  #lookupTrouble: string | undefined;
  #fetch: Fetch | undefined;
  /** At the gate, or on its way there, while the other is being fetched. */
  #next: Fetch | undefined;
  #isPlacing = false;
  #retry: Retry | undefined;
  #isStopped = false;

  constructor(settings: FollowSettings) {
    this.#settings = settings;
  }

  get state(): FollowState {
    return this.#state;
  }

  /** What is wrong; undefined when nothing is. */
  get trouble(): string | undefined {
    return this.#retry?.why ?? this.#lookupTrouble;
  }

  /** When "tick" is next due; undefined when nothing waits. */
  get deadlineMs(): number | undefined {
    const retryMs = this.#fetch === undefined ? this.#retry?.dueMs : undefined;
    const dues = [this.#lookupMs, retryMs, this.#patienceMs()].filter((due) => due !== undefined);
    return this.#isStopped || dues.length === 0 ? undefined : Math.min(...dues);
  }

  /** Drains what is queued, oldest first. */
  outputs(): FollowOutput[] {
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  handle(input: FollowInput, nowMs: number): void {
    if (this.#isStopped) return;
    switch (input.kind) {
      case "begin":
        this.#begin(input.held, input.named, nowMs);
        break;
      case "dhtAnswers":
        this.#dhtAnswers = true;
        break;
      case "found":
        this.#onFound(input.name, nowMs);
        break;
      case "lookupFailed":
        this.#onLookupFailed(input.why, nowMs);
        break;
      case "understood":
        this.#onUnderstood(input.name);
        break;
      case "measured":
        this.#onMeasured(input, nowMs);
        break;
      case "stage":
        this.#onStage(input.name, input.stage);
        break;
      case "advanced":
        if (this.#fetch?.name === input.name) this.#fetch.advancedMs = nowMs;
        break;
      case "whole":
        this.#onWhole(input.name);
        break;
      case "placed":
        this.#onPlaced(input.name, nowMs);
        break;
      case "fetchFailed":
        this.#onFetchFailed(input.name, input.why, nowMs);
        break;
      case "lost":
        this.#held = undefined;
        this.#pursue(nowMs);
        break;
      case "lookNow":
        if (this.#lookupMs !== undefined) this.#lookupMs = nowMs;
        if (this.#retry !== undefined) this.#retry.dueMs = nowMs;
        this.#tick(nowMs);
        break;
      case "stop":
        this.#isStopped = true;
        break;
      case "tick":
        this.#tick(nowMs);
        break;
      default:
        input satisfies never;
    }
    this.#tellState();
  }

  #begin(held: string | undefined, named: string | undefined, nowMs: number): void {
    this.#held = held;
    this.#named = named;
    this.#outputs.push({ kind: "lookUp" });
    // Told whatever it is: the first state is news.
    this.#state = this.#stateNow();
    this.#outputs.push({ kind: "state", state: this.#state, why: undefined });
    this.#pursue(nowMs);
  }

  #tick(nowMs: number): void {
    if (this.#lookupMs !== undefined && nowMs >= this.#lookupMs) {
      this.#lookupMs = undefined;
      this.#outputs.push({ kind: "lookUp" });
    }
    const patienceMs = this.#patienceMs();
    if (patienceMs !== undefined && nowMs >= patienceMs) this.#goOver("it brings nothing any more", nowMs);
    this.#pursue(nowMs);
  }

  #onFound(name: string, nowMs: number): void {
    this.#dhtAnswers = true;
    this.#lookupFailures = 0;
    this.#lookupTrouble = undefined;
    this.#lookupMs = nowMs + this.#jittered(this.#settings.pollMs);
    if (this.#retry !== undefined && this.#retry.name !== name) this.#retry = undefined;
    this.#named = name;
    this.#pursue(nowMs);
  }

  #onLookupFailed(why: string, nowMs: number): void {
    const pauseMs = Math.min(this.#settings.pollMs, FIRST_PAUSE_MS * 2 ** this.#lookupFailures);
    this.#lookupFailures = Math.min(this.#lookupFailures + 1, MAX_DOUBLINGS);
    this.#lookupTrouble = why;
    this.#lookupMs = nowMs + this.#jittered(pauseMs);
  }

  /** Sees to it that what the pointer names is fetched, and nothing else for longer than it makes sense. */
  #pursue(nowMs: number): void {
    const name = this.#named;
    if (name === undefined || this.#isPlacing) return;
    if (name === this.#held) {
      this.#drop("the pointer names what is here");
      this.#retry = undefined;
    } else if (this.#fetch === undefined) {
      if (this.#retry?.name === name && nowMs < this.#retry.dueMs) return;
      this.#fetch = this.#beginFetch(name, nowMs);
    } else if (this.#fetch.name === name) {
      this.#abandon(this.#next, "the pointer names another one");
      this.#next = undefined;
    } else if (this.#fetch.stage === "metadata") {
      // Nothing is lost with it.
      this.#drop("a newer one is named");
      this.#fetch = this.#beginFetch(name, nowMs);
    } else if (this.#next?.name !== name) {
      this.#abandon(this.#next, "a newer one is named");
      this.#next = this.#beginFetch(name, nowMs);
    }
  }

  #onUnderstood(name: string): void {
    if (this.#fetch?.name === name) {
      this.#fetch.isUnderstood = true;
      this.#outputs.push({ kind: "admit", name });
    } else if (this.#next?.name === name) {
      this.#next.isUnderstood = true;
      this.#outputs.push({ kind: "measure", name, other: this.#fetch!.name });
    }
  }

  #onStage(name: string, stage: FetchStage): void {
    if (this.#fetch?.name !== name) return;
    this.#fetch.stage = stage;
    // Whatever was wrong before it is not any more.
    if (stage === "downloading") this.#retry = undefined;
  }

  #onMeasured({ name, neededBytes, otherBytes }: FollowInput & { kind: "measured" }, nowMs: number): void {
    if (this.#next?.name !== name || this.#isPlacing) return;
    if (neededBytes < otherBytes) this.#goOver("the newer one is closer to its end", nowMs);
  }

  #onWhole(name: string): void {
    if (this.#fetch?.name !== name) return;
    this.#isPlacing = true;
    this.#outputs.push({ kind: "place", name });
  }

  #onPlaced(name: string, nowMs: number): void {
    this.#isPlacing = false;
    this.#held = name;
    this.#retry = undefined;
    this.#fetch = undefined;
    this.#promote(nowMs);
    this.#pursue(nowMs);
  }

  #onFetchFailed(name: string, why: string, nowMs: number): void {
    if (this.#next?.name === name) this.#next = undefined;
    else if (this.#fetch?.name === name) {
      this.#isPlacing = false;
      this.#fetch = undefined;
      const before = this.#retry?.name === name ? this.#retry.failures : 0;
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** before);
      const failures = Math.min(before + 1, MAX_DOUBLINGS);
      this.#retry = { name, why, failures, dueMs: nowMs + this.#jittered(pauseMs) };
      this.#promote(nowMs);
      this.#pursue(nowMs);
    }
  }

  /** The one at the gate goes before the other. */
  #goOver(why: string, nowMs: number): void {
    this.#abandon(this.#fetch, why);
    this.#fetch = undefined;
    this.#promote(nowMs);
  }

  /** Whoever waits is next, if it is still wanted. */
  #promote(nowMs: number): void {
    const next = this.#next;
    this.#next = undefined;
    if (next === undefined) return;
    if (next.name !== this.#named) return this.#abandon(next, "the pointer names another one");
    this.#fetch = next;
    next.advancedMs = nowMs;
    if (next.isUnderstood) this.#outputs.push({ kind: "admit", name: next.name });
  }

  #beginFetch(name: string, nowMs: number): Fetch {
    this.#outputs.push({ kind: "fetch", name });
    return { name, stage: "metadata", isUnderstood: false, advancedMs: nowMs };
  }

  #drop(why: string): void {
    this.#abandon(this.#fetch, why);
    this.#abandon(this.#next, why);
    this.#fetch = this.#next = undefined;
  }

  #abandon(fetch: Fetch | undefined, why: string): void {
    if (fetch !== undefined) this.#outputs.push({ kind: "abandon", name: fetch.name, why });
  }

  /** Until when the one that is being fetched may bring nothing while another waits. */
  #patienceMs(): number | undefined {
    const isLate = this.#next?.isUnderstood === true && this.#fetch !== undefined && !this.#isPlacing;
    return isLate ? this.#fetch!.advancedMs + PATIENCE_MS : undefined;
  }

  #tellState(): void {
    const [state, why] = [this.#stateNow(), this.trouble];
    if (state === this.#state && why === this.#why) return;
    this.#state = state;
    this.#why = why;
    this.#outputs.push({ kind: "state", state, why });
  }

  #stateNow(): FollowState {
    if (this.#isStopped) return "stopped";
    if (this.#isPlacing) return "replacing";
    if (this.#fetch !== undefined) return this.#fetch.stage;
    if (this.trouble !== undefined) return "degraded";
    if (this.#held !== undefined) return "seeding";
    return this.#dhtAnswers ? "discovering" : "bootstrapping";
  }

  /** A tenth more or less, so that mirrors which started together do not ask together. */
  #jittered(ms: number): number {
    return ms * (0.9 + 0.2 * this.#settings.random());
  }
}

/** After a failure: doubled with each one in a row, up to the poll interval or for a fetch up to an hour. */
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 3_600_000;
const MAX_DOUBLINGS = 10;
/** A snapshot whose seeds went over to the next one may never be whole. */
const PATIENCE_MS = 600_000;
