// Publishing the pointer so that it is really there:
//
//   lookup, finished -> seq -> reserved in the state file -> put -> read back by a stranger -> noted as published
//
// Nothing is put after a lookup that did not finish: what it missed may be newer. Nothing counts as published before
// an independent node, with its own socket, id and empty memory, has found our item as the newest. A value that has
// its seq already goes out under it again, with the same signature.

import { equalBytes, toHex } from "../bytes.ts";
import type { LookupResult } from "../dht/dht_node.ts";
import { type Holder, isSame, type PutAnswer } from "../dht/put.ts";
import { type SignedItem, targetOf, verifyItem } from "../dht/signature.ts";
import { invariant, NetworkStalled, PointerUntrusted } from "../errors.ts";
import type { Report } from "../events.ts";
import type { Clock } from "../ports.ts";
import { parsePointer, pointerHex } from "../snapshot/pointer.ts";
import type { SigningKey } from "./keys.ts";
import { chooseSeq, type NextSeq } from "./next_seq.ts";
import type { PublisherState } from "./publisher_state.ts";

/** The part of a DHT node that reads; `DhtNode` has it. */
export interface PointerReader {
  getItem(options: {
    readonly publicKey: Uint8Array;
    readonly salt: Uint8Array;
    readonly signal: AbortSignal;
  }): Promise<LookupResult>;
}

/** The part of a DHT node that stores; `DhtNode` has it. */
export interface PointerWriter extends PointerReader {
  put(options: {
    readonly item: SignedItem;
    readonly holders: readonly Holder[];
    readonly signal: AbortSignal;
  }): Promise<PutAnswer[]>;
}

export interface PublishOptions {
  readonly dht: PointerWriter;
  /** Opens the stranger that reads back: own socket, own id, empty memory, the same routers. */
  readonly openReader: () => Promise<PointerReader & AsyncDisposable>;
  readonly key: SigningKey;
  readonly salt: Uint8Array;
  /** Bencoded: `pointerValue` of the v2 info-hash. */
  readonly value: Uint8Array;
  /** Of this key and salt. */
  readonly state: PublisherState;
  readonly clock: Pick<Clock, "sleep">;
  readonly signal: AbortSignal;
  readonly report: Report;
  /** Does all but reserving, putting and reading back. */
  readonly dryRun?: boolean;
}

/** A pointer that is in the DHT, or with `dryRun` would be. */
export interface Publication {
  readonly item: SignedItem;
  /** 20 bytes. */
  readonly target: Uint8Array;
  /** Whether the value had this seq before. */
  readonly isRefresh: boolean;
  /** What became of the put at each node, nearest first; empty after a dry run. */
  readonly answers: readonly PutAnswer[];
  /** Nodes that returned exactly our item. */
  readonly stored: number;
  /** Nodes that it was put to, or would have been. */
  readonly holders: number;
  /** Nodes that answered the independent read-back. */
  readonly readBackAnswers: number;
  readonly isDryRun: boolean;
}

/** Another producer signs with our key: its value is as new as ours, or newer. */
export class AnotherProducer extends PointerUntrusted {
  constructor(message: string, readonly item: SignedItem) {
    super(message);
  }
}

/**
 * Publishes a value, above everything that was ever seen. A foreign one that it supersedes is named in a warning.
 *
 * @throws {NetworkStalled} When no lookup finished, nobody stored it, or the read-back did not find it as the newest.
 * @throws {PointerUntrusted} When no seq is left. `PathUnusable` or `NotEnoughSpace` for the state file.
 * @throws The signal's reason when it aborts.
 */
export async function publishPointer(options: PublishOptions): Promise<Publication> {
  return await new Publishing(options).run({ mayTakeOver: true });
}

/**
 * Keeps a published value alive: the same seq and signature again, so that nodes that came since have it too.
 *
 * @throws {AnotherProducer} When somebody else's value is as new as ours: whoever put it means it. Nothing was put.
 * @throws As `publishPointer`.
 */
export async function refreshPointer(options: PublishOptions): Promise<Publication> {
  return await new Publishing(options).run({ mayTakeOver: false });
}

class Publishing {
  readonly #options: PublishOptions;
  readonly #stream: { readonly publicKey: Uint8Array; readonly salt: Uint8Array };

