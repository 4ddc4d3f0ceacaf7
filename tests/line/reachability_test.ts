import assert from "node:assert/strict";
import type { RunEvent } from "../../lib/events.ts";
import { Reachability } from "../../lib/line/reachability.ts";

function watching(isSaid = true) {
  const events: RunEvent[] = [];
  const reachability = new Reachability({
    port: 6881,
    udp: true,
    nowMs: 0,
    isSaid,
    report: (event) => events.push(event),
  });
  const notes = () => events.filter((event) => event.kind === "note").map(({ text }) => text);
  const facts = () => events.flatMap((event) => event.kind === "facts" ? [event.facts.isReachable] : []);
  return { reachability, events, notes, facts };
}

Deno.test("Reachability says by which address others come, once the router passes the port on", () => {
  const { reachability, notes, facts } = watching();
  reachability.onMapping({ kind: "mapped", by: "UPnP", outside: "11.22.33.44" });
  assert.deepEqual(notes(), [
    "Others can reach this machine: the router passes port 6881 of 11.22.33.44 on to it (UPnP)",
  ]);
  reachability.onIncoming("11.0.0.1");
  reachability.tick(1e9);
  assert.deepEqual([facts(), notes().length], [[true], 1]);
});

Deno.test("Reachability promises nothing behind a router that has no public address itself", () => {
  const { reachability, notes, facts } = watching();
  reachability.onMapping({ kind: "mapped", by: "NAT-PMP", outside: "100.64.0.9" });
  assert.match(notes()[0]!, /its own address 100\.64\.0\.9 is not a public one: others reach it only if/);
  assert.deepEqual(facts(), []);
});

Deno.test("Reachability names what to do where no router helps, and a stranger who came in all the same", () => {
  const { reachability, notes, facts } = watching();
  reachability.onMapping({ kind: "refused", why: "no router here takes orders by NAT-PMP or UPnP" });
  assert.match(notes()[0]!, /It is not known yet .* forward TCP and UDP port 6881 to it there/);
  reachability.onIncoming("192.168.0.4");
  reachability.onIncoming("127.0.0.1");
  assert.deepEqual(facts(), []);
  reachability.onIncoming("198.51.100.7");
  reachability.onIncoming("198.51.100.8");
  assert.equal(notes()[1], "Others can reach this machine: 198.51.100.7 has connected to it");
  assert.deepEqual([facts(), notes().length], [[true], 2]);
});

Deno.test("Reachability says once that nobody came for half an hour, and takes it back when somebody does", () => {
  const { reachability, notes, facts } = watching();
  reachability.onNoMapping("no router was asked to pass its port on");
  for (const minute of [1, 29, 30, 31, 90]) reachability.tick(minute * 60_000);
  assert.deepEqual([facts(), notes().length], [[false], 2]);
  assert.match(notes()[1]!, /^Nobody has connected to this machine for 30 minutes/);
  reachability.onIncoming("2001:db8::1");
  assert.deepEqual([facts(), notes().length], [[false, true], 3]);
});

Deno.test("Reachability of a short run is for who looks closely", () => {
  const { reachability, events } = watching(false);
  reachability.onNoMapping("x");
  assert.deepEqual(events.map((event) => event.kind === "note" && event.level), ["debug"]);
});
