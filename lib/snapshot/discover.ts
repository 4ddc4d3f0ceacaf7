// Which snapshot is current: asks the DHT for the authority's item until an answer can be trusted. The verdict on one lookup:
//
//   good        -> stored, returned
//   none, stale -> again after a short, growing pause, until the time is up: exit 3
//   conflict    -> two values at the highest seq: three lookups ten seconds apart, then exit 4
//   unreadable  -> signed, but of a shape that we do not know: exit 4
//
// Forged and foreign answers are counted and change nothing. A lookup cut off by the time limit still counts for
// what it found: what is verified and not below the stored seq is good.

import { equalBytes, parseUtf8, toHex } from "../bytes.ts";
import type { SignedItem } from "../dht/signature.ts";
import { NothingDiscovered, PointerUntrusted } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatSeconds } from "../format.ts";
import type { Clock } from "../ports.ts";
import { parsePointer, type Pointer, pointerHex } from "./pointer.ts";
import type { Floor, TrustStore } from "./trust.ts";

/** What is needed of a DHT node; `DhtNode` has it. */
export interface ItemSource {
  getItem(options: {
    readonly publicKey: Uint8Array;
    readonly salt: Uint8Array;
    readonly signal: AbortSignal;
    readonly onItem?: (item: SignedItem) => void;
  }): Promise<ItemLookup>;
}

/** The part of a lookup's result that decides. */
export interface ItemLookup {
  readonly item: SignedItem | undefined;
  readonly conflict: boolean;
  readonly answers: number;
  readonly forged: number;
}

/** A verified pointer that is not below what was accepted before. */
export interface Candidate {
  readonly pointer: Pointer;
  readonly item: SignedItem;
}

export interface DiscoverOptions {
  readonly dht: ItemSource;
  readonly trust: TrustStore;
  /** 32 bytes. */
  readonly authority: Uint8Array;
  readonly salt: Uint8Array;
  readonly clock: Clock;
  /** Infinity waits for ever. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly report: Report;
  /** Shared by the discoveries of one long run: what was refused is then told once, not each time. */
  readonly memory?: DiscoveryMemory;
  /** Whether a long wait is told of while it lasts. */
  readonly patience?: boolean;
  /** What else the user may do when nothing is found: "wait longer with --discover-timeout". */
  readonly advice?: string;
  /**
   * Called during a lookup at the first good answer, and again when a newer one names another snapshot: connecting
   * may begin with it. What `discover` returns may still differ, or be a refusal.
   */
  readonly onCandidate?: (candidate: Candidate) => void;
}

/** What was refused and told. */
export class DiscoveryMemory {
  /** The most forged answers that one lookup had. */
  forged = 0;
  /** The highest seq below the stored one. */
  staleSeq: number | undefined;
  /** The last seq with two values. */
  conflictSeq: number | undefined;
}

/**
 * Finds the current pointer and raises the stored seq to it.
 *
 * @throws {NothingDiscovered} When the time is up. `PointerUntrusted` for a conflict or an unknown shape.
 * @throws The signal's reason when it aborts; `PathUnusable` or `NotEnoughSpace` when trust cannot be stored.
 */
export async function discover(options: DiscoverOptions): Promise<Candidate> {
  const timeUp = new AbortController();
  const over = new AbortController();
  if (options.timeoutMs !== Infinity) {
    void options.clock.sleep(options.timeoutMs, over.signal).then(() => timeUp.abort());
  }
  try {
    return await new Discovery(options, timeUp.signal).run();
  } finally {
    over.abort();
  }
}

type Verdict =
  | { readonly kind: "good"; readonly candidate: Candidate }
  | { readonly kind: "conflict" | "unreadable" | "stale"; readonly item: SignedItem }
  | { readonly kind: "none" };

