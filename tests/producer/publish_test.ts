// The seq rules of publishing, on a DHT of scripted nodes; what real ones answer is in tests/interop/publish_test.ts.

import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes.ts";
import { targetOf } from "../../lib/dht/signature.ts";
import { Interrupted, NetworkStalled, PointerUntrusted } from "../../lib/errors.ts";
import { AnotherProducer } from "../../lib/producer/publish.ts";
import { DAILY, ITEMS, KEY } from "../dht/vectors.ts";
import { A, B, C, DhtWorld, type Habit, Killed, MortalFiles, run, signed, STATE } from "./publish_world.ts";

function fresh(habits?: readonly Habit[]) {
  return { dht: new DhtWorld(habits), files: new MortalFiles() };
}

Deno.test("publishPointer() begins at seq 1 and counts up with each new value", async () => {
  const { dht, files } = fresh();
  for (const [value, seq] of [[A, 1], [B, 2], [A, 3]] as const) {
    const publication = await run({ dht, files, value });
    assert.deepEqual([publication.item.seq, publication.isRefresh, publication.stored], [seq, false, 8]);
    assert.equal(toHex(publication.target), toHex(targetOf(KEY, DAILY)));
    assert.deepEqual(publication.notes, [
      `info: Published seq ${seq} (${toHex(value).slice(6, 22)}…): 8 of 8 nodes have it`,
    ]);
  }
  assert.deepEqual(files.json(), {
    dht_pubkey: toHex(KEY),
    dht_salt: "daily",
    foreign_dht_seq: 0,
    reserved_dht_seq: 3,
    reserved_dht_value: toHex(A),
    last_seq: 3,
    last_info_hash: toHex(A).slice(6),
    last_dht_seq: 3,
    last_dht_info_hash: toHex(A).slice(6),
  });
});

Deno.test("publishPointer() signs as libtorrent and upstream do", async () => {
  for (const { seq, value, signature } of [ITEMS[2]!, ITEMS[3]!, ITEMS[6]!]) {
    const { dht, files } = fresh();
    dht.hold(signed(seq - 1, C));
    const { item } = await run({ dht, files, value });
    assert.deepEqual([item.seq, toHex(item.signature)], [seq, toHex(signature)]);
  }
});

Deno.test("publishPointer() of the same value puts the same seq and signature again", async () => {
  const { dht, files } = fresh();
  const first = await run({ dht, files, value: A });
  for (const how of ["publish", "refresh"] as const) {
    const again = await run({ dht, files, value: A, how });
    assert.deepEqual([again.item, again.isRefresh], [first.item, true]);
  }
  dht.held.fill(undefined);
  assert.deepEqual(
    (await run({ dht, files, value: A })).item,
    first.item,
    "even when the DHT has forgotten it",
  );
  assert.equal(dht.puts.length, 4);
  assert.equal(files.json()["last_seq"], 1, "one revision");
});

Deno.test("publishPointer() goes above what upstream's state file and the DHT know", async () => {
  const { dht, files } = fresh();
  files.writeAtomic(
    STATE,
    new TextEncoder().encode(JSON.stringify({
      last_seq: 41,
      last_info_hash: toHex(A).slice(6),
      last_dht_seq: 1370,
      last_dht_info_hash: toHex(A).slice(6),
      theirs: { kept: true },
    })),
  );
  // Upstream counts up each half hour, and the file lags behind.
  dht.hold(signed(1372, A));
  const { item, notes } = await run({ dht, files, value: B });
  assert.equal(item.seq, 1373);
  assert.ok(!notes.some((note) => note.startsWith("warning")), `${notes}`);
  const json = files.json();
  assert.deepEqual([json["last_seq"], json["last_dht_seq"], json["theirs"]], [42, 1373, { kept: true }]);
});

Deno.test("publishPointer() keeps the seq of a value that the DHT has under a higher one", async () => {
  const { dht, files } = fresh();
  await run({ dht, files, value: A });
  dht.hold(signed(9, A));
  const { item, isRefresh } = await run({ dht, files, value: A, how: "refresh" });
  assert.deepEqual([item, isRefresh], [signed(9, A), true]);
  assert.equal(files.json()["last_dht_seq"], 9);
});

