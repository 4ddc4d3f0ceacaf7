// A day without the producer: mirrors on virtual time, with the real core and the real watch, over a DHT whose nodes come
// and go and forget what nobody puts again. The DHT is a model of what BEP 44 asks of nodes, not of how they are found:
// the eight nearest of those that live hold an item for two hours.

import assert from "node:assert/strict";
import type { LookupResult } from "../../lib/dht/dht_node.ts";
import type { Holder, PutAnswer } from "../../lib/dht/put.ts";
import type { SignedItem } from "../../lib/dht/signature.ts";
import { SnapError } from "../../lib/errors.ts";
import { FollowCore, type FollowInput } from "../../lib/mirror/follow_core.ts";
import { PointerWatch } from "../../lib/mirror/follow_pointer.ts";
import { TrustStore } from "../../lib/snapshot/trust.ts";
import { DAILY, KEY, MemoryFiles, signed } from "../snapshot/fakes.ts";
import { seeded } from "../torrent/seeded.ts";
import { VirtualClock } from "./virtual_clock.ts";

const HOUR_MS = 3_600_000;
/** BEP 44: nodes may forget after it. */
const ITEM_LIFE_MS = 2 * HOUR_MS;
/** How long a node lives, on average: home computers. */
const NODE_LIFE_MS = 3 * HOUR_MS;
const NODES = 60;

interface Node {
  /** Smaller is nearer to the item. */
  readonly distance: number;
  readonly number: number;
  held: { readonly item: SignedItem; readonly atMs: number } | undefined;
}

class Dht {
  readonly #clock: VirtualClock;
  readonly #random: () => number;
  #nodes: Node[] = [];
  #born = 0;
  /** Nobody answers. */
  isSilent = false;

  constructor(clock: VirtualClock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
    while (this.#nodes.length < NODES) this.#bear();
  }

  /** Some end and as many begin, once a minute. */
  async churn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(60_000, signal);
      this.#nodes = this.#nodes.filter(() => this.#random() > 60_000 / NODE_LIFE_MS);
      while (this.#nodes.length < NODES) this.#bear();
    }
  }

  async getItem(): Promise<LookupResult> {
    await this.#clock.sleep(500);
    const near = this.isSilent ? [] : this.#nearest();
    const items = near.map((node) => this.#itemOf(node)).filter((item) => item !== undefined);
    const item = items.toSorted((a, b) => b.seq - a.seq)[0];
    const copies = items.filter(({ seq }) => seq === item?.seq).length;
    const holders = near.map(({ number }): Holder => ({
      id: new Uint8Array(20),
      host: "192.0.2.1",
      port: number,
      token: new Uint8Array(4),
    }));
    const answers = near.length;
    return { item, conflict: false, copies, answers, forged: 0, finished: answers > 0, holders };
  }

  put({ item, holders }: { item: SignedItem; holders: readonly Holder[] }): Promise<PutAnswer[]> {
    return Promise.resolve(holders.map((node) => {
      const at = this.#nodes.find(({ number }) => number === node.port);
      if (at === undefined) return { node, outcome: { kind: "silent" } };
      at.held = { item, atMs: this.#clock.nowMs() };
      return { node, outcome: { kind: "stored" } };
    }));
  }

  #nearest(): Node[] {
    return this.#nodes.toSorted((a, b) => a.distance - b.distance).slice(0, 8);
  }

  #itemOf({ held }: Node): SignedItem | undefined {
    return held !== undefined && this.#clock.nowMs() - held.atMs < ITEM_LIFE_MS ? held.item : undefined;
  }

  #bear(): void {
    this.#nodes.push({ distance: this.#random(), number: 1 + this.#born++, held: undefined });
  }
}

/** A mirror that holds what the pointer names, for as long as the signal says. */
async function mirror(
  dht: Dht,
  clock: VirtualClock,
  random: () => number,
  stop: AbortSignal,
  refresh: boolean,
) {
  const trust = TrustStore.open({ files: new MemoryFiles().files, path: "/d/trust.json", report: () => {} });
  const stream = { publicKey: KEY, salt: DAILY };
  const watch = new PointerWatch({
    dht,
    trust,
    stream,
    clock,
    timeoutMs: 120_000,
    refresh,
    report: () => {},
  });
  const core = new FollowCore({ pollMs: 600_000, random });
  let wake = new AbortController();
  const tell = (input: FollowInput) => {
    core.handle(input, clock.nowMs());
    for (const output of core.outputs()) if (output.kind === "lookUp") void look();
    wake.abort();
  };
  const look = async () => {
    try {
      await watch.look(stop);
      tell({ kind: "found", name: "a" });
    } catch (error) {
      if (stop.aborted) return;
      if (!(error instanceof SnapError)) throw error;
      tell({ kind: "lookupFailed", why: error.message });
    }
  };
  await clock.sleep(random() * 600_000, stop);
  tell({ kind: "begin", held: "a", named: "a" });
  while (!stop.aborted) {
    wake = new AbortController();
    const pauseMs = (core.deadlineMs ?? Infinity) - clock.nowMs();
    await clock.sleep(Math.min(pauseMs, HOUR_MS), AbortSignal.any([wake.signal, stop]));
    tell({ kind: "tick" });
  }
}

/** Lets a day pass after one publication. @returns In how many of its looks, one a minute, a stranger found the item. */
async function day(
  mirrors: number,
  refresh: boolean,
  silentHours: readonly number[] = [],
): Promise<number[]> {
  const clock = new VirtualClock();
  const random = seeded(7);
  const dht = new Dht(clock, random);
  const item = signed(1370);
  const stop = new AbortController();
  const found: number[] = [];
  let isOver = false;
  const run = async () => {
    await dht.put({ item, holders: (await dht.getItem()).holders });
    void dht.churn(stop.signal);
    for (let i = 0; i < mirrors; i++) void mirror(dht, clock, random, stop.signal, refresh);
    for (let hour = 0; hour < 24; hour++) {
      let count = 0;
      dht.isSilent = silentHours.includes(hour);
      for (let minute = 0; minute < 60; minute++) {
        await clock.sleep(59_500);
        const seen = (await dht.getItem()).item;
        if (seen !== undefined) {
          assert.deepEqual(seen, item);
          count++;
        }
      }
      found.push(count);
    }
    stop.abort();
    isOver = true;
  };
  const running = run();
  assert.ok(await clock.run(() => isOver, 25 * HOUR_MS));
  await running;
  return found;
}

Deno.test("mirrors keep a pointer readable for the whole day that its producer is away", async () => {
  assert.deepEqual(await day(3, true), Array(24).fill(60));
  // One alone can do it too.
  assert.deepEqual(await day(1, true), Array(24).fill(60));
});

Deno.test("a pointer that nobody puts again is gone after two hours", async () => {
  const found = await day(3, false);
  assert.equal(found[0], 60);
  assert.deepEqual(found.slice(3), Array(21).fill(0));
});

Deno.test("mirrors bring a pointer back after the network was silent for longer than it remembers", async () => {
  const found = await day(3, true, [5, 6, 7, 8]);
  assert.deepEqual(found.slice(0, 5), Array(5).fill(60));
  assert.deepEqual(found.slice(5, 9), Array(4).fill(0));
  // Whoever looks next puts it back; their pauses had grown to the interval.
  assert.ok(found[9]! >= 45, `${found[9]} of 60`);
  assert.deepEqual(found.slice(10), Array(14).fill(60));
});
