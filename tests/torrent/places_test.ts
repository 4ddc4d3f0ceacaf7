// Who keeps a place and who does not, told by hand; the session with it is session_test.ts's.

import assert from "node:assert/strict";
import { BLOCK_BYTES } from "../../lib/torrent/layout.ts";
import { IDLE_MS, MAX_PORTS_PER_HOST, MUTE_MS } from "../../lib/torrent/limits.ts";
import { type Guest, Places } from "../../lib/torrent/places.ts";

type Someone = { -readonly [K in keyof Guest]: Guest[K] };

function someone(number: number, options: Partial<Guest["peer"]> & { host?: string } = {}): Someone {
  const { host = `10.0.0.${number}`, ...peer } = options;
  const endpoint = { host, port: 6881 };
  return {
    peer: { number, endpoint, source: "dht-v2", isGreeted: true, interested: false, ...peer },
    isStarted: true,
    isSource: false,
    movedBytes: 0,
  };
}

Deno.test("toLeave() names who came in and has not said what for, after a moment, and nobody whom we dialed", () => {
  const places = new Places<Someone>(10);
  places.enter(someone(1, { isGreeted: false }), 0);
  places.enter(someone(2, { source: "incoming" }), 0);
  assert.equal(places.toLeave(MUTE_MS + 1), undefined);
  const [first, second] = [3, 4].map((n) => someone(n, { source: "incoming", isGreeted: false }));
  places.enter(first!, 100);
  places.enter(second!, 200);
  assert.equal(places.toLeave(100 + MUTE_MS), undefined);
  assert.deepEqual(places.toLeave(300 + MUTE_MS), { guest: first, is: "mute" });
  places.leave(first!);
  assert.deepEqual(places.toLeave(300 + MUTE_MS), { guest: second, is: "mute" });
});

Deno.test("toLeave() names who has shared nothing for the longest, and never one that the user named", () => {
  const places = new Places<Someone>(10);
  const [named, busy, idle, later] = [
    someone(1, { source: "user" }),
    someone(2),
    someone(3, { source: "incoming" }),
    someone(4),
  ];
  for (const [i, guest] of [named, busy, idle, later].entries()) places.enter(guest!, i);
  busy.movedBytes = BLOCK_BYTES;
  // Keep-alives and the like are nothing shared.
  idle.movedBytes = BLOCK_BYTES - 1;
  places.look(1000);
  assert.equal(places.toLeave(IDLE_MS + 2), undefined);
  assert.equal(places.idleCount(IDLE_MS + 2), 0);
  assert.deepEqual(places.toLeave(IDLE_MS + 4), { guest: idle, is: "idle" });
  assert.equal(places.idleCount(IDLE_MS + 4), 2);
  places.leave(idle);
  places.leave(later);
  assert.equal(places.toLeave(IDLE_MS + 1000), undefined);
  assert.deepEqual(places.toLeave(IDLE_MS + 1001), { guest: busy, is: "idle" });
});

Deno.test("toLeave() prefers who says nothing to who shares nothing", () => {
  const places = new Places<Someone>(10);
  places.enter(someone(1), 0);
  const mute = someone(2, { source: "incoming", isGreeted: false });
  places.enter(mute, IDLE_MS);
  assert.deepEqual(places.toLeave(IDLE_MS + MUTE_MS + 1), { guest: mute, is: "mute" });
});

Deno.test("look() counts nobody as idle before anything could be shared, and small parts together", () => {
  const places = new Places<Someone>(10);
  const [unstarted, slow] = [someone(1), someone(2)];
  unstarted.isStarted = false;
  places.enter(unstarted, 0);
  places.enter(slow, 0);
  for (let ms = 0; ms <= 2 * IDLE_MS; ms += IDLE_MS / 4) {
    slow.movedBytes += BLOCK_BYTES / 2;
    places.look(ms);
  }
  assert.equal(places.toLeave(2 * IDLE_MS), undefined);
});

Deno.test("isCrowded() counts a host's places, for each torrent so many; an IPv6 host has a whole network", () => {
  for (const hosts of [["10.0.0.1"], ["2001:db8::1", "2001:db8::2"]]) {
    const places = new Places<Someone>(100);
    for (let n = 0; n < MAX_PORTS_PER_HOST; n++) {
      assert.equal(places.isCrowded(hosts[0]!, 1), false);
      places.enter(someone(n, { host: hosts[n % hosts.length]! }), 0);
    }
    assert.equal(places.isCrowded(hosts[0]!, 1), true);
    assert.equal(places.isCrowded(hosts[0]!, 2), false);
    assert.equal(places.isCrowded("10.0.0.2", 1), false);
    assert.equal(places.isCrowded("10.0.0.2", 0), true, "there is nothing to come for");
  }
});

Deno.test("Places sends nobody away when there are to be fewer, and guests() outlives who leaves meanwhile", () => {
  const places = new Places<Someone>(3);
  for (let n = 1; n <= 3; n++) places.enter(someone(n), 0);
  assert.equal(places.isFull, true);
  places.most = 1;
  assert.deepEqual([places.size, places.isFull], [3, true]);
  const seen: number[] = [];
  for (const guest of places.guests()) {
    seen.push(guest.peer.number);
    places.leave(guest);
  }
  assert.deepEqual([seen, places.size, places.get(2)], [[1, 2, 3], 0, undefined]);
});

Deno.test("surplus() names the least useful first, and those whom the user named last of all", () => {
  const places = new Places<Someone>(10);
  const named = someone(1, { source: "user", isGreeted: false });
  const source = someone(2, { interested: true });
  source.isSource = true;
  const wanted = someone(3, { interested: true });
  const [fast, slow, slowLater, idle, longIdle] = [4, 5, 6, 7, 8].map((n) => someone(n)) as [
    Someone,
    Someone,
    Someone,
    Someone,
    Someone,
  ];
  const stranger = someone(9, { source: "incoming", isGreeted: false });
  for (const [ms, guest] of [longIdle, idle, named].entries()) places.enter(guest, ms);
  const nowMs = IDLE_MS + 3;
  for (const guest of [wanted, source, fast, slow, stranger]) places.enter(guest, nowMs - 100);
  places.enter(slowLater, nowMs - 50);
  fast.movedBytes = 9 * BLOCK_BYTES;
  slow.movedBytes = slowLater.movedBytes = 2 * BLOCK_BYTES;
  // What an idle one moved long ago is no reason.
  longIdle.movedBytes = BLOCK_BYTES - 1;
  assert.deepEqual(places.surplus(nowMs), []);
  const order = [stranger, longIdle, idle, slowLater, slow, fast, wanted, source, named];
  for (let most = order.length; most >= 0; most--) {
    places.most = most;
    const gone = places.surplus(nowMs).map(({ peer }) => peer.number);
    assert.deepEqual(gone, order.slice(0, order.length - most).map(({ peer }) => peer.number));
  }
});
