// BEP 12 in virtual time: tiers are drawn as lists of letters, and a conversation is who was asked what, when.

import assert from "node:assert/strict";
import { chanceFrom } from "../../lib/chance.ts";
import { TrackerTiers } from "../../lib/torrent/tracker_tiers.ts";
import type { AnnounceReply } from "../../lib/torrent/tracker_wire.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const REPLY: AnnounceReply = {
  kind: "reply",
  intervalSeconds: 1800,
  minIntervalSeconds: undefined,
  trackerId: undefined,
  warning: undefined,
  externalIp: undefined,
  peers: [],
};

/** Never moves anything: the order is the one that is drawn. */
const unshuffled = (drawn: string) => tiers(drawn, () => 1 - Number.EPSILON);

/** "ab c": a and b in the first tier, c in the second. */
function tiers(drawn: string, random: () => number): TrackerTiers {
  return new TrackerTiers({ tiers: drawn.split(" ").map((tier) => [...tier]), random });
}

/** Lets virtual time run, answering at once: `up` says who is there. @returns "seconds:tracker event" of each announce. */
function converse(
  core: TrackerTiers,
  options: {
    readonly up: (url: string, nowMs: number) => boolean;
    readonly forMs: number;
    readonly fromMs?: number;
  },
): string[] {
  const said: string[] = [];
  let nowMs = options.fromMs ?? 0;
  const endMs = nowMs + options.forMs;
  while (nowMs < endMs) {
    for (let due; (due = core.next(nowMs, false)) !== undefined;) {
      said.push(`${nowMs / SECOND}:${due.url} ${due.event}`);
      if (options.up(due.url, nowMs)) core.succeeded(due.url, REPLY, nowMs);
      else core.failed(due.url, nowMs);
    }
    const deadlineMs = core.deadlineMs(nowMs, false) ?? Infinity;
    assert.ok(deadlineMs > nowMs, "what is due was given out");
    nowMs = deadlineMs;
  }
  return said;
}

Deno.test("next() asks the first tracker, says started once, and comes back after the interval", () => {
  assert.deepEqual(converse(unshuffled("ab c"), { up: () => true, forMs: HOUR + 1 }), [
    "0:a started",
    "1800:a none",
    "3600:a none",
  ]);
});

Deno.test("next() goes through the tier and to the next tier only when all of it has failed", () => {
  const said = converse(unshuffled("ab cd"), { up: (url) => url === "d", forMs: 10 });
  assert.deepEqual(said, ["0:a started", "0:b started", "0:c started", "0:d started"]);
});

Deno.test("next() tries a dead tier again after libtorrent's pauses while a later tier works", () => {
  const said = converse(unshuffled("a b"), { up: (url) => url === "b", forMs: 10 * MINUTE });
  const ofA = said.filter((line) => line.includes(":a ")).map((line) => Number(line.split(":")[0]));
  const pauses = ofA.slice(1).map((at, i) => at - ofA[i]!);
  // 5 s + 5 s * fails^2 * 2.5
  assert.deepEqual(pauses, [17.5, 55, 117.5, 205]);
  assert.deepEqual(said.filter((line) => line.includes(":b ")), ["0:b started"]);
});

Deno.test("next() waits an hour at most after failures", () => {
  const said = converse(unshuffled("a"), { up: () => false, forMs: 24 * HOUR });
  const times = said.map((line) => Number(line.split(":")[0]));
  assert.equal(times.at(-1)! - times.at(-2)!, 3600);
  assert.ok(said.every((line) => line.endsWith("started")), "who never answered does not know us");
});

Deno.test("next() puts who answers to the front of its tier, and stays with it", () => {
  const core = unshuffled("abc");
  assert.deepEqual(converse(core, { up: (url) => url === "c", forMs: 1 }), [
    "0:a started",
    "0:b started",
    "0:c started",
  ]);
  // a and b are not tried again while c works, however long ago they failed.
  assert.deepEqual(converse(core, { up: () => true, forMs: HOUR - SECOND, fromMs: SECOND }), ["1800:c none"]);
});

Deno.test("next() falls back when a tracker that worked fails, and returns with none, not started", () => {
  const core = unshuffled("a b");
  const isUp = (url: string, nowMs: number) => url === "b" || nowMs < MINUTE || nowMs > 31 * MINUTE;
  assert.deepEqual(converse(core, { up: isUp, forMs: 33 * MINUTE }), [
    "0:a started",
    "1800:a none",
    "1800:b started",
    "1817.5:a none",
    "1872.5:a none",
  ]);
});

Deno.test("next() asks the next tracker after 3 s of silence, and lets the silent one answer late", () => {
  const core = unshuffled("a b");
  assert.equal(core.next(0, true)?.url, "a");
  assert.equal(core.next(2999, true), undefined);
  assert.equal(core.deadlineMs(10, true), 3000);
  assert.equal(core.next(3000, true)?.url, "b");
  assert.equal(core.next(3000, true), undefined, "nobody is asked twice at a time");
  core.succeeded("b", REPLY, 3100);
  core.succeeded("a", REPLY, 9000);
  assert.equal(core.next(29 * MINUTE, false), undefined);
  assert.equal(core.next(31 * MINUTE, false)?.url, "a", "the earlier tier comes first again");
  core.succeeded("a", REPLY, 31 * MINUTE);
  assert.equal(core.next(32 * MINUTE, false), undefined, "b is not needed any more");
});