  constructor(options: PublishOptions) {
    this.#options = options;
    this.#stream = { publicKey: options.key.publicKey, salt: options.salt };
  }

  async run({ mayTakeOver }: { mayTakeOver: boolean }): Promise<Publication> {
    const { value, state, dryRun = false } = this.#options;
    const lookup = await this.#lookUp();
    const next = chooseSeq(value, lookup, state);
    this.#noteForeign(next, mayTakeOver);
    // What was seen once is there, though this lookup may have missed it.
    if (!mayTakeOver && state.isOutdone && !next.isAgain) {
      throw new PointerUntrusted(
        `Cannot keep our pointer alive: seq ${state.floor} with this key was somebody else's when it was seen last; ` +
          "another producer uses this key: stop one of them, then publish again",
      );
    }
    if (!dryRun) state.reserve(next.seq, value);
    const item = next.item ?? this.#sign(next.seq);
    const planned = {
      item,
      target: targetOf(item.publicKey, item.salt),
      isRefresh: next.isAgain,
      holders: lookup.holders.length,
      isDryRun: dryRun,
    };
    if (dryRun) return { ...planned, answers: [], stored: 0, readBackAnswers: 0 };
    const answers = await this.#put(item, lookup.holders);
    const readBackAnswers = await this.#readBack(item, answers);
    state.published(item.seq, value);
    const stored = countStored(answers);
    this.#note(
      "info",
      `Published seq ${item.seq} (${hashOf(item)}): ${stored} of ${answers.length} nodes have it`,
    );
    return { ...planned, answers, stored, readBackAnswers };
  }

  /** A network that has just been joined may need a moment; one that stays silent is told. */
  async #lookUp(): Promise<LookupResult> {
    const { dht, clock, signal } = this.#options;
    for (let tries = 1;; tries++) {
      const lookup = await dht.getItem({ ...this.#stream, signal });
      signal.throwIfAborted();
      this.#note("debug", `${lookup.answers} DHT nodes answered, ${lookup.holders.length} would store`);
      if (lookup.finished && lookup.holders.length > 0) return lookup;
      if (tries === LOOKUP_TRIES) throw new NetworkStalled(`Cannot publish: ${whyNot(lookup)}`);
      await clock.sleep(LOOKUP_PAUSE_MS * tries, signal);
      signal.throwIfAborted();
    }
  }

  /** Two producers with one key supersede each other for ever, and mirrors follow both: that must be seen. */
  #noteForeign({ foreign, seq }: NextSeq, mayTakeOver: boolean): void {
    if (foreign === undefined) return;
    const { state, dryRun } = this.#options;
    const { item, conflict } = foreign;
    const what = conflict
      ? `two different values are signed with this key at seq ${item.seq}, one of them ${hashOf(item)}`
      : `seq ${item.seq} with this key names ${hashOf(item)}`;
    const before = state.floor;
    const isNew = before === 0 && !conflict;
    if (!mayTakeOver && !isNew) {
      state.sawForeign(item.seq);
      throw new AnotherProducer(
        `Cannot keep our pointer alive: ${what}, and our last seq is ${before}; another producer uses this key: ` +
          "stop one of them, then publish again",
        item,
      );
    }
    if (dryRun !== true) state.sawForeign(item.seq);
    if (isNew) {
      this.#note(
        "warning",
        `The DHT has a pointer that the state file does not know: ${what}; seq ${seq} comes next`,
      );
    } else {
      this.#note(
        "warning",
        `Another producer uses this key: ${what}, and our last seq is ${before}; seq ${seq} takes over, and ` +
          "mirrors will follow whoever publishes last: stop one of the two",
      );
    }
  }

  #sign(seq: number): SignedItem {
    const { key, salt, value } = this.#options;
    const item = key.signItem({ salt, seq, value });
    invariant(verifyItem(item), "what we sign verifies");
    return item;
  }

  async #put(item: SignedItem, holders: readonly Holder[]): Promise<PutAnswer[]> {
    const { dht, signal } = this.#options;
    const answers = await dht.put({ item, holders, signal });
    signal.throwIfAborted();
    for (const { node, outcome } of answers) {
      this.#note("debug", `${node.host}:${node.port}: ${outcomeText(outcome)}`);
      if ("holds" in outcome && outcome.holds !== undefined) this.#remember(outcome.holds, item);
    }
    if (countStored(answers) === 0) {
      throw new NetworkStalled(
        `Cannot publish seq ${item.seq}: no DHT node stored it; ${answersText(answers)}`,
      );
    }
    return answers;
  }

  /** @returns How many nodes answered. */
  async #readBack(item: SignedItem, answers: readonly PutAnswer[]): Promise<number> {
    const { openReader, clock, signal } = this.#options;
    await using reader = await openReader();
    for (let tries = 1;; tries++) {
      const seen = await reader.getItem({ ...this.#stream, signal });
      signal.throwIfAborted();
      if (seen.item !== undefined && !seen.conflict && isSame(seen.item, item)) return seen.answers;
      if (seen.item !== undefined) this.#remember(seen.item, item);
      const isSuperseded = seen.item !== undefined && seen.item.seq >= item.seq;
      if (isSuperseded || tries === READ_TRIES) {
        throw new NetworkStalled(
          `Cannot call seq ${item.seq} published: an independent lookup ${seenText(seen)}, ` +
            `not ${hashOf(item)} at seq ${item.seq}; of the put, ${answersText(answers)}`,
        );
      }
      await clock.sleep(READ_PAUSE_MS * tries, signal);
      signal.throwIfAborted();
    }
  }

  /** What turned up after the lookup: the next seq goes above it. */
  #remember(seen: SignedItem, ours: SignedItem): void {
    if (seen.seq >= ours.seq && !equalBytes(seen.value, ours.value)) this.#options.state.sawForeign(seen.seq);
  }

  #note(level: "debug" | "info" | "warning", text: string): void {
    this.#options.report({ kind: "note", level, logger: "producer.publish", text });
  }
}

