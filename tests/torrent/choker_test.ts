import assert from "node:assert/strict";
import { Choker, type ChokerPeer, SEED_SLOTS, UPLOAD_SLOTS } from "../../lib/torrent/choker.ts";
import { seeded } from "./seeded.ts";

/** Peers 1, 2, … that want something and came an hour ago; `change` says what is different. */
function peers(count: number, change: (number: number) => Partial<ChokerPeer> = () => ({})): ChokerPeer[] {
  return Array.from({ length: count }, (_, i) => ({
    number: i + 1,
    wanted: true,
    snubbed: false,
    downRate: 0,
    connectedMs: 0,
    ...change(i + 1),
  }));
}

const HOUR_MS = 3_600_000;
const FETCHING = { isSeeding: false, nowMs: HOUR_MS };

Deno.test("Choker serves those who send us most, and one more by chance", () => {
  for (const seed of [1, 2, 3, 4]) {
    const choker = new Choker(seeded(seed));
    const served = choker.choose(peers(20, (number) => ({ downRate: number * 1000 })), FETCHING);
    assert.equal(served.size, UPLOAD_SLOTS);
    for (const best of [20, 19, 18, 17, 16, 15, 14]) assert.ok(served.has(best), `seed ${seed}: ${best}`);
  }
});

Deno.test("Choker serves everybody who wants something while there are slots, nobody else", () => {
  const choker = new Choker(seeded(1));
  const some = peers(20, (number) => ({ wanted: number % 3 === 0, downRate: 20 - number }));
  assert.deepEqual([...choker.choose(some, FETCHING)].sort((a, b) => a - b), [3, 6, 9, 12, 15, 18]);
  assert.equal(choker.choose(peers(5, () => ({ wanted: false })), FETCHING).size, 0);
  assert.equal(choker.choose([], FETCHING).size, 0);
});

Deno.test("Choker gives a snubbed peer no slot but the one by chance", () => {
  const choker = new Choker(seeded(1));
  const all = peers(30, (number) => number <= 8 ? { snubbed: true, downRate: 1e6 } : { downRate: number });
  const served = [...choker.choose(all, FETCHING)];
  assert.ok(served.filter((number) => number <= 8).length <= 1, `${served}`);
  const snubbed = peers(8, () => ({ snubbed: true }));
  assert.equal(choker.choose(snubbed, FETCHING).size, 1, "with nobody else, one at a time");
});

Deno.test("Choker keeps the peer by chance for 30 s, then draws anew", () => {
  const choker = new Choker(seeded(7));
  const all = peers(40, (number) => ({ downRate: number > 33 ? 1000 : 0 }));
  const drawn: number[] = [];
  for (let second = 0; second < 3000; second += 10) {
    const served = choker.choose(all, { isSeeding: false, nowMs: HOUR_MS + second * 1000 });
    const [byChance] = [...served].filter((number) => number <= 33);
    drawn.push(byChance!);
  }
  for (let round = 0; round < drawn.length; round += 3) {
    assert.equal(new Set(drawn.slice(round, round + 3)).size, 1, `round ${round}`);
  }
  const turns = drawn.filter((_, i) => i % 3 === 0);
  assert.ok(new Set(turns).size > 25, `of 33, ${new Set(turns).size} had their chance in 100 draws`);
});

Deno.test("Choker draws at once when the peer by chance is gone, content, or among the best", () => {
  const choker = new Choker(seeded(3));
  const all = peers(12, (number) => ({ downRate: number > 5 ? 1000 : 0 }));
  const first = [...choker.choose(all, FETCHING)].find((number) => number <= 5)!;
  const others = all.filter(({ number }) => number !== first);
  for (const rest of [others, [...others, { ...all[first - 1]!, wanted: false }]]) {
    assert.equal(choker.choose(rest, FETCHING).size, UPLOAD_SLOTS);
  }
  const better = all.map((peer) => peer.number === first ? { ...peer, downRate: 2000 } : peer);
  const served = choker.choose(better, FETCHING);
  assert.ok(served.has(first));
  assert.equal(served.size, UPLOAD_SLOTS);
});

Deno.test("Choker draws a newcomer three times as often as another", () => {
  const isNew = (number: number) => number > 30;
  const all = peers(37, (number) => {
    if (number <= 7) return { downRate: 1000 };
    return { connectedMs: isNew(number) ? HOUR_MS - 30_000 : 0 };
  });
  let fresh = 0;
  const draws = 4000;
  const random = seeded(11);
  for (let i = 0; i < draws; i++) {
    const served = new Choker(random).choose(all, FETCHING);
    if ([...served].some(isNew)) fresh++;
  }
  // 7 of weight 3 among 23 of weight 1.
  const expected = 21 / (21 + 23);
  assert.ok(Math.abs(fresh / draws - expected) < 0.03, `${fresh / draws}, expected ${expected}`);
});