Deno.test("publishPointer() never goes below its own seq, whatever the DHT has", async () => {
  const { dht, files } = fresh();
  dht.hold(signed(20, C));
  await run({ dht, files, value: A });
  dht.hold(signed(3, B));
  assert.deepEqual((await run({ dht, files, value: A })).item, signed(21, A));
  dht.hold(signed(3, B));
  assert.equal((await run({ dht, files, value: B })).item.seq, 22);
});

Deno.test("publishPointer() takes over from another producer, and names its seq and hash", async () => {
  const { dht, files } = fresh();
  await run({ dht, files, value: A });
  dht.hold(signed(7, C));
  const { item, notes } = await run({ dht, files, value: B });
  assert.equal(item.seq, 8);
  assert.match(
    notes[0]!,
    /^warning: Another producer uses this key: seq 7 .* names c{16}…, and our last seq is 1; seq 8/,
  );
});

Deno.test("publishPointer() takes over at an equal seq, and where two values share one", async () => {
  const equal = fresh();
  await run({ ...equal, value: A });
  equal.dht.hold(signed(1, C));
  const after = await run({ ...equal, value: A });
  assert.deepEqual([after.item.seq, after.isRefresh], [2, false], "even for the value that had it");
  assert.match(after.notes[0]!, /warning: Another producer/);

  const both = fresh();
  await run({ ...both, value: A });
  both.dht.held[3] = signed(1, C);
  const resolved = await run({ ...both, value: A });
  assert.equal(resolved.item.seq, 2);
  assert.match(resolved.notes[0]!, /two different values are signed with this key at seq 1/);
});

Deno.test("publishPointer() without a state file says that it goes on from the DHT's seq", async () => {
  const { dht, files } = fresh();
  dht.hold(signed(12, C));
  const { item, notes } = await run({ dht, files, value: A });
  assert.equal(item.seq, 13);
  assert.match(notes[0]!, /^warning: The DHT has a pointer that the state file does not know: seq 12/);
});

Deno.test("refreshPointer() stops when another producer's value is as new as ours", async () => {
  for (const theirs of [signed(1, C), signed(2, C)]) {
    const { dht, files } = fresh();
    await run({ dht, files, value: A });
    dht.hold(theirs);
    const puts = dht.puts.length;
    await assert.rejects(run({ dht, files, value: A, how: "refresh" }), (error) => {
      assert.ok(error instanceof AnotherProducer && error.item === theirs && error.exitCode === 4);
      assert.match(
        error.message,
        new RegExp(`seq ${theirs.seq} with this key names c{16}…, and our last seq is 1`),
      );
      return true;
    });
    assert.equal(dht.puts.length, puts);
    dht.hold(signed(1, A));
    assert.equal(
      (await run({ dht, files, value: A })).item.seq,
      theirs.seq + 1,
      "and what it saw is remembered",
    );
  }
});

Deno.test("publishPointer() never publishes when the lookup did not finish", async () => {
  const { dht, files } = fresh();
  dht.unfinished = 99;
  await assert.rejects(run({ dht, files, value: A }), (error) => {
    assert.ok(error instanceof NetworkStalled && error.exitCode === 8);
    assert.match(error.message, /8 DHT nodes answered, and the lookup did not come to its end/);
    return true;
  });
  assert.deepEqual([dht.puts.length, files.writes, dht.lookups], [0, 0, 4]);
  dht.unfinished = 2;
  assert.equal((await run({ dht, files, value: A })).item.seq, 1, "a slow start is waited for");
});

Deno.test("publishPointer() says when nobody answers", async () => {
  const { dht, files } = fresh([]);
  await assert.rejects(run({ dht, files, value: A }), /Cannot publish: .* node.* answered.*--dht-bootstrap/);
  assert.equal(files.writes, 0);
});

Deno.test("publishPointer() that nobody stores is not published, and says what each said", async () => {
  const { dht, files } = fresh([
    "silent",
    "refuses",
    "refuses",
    "forgets",
    "says yes, keeps its own",
    "silent",
  ]);
  dht.held[4] = signed(5, C);
  await assert.rejects(run({ dht, files, value: A }), (error) => {
    assert.ok(error instanceof NetworkStalled && error.exitCode === 8);
    assert.equal(
      error.message,
      "Cannot publish seq 6: no DHT node stored it; 2 did not answer, 2 refused it (203 invalid token), " +
        "1 said yes without having it afterwards, 1 said yes and kept cccccccccccccccc… at seq 5",
    );
    return true;
  });
  assert.equal(files.json()["last_dht_seq"], undefined);
  assert.equal(files.json()["reserved_dht_seq"], 6);
});