class Discovery {
  readonly #options: DiscoverOptions;
  readonly #timeUp: AbortSignal;
  readonly #stop: AbortSignal;
  #conflicts = 0;
  #pauseMs = FIRST_PAUSE_MS;
  readonly #memory: DiscoveryMemory;
  readonly #startedMs: number;
  #toldMs: number;
  /** For the sentence at the end. */
  #answers = 0;
  #forged = 0;
  #staleSeq: number | undefined;
  #candidate: Candidate | undefined;

  constructor(options: DiscoverOptions, timeUp: AbortSignal) {
    this.#options = options;
    this.#memory = options.memory ?? new DiscoveryMemory();
    this.#timeUp = timeUp;
    this.#startedMs = this.#toldMs = options.clock.nowMs();
    this.#stop = AbortSignal.any([options.signal, timeUp]);
  }

  async run(): Promise<Candidate> {
    const { dht, authority: publicKey, salt, clock, signal } = this.#options;
    for (;;) {
      const onItem = (item: SignedItem) => this.#offer(item);
      const lookup = await dht.getItem({ publicKey, salt, signal: this.#stop, onItem });
      signal.throwIfAborted();
      const verdict = judge(lookup, this.#options.trust.floor({ publicKey, salt }));
      this.#remember(lookup, verdict);
      if (verdict.kind === "good") return this.#accept(verdict.candidate);
      if (verdict.kind === "unreadable") throw unreadable(verdict.item);
      if (
        verdict.kind === "conflict" && (this.#conflicts === LOOKUPS_BEFORE_REFUSAL || this.#timeUp.aborted)
      ) {
        throw contradiction(verdict.item, this.#conflicts);
      }
      this.#tellPatience();
      if (!this.#timeUp.aborted) await clock.sleep(this.#nextPause(verdict), this.#stop);
      signal.throwIfAborted();
      if (this.#timeUp.aborted) throw this.#nothing();
    }
  }

  #accept(candidate: Candidate): Candidate {
    this.#options.trust.accept(candidate.item);
    const hash = pointerHex(candidate.pointer).slice(0, 16);
    this.#note("info", `Discovered DHT mutable item: sequence=${candidate.item.seq}, info_hash=${hash}`);
    return candidate;
  }

  #offer(item: SignedItem): void {
    const { trust, onCandidate } = this.#options;
    const verdict = judge({ item, conflict: false }, trust.floor(item));
    if (verdict.kind !== "good") return;
    const before = this.#candidate;
    this.#candidate = verdict.candidate;
    if (before === undefined || !equalBytes(before.item.value, item.value)) onCandidate?.(verdict.candidate);
  }

  #remember(lookup: ItemLookup, verdict: Verdict): void {
    const memory = this.#memory;
    this.#answers = Math.max(this.#answers, lookup.answers);
    this.#forged = Math.max(this.#forged, lookup.forged);
    if (lookup.forged > memory.forged) {
      memory.forged = lookup.forged;
      this.#note("warning", `Ignored ${lookup.forged} DHT answers that are not signed by the authority`);
    }
    if (verdict.kind === "stale") {
      const { seq } = verdict.item;
      if (memory.staleSeq === undefined) {
        this.#note("warning", `Ignored a DHT item at seq ${seq}: a newer one was seen before`);
      }
      memory.staleSeq = this.#staleSeq = Math.max(this.#staleSeq ?? 0, seq);
    } else if (verdict.kind === "conflict") {
      this.#conflicts++;
      if (memory.conflictSeq !== verdict.item.seq) {
        this.#note("warning", `Two different values are signed at seq ${verdict.item.seq}`);
      }
      memory.conflictSeq = verdict.item.seq;
    } else if (verdict.kind === "none") {
      this.#note("debug", `${lookup.answers} DHT nodes answered, none with the item`);
    }
  }

  /** Somebody may be watching: a wait of minutes says now and then that it goes on, and how far it came. */
  #tellPatience(): void {
    const { clock, timeoutMs, patience } = this.#options;
    const nowMs = clock.nowMs();
    if (patience !== true || this.#timeUp.aborted || nowMs - this.#toldMs < PATIENCE_MS) return;
    this.#toldMs = nowMs;
    const passed = formatSeconds((nowMs - this.#startedMs) / 1000);
    const end = timeoutMs === Infinity ? "" : `, for at most ${formatSeconds(timeoutMs / 1000)}`;
    const heard = this.#answers === 0
      ? "no DHT node has answered yet"
      : `${this.#answered()}, none with a pointer`;
    this.#note("info", `Still looking after ${passed}${end}: ${heard}`);
  }

  #answered(): string {
    return `${this.#answers} DHT ${this.#answers === 1 ? "node" : "nodes"} answered`;
  }

  #nextPause(verdict: Verdict): number {
    if (verdict.kind === "conflict") return CONFLICT_PAUSE_MS;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    return pauseMs;
  }

  #nothing(): Error {
    if (this.#conflicts > 0) {
      return new PointerUntrusted(
        "Cannot trust the pointer: two different values were signed with the highest seq, and no newer one came",
      );
    }
    const { authority, salt, timeoutMs, trust, advice } = this.#options;
    const answered = this.#answered();
    const time = `in ${Math.round(timeoutMs / 1000)} s`;
    const floor = trust.floor({ publicKey: authority, salt }).seq;
    let why: string;
    if (this.#answers === 0) {
      why =
        `no DHT node answered ${time}; check that UDP gets out and that names resolve (nano-snap doctor looks), ` +
        "or name nodes with --dht-bootstrap HOST:PORT";
    } else if (this.#staleSeq !== undefined) {
      why =
        `${answered} ${time}, but the newest item has seq ${this.#staleSeq}, below the seq ${floor} seen before; ` +
        "try later, or other nodes with --dht-bootstrap";
    } else {
      const forged = this.#forged === 0 ? "" : ` (${this.#forged} had one that it did not sign)`;
      why =
        `${answered} ${time} and none had its item${forged}; check the key (--authority) and the salt (--salt), ` +
        `try other nodes with --dht-bootstrap${advice === undefined ? "" : `, or ${advice}`}`;
    }
    return new NothingDiscovered(
      `Cannot find a snapshot of ${toHex(authority)}, salt ${shownSalt(salt)}: ${why}`,
    );
  }

  #note(level: "debug" | "info" | "warning", text: string): void {
    this.#options.report({ kind: "note", level, logger: "mirror.discovery", text });
  }
}

function judge({ item, conflict }: Pick<ItemLookup, "item" | "conflict">, floor: Floor): Verdict {
  if (item === undefined) return { kind: "none" };
  if (item.seq < floor.seq) return { kind: "stale", item };
  const contradicts = item.seq === floor.seq && floor.value !== undefined &&
    !equalBytes(item.value, floor.value);
  if (conflict || contradicts) return { kind: "conflict", item };
  const pointer = parsePointer(item.value);
  return pointer === undefined
    ? { kind: "unreadable", item }
    : { kind: "good", candidate: { pointer, item } };
}

function contradiction(item: SignedItem, lookups: number): PointerUntrusted {
  const times = lookups === 1 ? "in one lookup" : `in ${lookups} lookups`;
  return new PointerUntrusted(
    `Cannot trust the pointer at seq ${item.seq}: two different values are signed with that seq, seen ${times}`,
  );
}

function unreadable(item: SignedItem): PointerUntrusted {
  return new PointerUntrusted(
    `Cannot follow the pointer at seq ${item.seq}: its value (${
      toHex(item.value.subarray(0, 16))
    }…) is no info-hash`,
  );
}

function shownSalt(salt: Uint8Array): string {
  const text = parseUtf8(salt);
  return text === undefined ? toHex(salt) : JSON.stringify(text);
}

/** A lookup in a network that has just been joined may come a moment too early. */
const FIRST_PAUSE_MS = 500;
/** A lookup costs some 40 packets. */
const LONGEST_PAUSE_MS = 10_000;
/** Long enough that a usual lookup says nothing. */
const PATIENCE_MS = 15_000;
const CONFLICT_PAUSE_MS = 10_000;
const LOOKUPS_BEFORE_REFUSAL = 3;
