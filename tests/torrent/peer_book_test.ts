import assert from "node:assert/strict";
import {
  MAX_CANDIDATES,
  MAX_DIAL_FAILURES,
  MAX_FAULTS,
  MAX_PORTS_PER_HOST,
} from "../../lib/torrent/limits.ts";
import { PeerBook } from "../../lib/torrent/peer_book.ts";

function at(host: string, port = 6881) {
  return { host, port };
}

/** An address of its own for each number. */
function nth(n: number) {
  return at(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
}

/** Dials and fails until the book has nothing due any more at that time. @returns Whom it gave. */
function dialAll(book: PeerBook, nowMs: number): string[] {
  const hosts: string[] = [];
  for (let next = book.next(nowMs); next !== undefined; next = book.next(nowMs)) {
    hosts.push(next.endpoint.host);
  }
  return hosts;
}

Deno.test("PeerBook gives each address once until its connection ended", () => {
  const book = new PeerBook();
  assert.equal(book.add(at("10.0.0.1"), "dht-v2", 0), true);
  assert.equal(book.add(at("10.0.0.1"), "dht-v2", 0), false);
  assert.equal(book.add(at("10.0.0.2"), "pex", 0), true);
  assert.equal(book.size, 2);
  assert.deepEqual(dialAll(book, 0), ["10.0.0.1", "10.0.0.2"]);
  book.connected(at("10.0.0.1"));
  assert.equal(book.next(1e9), undefined);
  book.ended(at("10.0.0.1"), { wasUseful: true, nowMs: 1000 });
  assert.equal(book.next(2999), undefined);
  assert.deepEqual(book.next(3000)?.endpoint, at("10.0.0.1"));
});

Deno.test("PeerBook waits twice as long with each failure in a row, and forgets who never answers", () => {
  const book = new PeerBook();
  book.add(at("10.0.0.1"), "dht-v1", 0);
  const pauses: number[] = [];
  let nowMs = 0;
  for (;;) {
    assert.ok(book.next(nowMs) !== undefined);
    book.ended(at("10.0.0.1"), { wasUseful: false, nowMs });
    const due = book.nextDueMs();
    if (due === undefined) break;
    pauses.push(due - nowMs);
    assert.equal(book.next(due - 1), undefined);
    nowMs = due;
  }
  assert.deepEqual(pauses, [4000, 8000, 16_000, 32_000, 64_000, 128_000]);
  assert.equal(pauses.length, MAX_DIAL_FAILURES);
  assert.equal(book.size, 0);
  assert.equal(book.add(at("10.0.0.1"), "dht-v1", nowMs), true, "it may be told of again");
});

Deno.test("PeerBook never forgets a peer that the user named, and waits five minutes at most", () => {
  const book = new PeerBook();
  book.add(at("10.0.0.1"), "user", 0);
  let nowMs = 0;
  for (let i = 0; i < 50; i++) {
    assert.ok(book.next(nowMs) !== undefined, `dial ${i}`);
    book.ended(at("10.0.0.1"), { wasUseful: false, nowMs });
    assert.ok(book.nextDueMs()! - nowMs <= 300_000);
    nowMs = book.nextDueMs()!;
  }
  assert.equal(book.size, 1);
});

Deno.test("PeerBook keeps what the user named even when it was known from elsewhere before", () => {
  const book = new PeerBook();
  book.add(at("10.0.0.1"), "pex", 0);
  assert.equal(book.add(at("10.0.0.1"), "user", 0), false);
  book.add(at("10.0.0.1"), "dht-v2", 0);
  assert.equal(book.next(0)?.source, "user");
  book.add(at("10.0.0.2"), "dht-v1", 0);
  book.add(at("10.0.0.2"), "tracker-v2", 0);
  book.add(at("10.0.0.2"), "pex", 0);
  assert.equal(book.next(0)?.source, "tracker-v2", "what is known of v2 is not unlearned");
});

Deno.test("PeerBook starts to count failures anew after a useful connection", () => {
  const book = new PeerBook();
  book.add(at("10.0.0.1"), "pex", 0);
  for (let i = 0; i < 3; i++) book.ended(at("10.0.0.1"), { wasUseful: false, nowMs: 0 });
  assert.equal(book.nextDueMs(), 16_000);
  book.ended(at("10.0.0.1"), { wasUseful: true, nowMs: 0 });
  assert.equal(book.nextDueMs(), 2000);
});

Deno.test("PeerBook prefers who failed less often", () => {
  const book = new PeerBook();
  for (const host of ["10.0.0.1", "10.0.0.2"]) book.add(at(host), "pex", 0);
  book.next(0);
  book.ended(at("10.0.0.1"), { wasUseful: false, nowMs: 0 });
  assert.deepEqual(dialAll(book, 10_000), ["10.0.0.2", "10.0.0.1"]);
});

Deno.test("PeerBook holds a bounded number of addresses, but always the user's", () => {
  const book = new PeerBook();
  for (let n = 0; n < MAX_CANDIDATES + 500; n++) book.add(nth(n), "dht-v2", 0);
  assert.equal(book.size, MAX_CANDIDATES);
  assert.equal(book.add(at("192.0.2.1"), "pex", 0), false);
  assert.equal(book.add(at("192.0.2.1"), "user", 0), true);
  assert.equal(book.size, MAX_CANDIDATES + 1);
});

Deno.test("PeerBook takes few ports of one host, more again once some are forgotten, and any from the user", () => {
  const book = new PeerBook();
  for (let port = 1; port <= 100; port++) book.add(at("10.0.0.1", port), "pex", 0);
  assert.equal(book.size, MAX_PORTS_PER_HOST);
  assert.equal(book.add(at("10.0.0.2", 1), "pex", 0), true);
  assert.equal(book.add(at("10.0.0.1", 4000), "user", 0), true);
  for (let i = 0; i <= MAX_DIAL_FAILURES; i++) {
    for (const port of [1, 2]) book.ended(at("10.0.0.1", port), { wasUseful: false, nowMs: 0 });
  }
  assert.equal(book.size, MAX_PORTS_PER_HOST);
  assert.equal(book.add(at("10.0.0.1", 200), "pex", 0), true);
  assert.equal(book.add(at("10.0.0.1", 201), "pex", 0), false);
});

Deno.test("PeerBook.ban() drops every port of a host and takes none again", () => {
  const book = new PeerBook();
  for (const port of [1, 2]) book.add(at("10.0.0.1", port), "pex", 0);
  book.add(at("10.0.0.2"), "pex", 0);
  book.next(0);
  book.ban("10.0.0.1");
  assert.equal(book.isBanned("10.0.0.1"), true);
  assert.equal(book.isBanned("10.0.0.2"), false);
  assert.equal(book.bannedCount, 1);
  assert.equal(book.size, 1);
  assert.equal(book.add(at("10.0.0.1", 3), "dht-v2", 0), false);
  book.ended(at("10.0.0.1", 1), { wasUseful: true, nowMs: 0 });
  assert.deepEqual(dialAll(book, 1e9), ["10.0.0.2"]);
});

Deno.test("PeerBook passes over what it does not know: peers that came in from a passing port", () => {
  const book = new PeerBook();
  book.connected(at("10.0.0.9", 50_000));
  book.ended(at("10.0.0.9", 50_000), { wasUseful: true, nowMs: 0 });
  assert.equal(book.size, 0);
  assert.equal(book.nextDueMs(), undefined);
});

Deno.test("PeerBook names no seed to a seed, and never ourselves", () => {
  const book = new PeerBook();
  for (const n of [1, 2, 3]) book.add(nth(n), "dht-v2", 0);
  book.markSeed(nth(2));
  assert.equal(book.next(0)?.endpoint.host, nth(1).host);
  book.ended(nth(1), { wasUseful: false, nowMs: 0 });
  book.markOwn(nth(1));
  assert.equal(book.add(nth(1), "dht-v2", 0), false);
  assert.equal(book.next(1e9, { isSeeding: true })?.endpoint.host, nth(3).host);
  assert.equal(book.next(1e9, { isSeeding: true }), undefined);
  assert.equal(book.next(1e9)?.endpoint.host, nth(2).host);
});

Deno.test("PeerBook.fault() says when a host has broken the protocol too often within an hour, by whatever port", () => {
  const book = new PeerBook();
  const hour = 3_600_000;
  for (let n = 1; n < MAX_FAULTS; n++) assert.equal(book.fault("10.0.0.1", n), false);
  assert.equal(book.fault("10.0.0.2", 5), false);
  assert.equal(book.fault("10.0.0.1", 2 * hour), false, "the old ones are forgotten");
  for (let n = 2; n < MAX_FAULTS; n++) assert.equal(book.fault("10.0.0.1", 2 * hour + n), false);
  assert.equal(book.fault("10.0.0.1", 3 * hour), true);
});

Deno.test("PeerBook.next() leaves out who was dialed before when only somebody new is wanted", () => {
  const book = new PeerBook();
  book.add(nth(1), "dht-v2", 0);
  assert.equal(book.next(0, { isSeeding: false, isNew: true })?.endpoint.host, nth(1).host);
  book.ended(nth(1), { wasUseful: true, nowMs: 0 });
  assert.equal(book.next(1e9, { isSeeding: false, isNew: true }), undefined);
  book.add(nth(2), "dht-v2", 0);
  assert.equal(book.next(1e9, { isSeeding: false, isNew: true })?.endpoint.host, nth(2).host);
  assert.equal(book.next(1e9)?.endpoint.host, nth(1).host);
});

Deno.test("PeerBook keeps room for what others than peers name, and dials that first", () => {
  const book = new PeerBook();
  for (let n = 0; n < 2 * MAX_CANDIDATES; n++) book.add(nth(n), "pex", 0);
  assert.equal(book.size, MAX_CANDIDATES / 2);
  assert.equal(book.add(at("192.0.2.1"), "dht-v2", 0), true);
  assert.equal(book.add(at("192.0.2.2"), "tracker-v1", 0), true);
  assert.deepEqual(dialAll(book, 0).slice(0, 3), ["192.0.2.1", "192.0.2.2", nth(0).host]);
});
