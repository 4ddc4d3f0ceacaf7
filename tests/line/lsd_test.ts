import assert from "node:assert/strict";
import { OperationFailed } from "../../lib/errors.ts";
import { Lsd } from "../../lib/line/lsd.ts";
import { encodeLsd, LSD_GROUP, LSD_GROUP_IPV6 } from "../../lib/line/lsd_message.ts";
import type { Endpoint, Surroundings } from "../../lib/ports.ts";
import { VirtualClock } from "../sim/virtual_clock.ts";

const HASH = new Uint8Array(20).fill(0xab);

class World {
  readonly clock = new VirtualClock();
  readonly sent: { text: string; atMs: number }[] = [];
  readonly heard: Endpoint[] = [];
  receive: (bytes: Uint8Array, from: Endpoint) => void = () => {};
  readonly joined: string[] = [];
  readonly closed: string[] = [];

  /** @param families Where this machine has a network. */
  open(ipv6 = false, families: readonly string[] = ["239.192.152.143", "ff15::efc0:988f"]): Promise<Lsd> {
    const surroundings = {
      ipv6Addresses: () => ["::1", "fe80::1", "2001:db8:0:7::1"],
      joinGroup: (group: Endpoint, on: string | undefined) => {
        this.joined.push(`${group.host} ${on}`);
        if (!families.includes(group.host)) return Promise.reject(new OperationFailed("no network"));
        return Promise.resolve({
          local: group,
          onDatagram: (receive: World["receive"]) => this.receive = receive,
          send: (bytes: Uint8Array, to: Endpoint) => {
            assert.deepEqual(to, group);
            this.sent.push({ text: new TextDecoder().decode(bytes), atMs: this.clock.nowMs() });
          },
          close: () => Promise.resolve(void this.closed.push(group.host)),
        });
      },
    } as Partial<Surroundings> as Surroundings;
    const random = { bytes: (length: number) => new Uint8Array(length).fill(7) };
    return Lsd.open({ clock: this.clock, random, surroundings, port: 6881, ipv4: { on: undefined }, ipv6 });
  }

  hear(host: string, port: number, infoHash = HASH, cookie = "other"): void {
    this.receive(encodeLsd({ group: LSD_GROUP, port, infoHash, cookie }), { host, port: 6771 });
  }
}

Deno.test("announce() tells three times at the start, then every five minutes, until it is stopped", async () => {
  const world = new World();
  const lsd = await world.open();
  const stop = new AbortController();
  const task = lsd.announce(HASH, () => {}, stop.signal);
  await world.clock.run(() => false, 700_000);
  assert.deepEqual(world.sent.map(({ atMs }) => atMs), [0, 2000, 6000, 306_000, 606_000]);
  assert.match(world.sent[0]!.text, /^BT-SEARCH[\s\S]*Port: 6881[\s\S]*cookie: 07070707\r\n/);
  stop.abort();
  await task;
});

Deno.test("announce() gives peers of that torrent from local addresses, and not our own words", async () => {
  const world = new World();
  const lsd = await world.open();
  const stop = new AbortController();
  const task = lsd.announce(HASH, (peer) => world.heard.push(peer), stop.signal);
  world.hear("192.168.1.7", 7000);
  world.hear("203.0.113.5", 7001);
  world.hear("192.168.1.8", 7002, new Uint8Array(20));
  world.hear("192.168.1.9", 7003, HASH, "07070707");
  world.receive(new Uint8Array(2000), { host: "192.168.1.7", port: 1 });
  assert.deepEqual(world.heard, [{ host: "192.168.1.7", port: 7000 }]);
  stop.abort();
  await task;
  world.hear("192.168.1.7", 7004);
  assert.equal(world.heard.length, 1, "nobody wants to know any more");
});

Deno.test("announce() hears fifty messages a second at most", async () => {
  const world = new World();
  const lsd = await world.open();
  const stop = new AbortController();
  const task = lsd.announce(HASH, (peer) => world.heard.push(peer), stop.signal);
  for (let port = 1; port <= 1000; port++) world.hear("10.0.0.1", port);
  assert.equal(world.heard.length, 50);
  await world.clock.run(() => false, 2500);
  world.hear("10.0.0.1", 2000);
  assert.equal(world.heard.length, 51);
  stop.abort();
  await task;
});

Deno.test("announce() tells both families, and believes who is in this machine's own network", async () => {
  const world = new World();
  const lsd = await world.open(true);
  assert.deepEqual(world.joined, ["239.192.152.143 undefined", "ff15::efc0:988f undefined"]);
  const stop = new AbortController();
  const task = lsd.announce(HASH, (peer) => world.heard.push(peer), stop.signal);
  assert.deepEqual(world.sent.map(({ text }) => /Host: (.*)\r/.exec(text)![1]), [
    "239.192.152.143:6771",
    "[ff15::efc0:988f]:6771",
  ]);
  for (
    const host of [
      "fd00::7",
      "2001:db8:0:7:abcd::1",
      "2001:db8:0:8::1",
      "2001:db8::7:1",
      "fe80::2",
      "fe80::2%eth0",
      "2001:0db8:0000:0007:1:2:3:4",
    ]
  ) world.hear(host, 7000);
  assert.deepEqual(world.heard.map(({ host }) => host), [
    "fd00::7",
    "2001:db8:0:7:abcd::1",
    "2001:0db8:0000:0007:1:2:3:4",
  ]);
  stop.abort();
  await task;
  await lsd[Symbol.asyncDispose]();
  assert.deepEqual(world.closed, [LSD_GROUP.host, LSD_GROUP_IPV6.host]);
});

Deno.test("Lsd.open() takes the family that there is, and rejects where there is none", async () => {
  for (const [family, sent] of [[LSD_GROUP.host, 1], [LSD_GROUP_IPV6.host, 1]] as const) {
    const world = new World();
    const lsd = await world.open(true, [family]);
    const stop = new AbortController();
    const task = lsd.announce(HASH, () => {}, stop.signal);
    assert.equal(world.sent.length, sent);
    stop.abort();
    await task;
  }
  await assert.rejects(new World().open(true, []), OperationFailed);
  await assert.rejects(new World().open(false, [LSD_GROUP_IPV6.host]), OperationFailed);
});