function countStored(answers: readonly PutAnswer[]): number {
  return answers.filter(({ outcome }) => outcome.kind === "stored").length;
}

function whyNot(lookup: LookupResult): string {
  if (lookup.answers === 0) {
    return "no DHT node answered; check that UDP gets out, or name nodes with --dht-bootstrap HOST:PORT";
  }
  const answered = `${lookup.answers} DHT ${lookup.answers === 1 ? "node" : "nodes"} answered`;
  return lookup.finished
    ? `${answered} and none takes items; name other nodes with --dht-bootstrap HOST:PORT`
    : `${answered}, and the lookup did not come to its end, so a newer pointer may have been missed; try again`;
}

/** "6 have it, 1 refused it (302 old sequence number; it holds seq 9, 1f2e…), 1 did not answer". */
function answersText(answers: readonly PutAnswer[]): string {
  const counts = new Map<string, number>();
  for (const { outcome } of answers) {
    const text = outcomeText(outcome);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, count]) => `${count} ${text}`).join(", ");
}

function outcomeText(outcome: PutAnswer["outcome"]): string {
  switch (outcome.kind) {
    case "stored":
      return "stored it";
    case "unconfirmed":
      return "said yes without having it afterwards";
    case "other":
      return `said yes and kept ${hashOf(outcome.holds)} at seq ${outcome.holds.seq}`;
    case "refused": {
      const words = outcome.text.replaceAll(/[^\x20-\x7e]/g, "?");
      const holds = outcome.holds === undefined
        ? ""
        : `; it has ${hashOf(outcome.holds)} at seq ${outcome.holds.seq}`;
      return `refused it (${outcome.code} ${words}${holds})`;
    }
    case "silent":
      return "did not answer";
    default:
      outcome satisfies never;
      return "";
  }
}

function seenText({ item, conflict, answers }: LookupResult): string {
  const answered = `(${answers} nodes answered)`;
  if (item === undefined) return `found nothing ${answered}`;
  if (conflict) return `found two different values at seq ${item.seq} ${answered}`;
  return `found ${hashOf(item)} at seq ${item.seq} ${answered}`;
}

/** Enough of the info-hash to recognise it. */
function hashOf({ value }: SignedItem): string {
  const pointer = parsePointer(value);
  return `${(pointer === undefined ? toHex(value) : pointerHex(pointer)).slice(0, 16)}…`;
}

/** A node that has just begun knows its neighbours after a second or two. */
const LOOKUP_TRIES = 4;
const LOOKUP_PAUSE_MS = 500;
/** A lost packet or two must not make a good put look bad. */
const READ_TRIES = 3;
const READ_PAUSE_MS = 2000;
