// A DHT of a few scripted nodes without a network, files in memory that a kill may cut off at any write, and one run
// of `publishPointer` between them.

import { encode } from "../../lib/bencode.ts";
import { equalBytes } from "../../lib/bytes.ts";
import type { Contact } from "../../lib/dht/contact.ts";
import type { LookupResult } from "../../lib/dht/dht_node.ts";
import { type Holder, isSame, type PutAnswer, type PutOutcome } from "../../lib/dht/put.ts";
import { type SignedItem, verifyItem } from "../../lib/dht/signature.ts";
import type { RunEvent } from "../../lib/events.ts";
import type { Files } from "../../lib/ports.ts";
import { SigningKey } from "../../lib/producer/keys.ts";
import {
  type Publication,
  type PublishOptions,
  publishPointer,
  refreshPointer,
} from "../../lib/producer/publish.ts";
import { PublisherState } from "../../lib/producer/publisher_state.ts";
import { FakeClock, MemoryFiles } from "../snapshot/fakes.ts";
import { DAILY, KEY, SEED } from "../dht/vectors.ts";

export const STATE = "/out/publisher_state.json";
export const LAST_GOOD = "/out/publisher_state.last-good.json";

/** Raw v2 hashes, bencoded. */
export const [A, B, C] = [0xaa, 0xbb, 0xcc].map((byte) => encode(new Uint8Array(32).fill(byte))) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

export function signed(seq: number, value: Uint8Array): SignedItem {
  return new SigningKey(SEED).signItem({ salt: DAILY, seq, value });
}

/** Stops everything, as kill -9 does. */
export class Killed extends Error {}

/** Files that a kill leaves with a given number of writes done. */
export class MortalFiles extends MemoryFiles {
  killAfterWrites = Infinity;
  isLocked = false;

  override writeAtomic(path: string, bytes: Uint8Array): void {
    if (this.killAfterWrites <= 0) throw new Killed();
    this.killAfterWrites--;
    super.writeAtomic(path, bytes);
  }

  lock() {
    if (this.isLocked) return undefined;
    this.isLocked = true;
    return { release: () => void (this.isLocked = false) };
  }

  remove(path: string): void {
    this.contents.delete(path);
  }

  json(path = STATE): Record<string, unknown> {
    return JSON.parse(new TextDecoder().decode(this.contents.get(path)));
  }

  override get files(): Files {
    return this as unknown as Files;
  }
}

/** How a node takes a put. */
export type Habit = "stores" | "says yes, keeps its own" | "refuses" | "silent" | "forgets";

export class DhtWorld {
  readonly habits: Habit[];
  readonly held: (SignedItem | undefined)[];
  /** Everything that was ever put, in order. */
  readonly puts: SignedItem[] = [];
  lookups = 0;
  /** Lookups that end before their time. */
  unfinished = 0;
  /** Called before each put. */
  beforePut = () => {};

  constructor(habits: readonly Habit[] = Array(8).fill("stores")) {
    this.habits = [...habits];
    this.held = habits.map(() => undefined);
  }

  /** Everybody has it. */
  hold(item: SignedItem): void {
    this.held.fill(item);
  }

  getItem(): Promise<LookupResult> {
    this.lookups++;
    const finished = this.unfinished-- <= 0;
    const items = this.held.filter((item) => item !== undefined);
    const item = items.toSorted((a, b) => b.seq - a.seq)[0];
    const conflict = items.some((other) => other.seq === item?.seq && !equalBytes(other.value, item.value));
    const copies = items.filter((other) => item !== undefined && isSame(other, item)).length;
    const rest = { conflict, copies, forged: 0, holders: this.#holders() };
    return Promise.resolve({ item, answers: this.habits.length, finished, ...rest });
  }

  put({ item, holders }: { item: SignedItem; holders: readonly Holder[] }): Promise<PutAnswer[]> {
    this.beforePut();
    if (!verifyItem(item)) throw new Error("what is put is signed");
    this.puts.push(item);
    return Promise.resolve(holders.map((node) => ({ node, outcome: this.#putAt(node.port, item) })));
  }

  #putAt(index: number, item: SignedItem): PutOutcome {
    const held = this.held[index];
    switch (this.habits[index]!) {
      case "silent":
        return { kind: "silent" };
      case "refuses":
        return { kind: "refused", code: 203, text: "invalid token" };
      case "forgets":
        return { kind: "unconfirmed" };
      case "says yes, keeps its own":
        return held === undefined ? { kind: "unconfirmed" } : { kind: "other", holds: held };
      case "stores":
        if (held !== undefined && held.seq > item.seq) {
          return { kind: "refused", code: 302, text: "old sequence number", holds: held };
        }
        if (held?.seq === item.seq && !equalBytes(held.value, item.value)) {
          return { kind: "other", holds: held };
        }
        this.held[index] = item;
        return { kind: "stored" };
    }
  }

  #holders(): Holder[] {
    const node = (port: number): Contact => ({ id: new Uint8Array(20).fill(port), host: "10.0.0.1", port });
    return this.habits.map((_, i) => ({ ...node(i), token: new Uint8Array(4) }));
  }
}

/** One process: opens the state, publishes or refreshes, and lets go of everything. */
export async function run(
  { dht, files, value, reader = dht, ...rest }: {
    dht: DhtWorld;
    files: MortalFiles;
    value: Uint8Array;
    reader?: Pick<DhtWorld, "getItem">;
    how?: "publish" | "refresh";
    dryRun?: boolean;
    signal?: AbortSignal;
  },
): Promise<Publication & { readonly notes: string[] }> {
  const notes: string[] = [];
  const report = (event: RunEvent) => {
    if (event.kind === "note" && event.level !== "debug") notes.push(`${event.level}: ${event.text}`);
  };
  const stream = { publicKey: KEY, salt: DAILY };
  files.isLocked = false; // A process that was killed holds nothing.
  using state = PublisherState.open({ files: files.files, path: STATE, stream, pid: 1, report });
  const options: PublishOptions = {
    dht,
    openReader: () =>
      Promise.resolve({ getItem: () => reader.getItem(), [Symbol.asyncDispose]: () => Promise.resolve() }),
    key: new SigningKey(SEED),
    salt: DAILY,
    value,
    state,
    clock: new FakeClock(),
    signal: rest.signal ?? new AbortController().signal,
    report,
    dryRun: rest.dryRun ?? false,
  };
  const publication = await (rest.how === "refresh" ? refreshPointer(options) : publishPointer(options));
  return { ...publication, notes };
}