/** Whom a seed serves in each round of ten seconds. */
function seedRounds(all: readonly ChokerPeer[], rounds: number): Set<number>[] {
  const choker = new Choker(seeded(5));
  return Array.from(
    { length: rounds },
    (_, round) => choker.choose(all, { isSeeding: true, nowMs: HOUR_MS + round * 10_000 }),
  );
}

Deno.test("Choker as a seed gives everybody the same number of turns in a minute, give or take one", () => {
  for (const count of [SEED_SLOTS + 1, 2 * SEED_SLOTS, 100, 6 * SEED_SLOTS]) {
    const counts = new Map<number, number>();
    // Later minutes count as the first one does.
    for (const served of seedRounds(peers(count), 30).slice(24)) {
      assert.equal(served.size, SEED_SLOTS);
      for (const number of served) counts.set(number, (counts.get(number) ?? 0) + 1);
    }
    assert.equal(counts.size, count, "nobody is left out");
    const turns = [...counts.values()];
    assert.ok(Math.max(...turns) - Math.min(...turns) <= 1, `${count} peers: ${turns}`);
  }
});

Deno.test("Choker as a seed chokes nobody while there are slots for all", () => {
  for (const served of seedRounds(peers(SEED_SLOTS), 40)) assert.equal(served.size, SEED_SLOTS);
});

Deno.test("Choker as a seed lets nobody save up turns, and gives a newcomer no more than others", () => {
  const choker = new Choker(seeded(5));
  const all = peers(2 * SEED_SLOTS, (number) => ({ wanted: number > 1 }));
  const choose = (some: readonly ChokerPeer[]) => choker.choose(some, { isSeeding: true, nowMs: HOUR_MS });
  for (let round = 0; round < 100; round++) choose(all);
  const counts = new Map<number, number>();
  const [saver, newcomer] = [{ ...all[0]!, wanted: true }, { ...all[0]!, number: 999, wanted: true }];
  for (let round = 0; round < 10; round++) {
    for (const number of choose([saver, ...all.slice(1), newcomer])) {
      counts.set(number, (counts.get(number) ?? 0) + 1);
    }
  }
  assert.ok(counts.get(1)! <= 6 && counts.get(999)! <= 6, `${counts.get(1)}, ${counts.get(999)}`);
  assert.ok(Math.min(...counts.values()) >= 4);
});

Deno.test("Choker as a seed lets a peer keep its slot for the rest of a piece, for a minute at most", () => {
  const choker = new Choker(seeded(5));
  const isMidPiece = (number: number) => number === 3 || number === SEED_SLOTS + 1;
  const all = peers(3 * SEED_SLOTS, (number) => ({ isMidPiece: isMidPiece(number) }));
  const rounds = Array.from(
    { length: 9 },
    (_, round) => choker.choose(all, { isSeeding: true, nowMs: HOUR_MS + round * 10_000 }),
  );
  assert.deepEqual(rounds.slice(0, 6).map((served) => served.has(3)), Array(6).fill(true));
  assert.equal(rounds[6]!.has(3), false, "others wait");
  assert.equal(rounds[0]!.has(SEED_SLOTS + 1), false, "nobody is served first for it");
  for (const served of rounds) assert.equal(served.size, SEED_SLOTS);
});

Deno.test("Choker.instead() names who is next, and counts it as a turn", () => {
  const choker = new Choker(seeded(5));
  const all = peers(2 * SEED_SLOTS, (number) => ({ isMidPiece: number === 1 }));
  const seeding = (round: number) => ({ isSeeding: true, nowMs: HOUR_MS + round * 10_000 });
  choker.choose(all, seeding(0));
  assert.equal(choker.isKept(1), false, "it is its turn");
  const second = choker.choose(all, seeding(1));
  assert.deepEqual([...second].filter((number) => choker.isKept(number)), [1]);
  const waiting = all.filter(({ number }) => !second.has(number));
  const next = choker.instead(all[0]!, waiting)!;
  assert.equal(next, 2 * SEED_SLOTS, "the one that had no turn yet");
  assert.equal(choker.isKept(1), false);
  assert.equal(choker.instead(all[1]!, []), undefined, "nobody waits");
  assert.equal(
    choker.choose(all.map((peer) => ({ ...peer, isMidPiece: false })), seeding(2)).has(next),
    false,
  );
});

Deno.test("Choker.isDue() is true at first and ten seconds after each choice", () => {
  const choker = new Choker(seeded(1));
  assert.equal(choker.isDue(0), true);
  choker.choose([], { isSeeding: false, nowMs: 1000 });
  assert.equal(choker.isDue(10_999), false);
  assert.equal(choker.isDue(11_000), true);
});
