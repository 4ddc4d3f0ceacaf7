import assert from "node:assert/strict";
import { encode } from "../../lib/bencode.ts";
import { utf8 } from "../../lib/bytes.ts";
import type { SignedItem } from "../../lib/dht/signature.ts";
import { NothingDiscovered, PointerUntrusted } from "../../lib/errors.ts";
import type { RunEvent } from "../../lib/events.ts";
import {
  type Candidate,
  discover,
  type DiscoverOptions,
  type ItemSource,
} from "../../lib/snapshot/discover.ts";
import { TrustStore } from "../../lib/snapshot/trust.ts";
import { DAILY, FakeClock, KEY, MemoryFiles, signed } from "./fakes.ts";

/** What one lookup hears: items in the order that they come, and the rest of the result. */
interface Script {
  readonly items?: readonly SignedItem[];
  readonly conflict?: boolean;
  readonly answers?: number;
  readonly forged?: number;
}

/** Runs `discover` over scripted lookups; the last one is repeated. Each lookup takes 0.1 s. */
function run(
  scripts: readonly Script[],
  change: Partial<DiscoverOptions> & { stored?: SignedItem; vouched?: number } = {},
) {
  const clock = new FakeClock();
  const memory = new MemoryFiles();
  const trust = TrustStore.open({ files: memory.files, path: "/d/trust.json", report: () => {} });
  if (change.stored !== undefined) trust.accept(change.stored);
  if (change.vouched !== undefined) trust.vouch({ publicKey: KEY, salt: DAILY }, change.vouched);
  const startsMs: number[] = [];
  const dht: ItemSource = {
    async getItem({ signal, onItem }) {
      const { items = [], conflict = false, answers = 12, forged = 0 } = scripts[startsMs.length] ??
        scripts.at(-1)!;
      startsMs.push(clock.nowMs());
      let best: SignedItem | undefined;
      for (const item of items) {
        if (best !== undefined && item.seq <= best.seq) continue;
        best = item;
        onItem?.(item);
      }
      await clock.sleep(100, signal);
      return { item: best, conflict, answers, forged };
    },
  };
  const candidates: Candidate[] = [];
  const events: RunEvent[] = [];
  const result = discover({
    dht,
    trust,
    authority: KEY,
    salt: DAILY,
    clock,
    timeoutMs: 120_000,
    advice: "wait longer with --discover-timeout",
    signal: new AbortController().signal,
    report: (event) => events.push(event),
    onCandidate: (candidate) => candidates.push(candidate),
    ...change,
  });
  const floor = () => trust.floor({ publicKey: KEY, salt: DAILY }).seq;
  const notes = () =>
    events.flatMap((event) => event.kind === "note" && event.level !== "debug" ? [event.text] : []);
  return { result, clock, startsMs, candidates, floor, notes };
}

Deno.test("discover() returns the pointer at once and stores its seq", async () => {
  const { result, clock, candidates, floor, notes } = run([{ items: [signed(5)] }]);
  const { pointer, item } = await result;
  assert.deepEqual(pointer, { kind: "v2", infoHashV2: new Uint8Array(32).fill(0xab) });
  assert.deepEqual([item.seq, floor(), clock.nowMs(), candidates.length], [5, 5, 100, 1]);
  assert.deepEqual(notes(), ["Discovered DHT mutable item: sequence=5, info_hash=abababababababab"]);
});

Deno.test("discover() offers a first answer during the lookup, and again only for another snapshot", async () => {
  const { result, candidates } = run([{ items: [signed(5), signed(6), signed(7, 0xcd)] }]);
  assert.equal((await result).item.seq, 7);
  assert.deepEqual(candidates.map(({ item }) => item.seq), [5, 7]);
});

Deno.test("discover() takes the stored seq again, and a higher one with the same value", async () => {
  for (const seq of [7, 8]) {
    const { result, floor } = run([{ items: [signed(seq)] }], { stored: signed(7) });
    assert.equal((await result).item.seq, seq);
    assert.equal(floor(), seq);
  }
});

Deno.test("discover() asks again with growing pauses until somebody knows", async () => {
  const nobody = { answers: 0 };
  const { result, startsMs } = run([nobody, nobody, { answers: 3 }, nobody, nobody, nobody, nobody, {
    items: [signed(1)],
  }]);
  assert.equal((await result).item.seq, 1);
  assert.deepEqual(startsMs, [0, 600, 1700, 3800, 7900, 16_000, 26_100, 36_200]);
});

Deno.test("discover() gives up when the time is up, saying how many answered and what to try", async () => {
  const { result, clock } = run([{ answers: 14 }]);
  await assert.rejects(result, (error: Error) => {
    assert.ok(error instanceof NothingDiscovered && error.exitCode === 3);
    for (const part of ["14 DHT nodes answered", "03a107bf", '"daily"', "120 s", "--authority", "--salt"]) {
      assert.ok(error.message.includes(part), `${part} in: ${error.message}`);
    }
    assert.match(error.message, /--dht-bootstrap.*--discover-timeout/);
    return true;
  });
  assert.equal(clock.nowMs(), 120_000);
});

Deno.test("discover() tells a dead network from one that has no item", async () => {
  const { result } = run([{ answers: 0 }], { timeoutMs: 5000 });
  await assert.rejects(result, /no DHT node answered in 5 s; .*UDP.*names.*doctor.*--dht-bootstrap/);
});