Deno.test("publishPointer() is not done before a stranger reads it back as the newest", async () => {
  const { dht, files } = fresh();
  const stale = new DhtWorld();
  await assert.rejects(run({ dht, files, value: A, reader: stale }), (error) => {
    assert.ok(error instanceof NetworkStalled && error.exitCode === 8);
    assert.match(
      error.message,
      /seq 1 published: an independent lookup found nothing \(8 nodes answered\).* 8 stored it/,
    );
    return true;
  });
  assert.equal(stale.lookups, 3);
  assert.equal(files.json()["last_dht_seq"], undefined);

  const newer = new DhtWorld();
  newer.hold(signed(4, C));
  await assert.rejects(
    run({ dht, files, value: A, reader: newer }),
    /found c{16}… at seq 4 .*, not a{16}… at seq 1/,
  );
  assert.equal(newer.lookups, 1);
  assert.equal((await run({ dht, files, value: A })).item.seq, 5, "the next try goes above what it saw");

  const torn = new DhtWorld();
  torn.held[0] = signed(5, A);
  torn.held[1] = signed(5, C);
  await assert.rejects(run({ dht, files, value: A, reader: torn }), /found two different values at seq 5/);
});

Deno.test("publishPointer() with dryRun chooses and signs, and neither writes nor puts", async () => {
  const { dht, files } = fresh();
  dht.hold(signed(6, C));
  const { item, holders, isDryRun, answers } = await run({ dht, files, value: A, dryRun: true });
  assert.deepEqual([item, holders, isDryRun, answers], [signed(7, A), 8, true, []]);
  assert.deepEqual([dht.puts.length, files.writes], [0, 0]);
});

Deno.test("publishPointer() ends above the last seq there is", async () => {
  const { dht, files } = fresh();
  dht.hold(signed(Number.MAX_SAFE_INTEGER - 1, C));
  assert.equal((await run({ dht, files, value: A })).item.seq, Number.MAX_SAFE_INTEGER);
  await assert.rejects(run({ dht, files, value: B }), PointerUntrusted);
  assert.equal(
    (await run({ dht, files, value: A })).item.seq,
    Number.MAX_SAFE_INTEGER,
    "what has it keeps it",
  );
});

Deno.test("publishPointer() that is interrupted says so, and the seq stays with its value", async () => {
  const { dht, files } = fresh();
  const stop = new AbortController();
  dht.beforePut = () => stop.abort(new Interrupted("SIGTERM", "Stopped"));
  await assert.rejects(run({ dht, files, value: A, signal: stop.signal }), Interrupted);
  dht.beforePut = () => {};
  assert.equal((await run({ dht, files, value: B })).item.seq, 2);
});

Deno.test("A kill at any write never lets one seq carry two values, nor a seq go down", async () => {
  for (const forgetful of [false, true]) {
    for (let first = 0; first <= 4; first++) {
      for (let second = 0; second <= 4; second++) {
        const { dht, files } = fresh();
        await run({ dht, files, value: C });
        for (const [value, writes] of [[A, first], [B, second]] as const) {
          files.killAfterWrites = writes;
          await run({ dht, files, value }).catch((error) => assert.ok(error instanceof Killed));
          // The worst case: what was put is out there, and the next lookup meets nobody who has it.
          if (forgetful) dht.held.fill(undefined);
        }
        files.killAfterWrites = Infinity;
        await run({ dht, files, value: A });
        const valueOf = new Map<number, string>();
        let highest = 0;
        for (const { seq, value } of dht.puts) {
          assert.equal(
            valueOf.get(seq) ?? toHex(value),
            toHex(value),
            `seq ${seq}, killed at ${first}, ${second}`,
          );
          valueOf.set(seq, toHex(value));
          assert.ok(seq >= highest, `seq ${seq} after ${highest}, killed at ${first}, ${second}`);
          highest = seq;
        }
      }
    }
  }
});

Deno.test("A kill between put and note leaves a publication that the next run only confirms", async () => {
  const { dht, files } = fresh();
  files.killAfterWrites = 2;
  await assert.rejects(run({ dht, files, value: A }), Killed);
  assert.equal(dht.puts.length, 1);
  files.killAfterWrites = Infinity;
  const { item, isRefresh } = await run({ dht, files, value: A });
  assert.deepEqual([item.seq, isRefresh], [1, true]);
});
