import assert from "node:assert/strict";
import type { Holder, PutAnswer } from "../../lib/dht/put.ts";
import type { LookupResult } from "../../lib/dht/dht_node.ts";
import type { SignedItem } from "../../lib/dht/signature.ts";
import { NothingDiscovered, PointerUntrusted } from "../../lib/errors.ts";
import type { RunEvent } from "../../lib/events.ts";
import { PointerWatch, type PointerWatchOptions } from "../../lib/mirror/follow_pointer.ts";
import { TrustStore } from "../../lib/snapshot/trust.ts";
import { DAILY, FakeClock, KEY, MemoryFiles, signed } from "../snapshot/fakes.ts";

const HOLDERS: Holder[] = Array.from({ length: 8 }, (_, i) => ({
  id: new Uint8Array(20).fill(i),
  host: "192.0.2.1",
  port: 6881 + i,
  token: new Uint8Array([i]),
}));

/** A DHT that answers as the test says; the last answer is repeated. What is put is found from then on, where wanted. */
class Net {
  readonly puts: SignedItem[] = [];
  lookups = 0;
  onPut = () => {};

  constructor(public answers: Partial<LookupResult>[]) {}

  async getItem(): Promise<LookupResult> {
    await clock.sleep(100);
    const answer = this.answers[Math.min(this.lookups++, this.answers.length - 1)]!;
    const copies = answer.item === undefined ? 0 : 3;
    return {
      item: undefined,
      conflict: false,
      copies,
      answers: 20,
      forged: 0,
      finished: true,
      holders: HOLDERS,
      ...answer,
    };
  }

  put({ item, holders }: { item: SignedItem; holders: readonly Holder[] }): Promise<PutAnswer[]> {
    this.puts.push(item);
    this.onPut();
    return Promise.resolve(holders.map((node) => ({ node, outcome: { kind: "stored" } })));
  }
}

let clock = new FakeClock();

/** A watch over a network, with what was accepted before. */
function watching(
  net: Net,
  change: Partial<PointerWatchOptions> & { accepted?: SignedItem; vouched?: number } = {},
) {
  clock = new FakeClock();
  const trust = TrustStore.open({ files: new MemoryFiles().files, path: "/d/trust.json", report: () => {} });
  const stream = { publicKey: KEY, salt: DAILY };
  if (change.accepted !== undefined) trust.accept(change.accepted);
  if (change.vouched !== undefined) trust.vouch(stream, change.vouched);
  const events: RunEvent[] = [];
  const report = (event: RunEvent) => void events.push(event);
  const options = { dht: net, trust, stream, clock, timeoutMs: 10_000, refresh: true, report, ...change };
  const watch = new PointerWatch(options);
  const warnings = () =>
    events.flatMap((event) => event.kind === "note" && event.level === "warning" ? [event.text] : []);
  return { look: () => watch.look(new AbortController().signal), warnings, trust };
}

Deno.test("look() puts an item again, as it was signed, where at most eight nodes hold it", async () => {
  const item = signed(7);
  const cases: [change: Partial<LookupResult>, puts: number][] = [
    [{ copies: 8 }, 1],
    [{ copies: 1 }, 1],
    [{ copies: 9 }, 0],
    [{ copies: 8, finished: false }, 0],
    [{ copies: 8, holders: [] }, 0],
  ];
  for (const [change, puts] of cases) {
    const net = new Net([{ item, ...change }]);
    const { look } = watching(net);
    assert.equal((await look()).item.seq, 7);
    assert.deepEqual(net.puts, Array(puts).fill(item), JSON.stringify(change));
  }
  const net = new Net([{ item, copies: 1 }]);
  await watching(net, { refresh: false }).look();
  assert.deepEqual(net.puts, []);
});

Deno.test("look() puts back what the network lost or was led away from, and then finds it", async () => {
  const item = signed(7);
  for (const found of [{}, { item: signed(3, 0xcc), copies: 12 }]) {
    const net = new Net([found]);
    net.onPut = () => net.answers = [{ item: net.puts[0]!, copies: 8 }];
    const { look } = watching(net, { accepted: item });
    assert.deepEqual((await look()).item, item);
    assert.deepEqual(net.puts, [item, item], "once to mend, once because it is still rare");
    assert.equal(net.lookups, 2);
  }
});

Deno.test("look() puts nothing back that is not the newest it knows, nor after half a lookup", async () => {
  for (
    const [answer, change] of [
      [{}, { accepted: signed(7), refresh: false }],
      [{ finished: false }, { accepted: signed(7) }],
      [{}, { accepted: signed(7), vouched: 9 }],
      [{}, { vouched: 9 }],
      [{ item: signed(7, 0xcc), copies: 3 }, { accepted: signed(7) }],
    ] as const
  ) {
    const net = new Net([answer]);
    await assert.rejects(
      watching(net, change).look(),
      (error) => error instanceof NothingDiscovered || error instanceof PointerUntrusted,
    );
    assert.deepEqual(net.puts, []);
  }
});

Deno.test("look() gives up after its time, and puts back once in that time", async () => {
  const net = new Net([{}]);
  const { look } = watching(net, { accepted: signed(7) });
  await assert.rejects(look(), NothingDiscovered);
  assert.equal(clock.nowMs(), 10_000);
  assert.ok(net.lookups > 3);
  assert.equal(net.puts.length, 1);
});

Deno.test("look() tells of what it refuses once, however often it looks", async () => {
  const cases: [answer: Partial<LookupResult>, warning: RegExp][] = [
    [{ forged: 3 }, /Ignored 3 DHT answers that are not signed/],
    [{ item: signed(2, 0xcc) }, /Ignored a DHT item at seq 2/],
    [{ item: signed(7, 0xcc) }, /Two different values are signed at seq 7/],
    [{ item: signed(8), conflict: true }, /Two different values are signed at seq 8/],
  ];
  for (const [answer, warning] of cases) {
    const net = new Net([answer]);
    const { look, warnings, trust } = watching(net, { accepted: signed(7), refresh: false });
    for (let i = 0; i < 3; i++) await assert.rejects(look());
    assert.equal(warnings().length, 1, warnings().join("\n"));
    assert.match(warnings()[0]!, warning);
    assert.equal(trust.floor({ publicKey: KEY, salt: DAILY }).seq, 7);
  }
  // More of them than ever is news.
  const net = new Net([{ item: signed(7), forged: 3 }]);
  const { look, warnings } = watching(net, { accepted: signed(7) });
  await look();
  net.answers = [{ item: signed(7), forged: 2 }];
  await look();
  net.answers = [{ item: signed(7), forged: 9 }];
  await look();
  assert.equal(warnings().length, 2);
});