Deno.test("discover() says now and then that it still looks, when it was asked to", async () => {
  const scripts = [{ answers: 0 }, { answers: 0 }, { answers: 0 }, { answers: 0 }, { answers: 0 }, {
    answers: 1,
  }];
  const watched = run(scripts, { patience: true, timeoutMs: 60_000 });
  await assert.rejects(watched.result, NothingDiscovered);
  assert.deepEqual(watched.notes(), [
    "Still looking after 17 s, for at most 1 min: 1 DHT node answered, none with a pointer",
    "Still looking after 37 s, for at most 1 min: 1 DHT node answered, none with a pointer",
    "Still looking after 57 s, for at most 1 min: 1 DHT node answered, none with a pointer",
  ]);
  const silent = run([{ answers: 0 }], { patience: true, timeoutMs: 30_000 });
  await assert.rejects(silent.result, NothingDiscovered);
  assert.deepEqual(silent.notes(), [
    "Still looking after 17 s, for at most 30 s: no DHT node has answered yet",
  ]);
  const quiet = run([{ answers: 0 }]);
  await assert.rejects(quiet.result, NothingDiscovered);
  assert.deepEqual(quiet.notes(), []);
});

Deno.test("discover() ignores a rollback, keeps asking, and names it at the end", async () => {
  const { result, candidates, floor } = run([{ items: [signed(5)] }], {
    stored: signed(9),
    timeoutMs: 30_000,
  });
  await assert.rejects(result, (error: Error) => {
    assert.ok(error instanceof NothingDiscovered);
    assert.match(error.message, /seq 5, below the seq 9/);
    return true;
  });
  assert.deepEqual([candidates.length, floor()], [0, 9]);
});

Deno.test("discover() gets past a rollback when the newest shows up", async () => {
  const { result, floor } = run([{ items: [signed(5)] }, { items: [signed(5), signed(9)] }], {
    stored: signed(9),
  });
  assert.equal((await result).item.seq, 9);
  assert.equal(floor(), 9);
});

Deno.test("discover() holds to a seq that upstream's files vouch for", async () => {
  const { result } = run([{ items: [signed(5)] }], { vouched: 6, timeoutMs: 5000 });
  await assert.rejects(result, /seq 5, below the seq 6/);
  assert.equal((await run([{ items: [signed(6)] }], { vouched: 6 }).result).item.seq, 6);
});

Deno.test("discover() looks three times, ten seconds apart, at two values of one seq, then refuses", async () => {
  const { result, startsMs, floor } = run([{ items: [signed(5)], conflict: true }]);
  await assert.rejects(result, (error: Error) => {
    assert.ok(error instanceof PointerUntrusted && error.exitCode === 4);
    assert.match(error.message, /seq 5: two different values.*3 lookups/);
    return true;
  });
  assert.deepEqual(startsMs, [0, 10_100, 20_200]);
  assert.equal(floor(), 0);
});

Deno.test("discover() accepts when a higher seq ends the conflict", async () => {
  const { result } = run([{ items: [signed(5)], conflict: true }, { items: [signed(5), signed(6, 0xcd)] }]);
  assert.equal((await result).item.seq, 6);
});

Deno.test("discover() refuses another value at the stored seq like any conflict", async () => {
  const { result, candidates, startsMs } = run([{ items: [signed(7, 0xcd)] }], { stored: signed(7) });
  await assert.rejects(result, PointerUntrusted);
  assert.deepEqual([candidates.length, startsMs.length], [0, 3]);
});

Deno.test("discover() refuses a conflict with exit 4 also when the time ends first", async () => {
  const { result } = run([{ items: [signed(5)], conflict: true }], { timeoutMs: 5000 });
  await assert.rejects(result, PointerUntrusted);
});

Deno.test("discover() refuses a signed value that names nothing", async () => {
  const { result, candidates, floor } = run([{ items: [signed(5, utf8("5:hello"))] }], { stored: signed(4) });
  await assert.rejects(result, /seq 5: its value .*no info-hash/);
  assert.deepEqual([candidates.length, floor()], [0, 4]);
});

Deno.test("discover() counts forged answers and is not stopped by them", async () => {
  const { result, notes } = run([{ items: [signed(5)], forged: 9 }]);
  assert.equal((await result).item.seq, 5);
  assert.ok(notes().some((text) => text.includes("Ignored 9 DHT answers")));
  const only = run([{ forged: 9, answers: 11 }], { timeoutMs: 5000 });
  await assert.rejects(only.result, (error: Error) => {
    assert.ok(error instanceof NothingDiscovered);
    assert.match(error.message, /11 DHT nodes answered .*9 had one that it did not sign/);
    return true;
  });
});

Deno.test("discover() takes what a lookup has found when the time is up in its middle", async () => {
  const { result, clock } = run([{ items: [signed(5)] }], { timeoutMs: 50 });
  assert.equal((await result).item.seq, 5);
  assert.equal(clock.nowMs(), 50);
});

Deno.test("discover() ends with the signal's reason when it is stopped", async () => {
  const stop = new AbortController();
  const reason = new Error("stopped by the user");
  const { result, clock } = run([{}], { signal: stop.signal });
  void clock.sleep(7000).then(() => stop.abort(reason));
  await assert.rejects(result, reason);
});

Deno.test("discover() follows a BEP 46 dict as well", async () => {
  const value = encode({ ih: new Uint8Array(20).fill(3) });
  assert.equal((await run([{ items: [signed(5, value)] }]).result).pointer.kind, "short");
});