Deno.test("deadlineMs() is over when every tracker is silent, until one ends", () => {
  const core = unshuffled("a");
  core.next(0, false);
  assert.equal(core.deadlineMs(3000, false), undefined);
  core.failed("a", 60_000);
  assert.equal(core.deadlineMs(60_000, false), 77_500);
  assert.equal(new TrackerTiers({ tiers: [], random: () => 0 }).deadlineMs(0, true), undefined);
});

Deno.test("succeeded() holds hostile intervals within bounds", () => {
  const dueAfter = (reply: Partial<AnnounceReply>, needsPeers = false) => {
    const core = unshuffled("a");
    core.next(0, needsPeers);
    core.succeeded("a", { ...REPLY, ...reply }, 0);
    return core.deadlineMs(0, needsPeers)! / SECOND;
  };
  for (const intervalSeconds of [0, -5, 1, 299]) assert.equal(dueAfter({ intervalSeconds }), 300);
  for (const intervalSeconds of [7201, 2 ** 32 - 1, Number.MAX_SAFE_INTEGER]) {
    assert.equal(dueAfter({ intervalSeconds }), 7200);
  }
  assert.equal(dueAfter({ intervalSeconds: undefined }), 1800);
  // Who has no peers may come back after `min interval`: a minute at least, the interval at most.
  assert.equal(dueAfter({}, true), 300);
  assert.equal(dueAfter({ minIntervalSeconds: 120 }, true), 120);
  assert.equal(dueAfter({ minIntervalSeconds: 0 }, true), 60);
  assert.equal(dueAfter({ minIntervalSeconds: 2 ** 40 }, true), 1800);
});

Deno.test("next() says completed at once to who knows us, and once", () => {
  const core = unshuffled("a");
  converse(core, { up: () => true, forMs: 1 });
  core.complete();
  assert.deepEqual(
    converse(core, { up: () => true, forMs: HOUR, fromMs: 10 * SECOND }),
    [
      "10:a completed",
      "1810:a none",
      "3610:a none",
    ].slice(0, 2),
  );
  assert.deepEqual(core.farewells().map((steps) => steps.map((step) => step.event)), [["stopped"]]);
});

Deno.test("next() says completed again when that failed, and says started first to who does not know us", () => {
  const core = unshuffled("a");
  core.complete();
  const isUp = (_: string, nowMs: number) => nowMs === 0 || nowMs > 10 * SECOND;
  assert.equal(core.next(0, false)?.event, "started");
  core.succeeded("a", REPLY, 0);
  assert.deepEqual(converse(core, { up: isUp, forMs: MINUTE, fromMs: SECOND }), [
    "1:a completed",
    "18.5:a completed",
  ]);
});

Deno.test("farewells() go to who knows us only, with a completed that is owed, without one that is being said", () => {
  const events = (core: TrackerTiers) =>
    core.farewells().map((steps) => steps.map((step) => `${step.url} ${step.event}`));
  const core = unshuffled("a b");
  assert.deepEqual(events(core), []);
  converse(core, { up: (url) => url === "b", forMs: 1 });
  assert.deepEqual(events(core), [["b stopped"]]);
  core.complete();
  assert.deepEqual(events(core), [["b completed", "b stopped"]]);
  assert.equal(core.next(2, false)?.event, "completed");
  assert.deepEqual(events(core), [["b stopped"]]);
});

Deno.test("next() repeats a tracker's id to that tracker, the latest it gave", () => {
  const core = unshuffled("a");
  const [x, y] = [Uint8Array.of(1), Uint8Array.of(2)];
  assert.equal(core.next(0, false)?.trackerId, undefined);
  core.succeeded("a", { ...REPLY, trackerId: x }, 0);
  assert.equal(core.next(HOUR, false)?.trackerId, x);
  core.succeeded("a", REPLY, HOUR);
  assert.equal(core.next(2 * HOUR, false)?.trackerId, x);
  core.succeeded("a", { ...REPLY, trackerId: y }, 2 * HOUR);
  assert.equal(core.farewells()[0]?.[0]?.trackerId, y);
});

Deno.test("TrackerTiers shuffles within tiers, never across them", () => {
  const firsts = new Set<string>();
  const random = chanceFrom(Uint8Array.of(7));
  for (let i = 0; i < 100; i++) {
    const order = converse(tiers("abc de", random), { up: () => false, forMs: 1 }).map((line) => line[2]);
    assert.deepEqual([...order.slice(0, 3)].sort(), ["a", "b", "c"]);
    assert.deepEqual([...order.slice(3)].sort(), ["d", "e"]);
    firsts.add(order.join(""));
  }
  assert.equal(firsts.size, 12, "every order turns up");
});
