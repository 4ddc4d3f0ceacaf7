import assert from "node:assert/strict";
import { OperationFailed } from "../../lib/errors.ts";
import { Lsd } from "../../lib/line/lsd.ts";
import { encodeLsd, LSD_GROUP } from "../../lib/line/lsd_message.ts";
import type { Endpoint, Surroundings } from "../../lib/ports.ts";
import { VirtualClock } from "../sim/virtual_clock.ts";

const HASH = new Uint8Array(20).fill(0xab);

class World {
  readonly clock = new VirtualClock();
  readonly sent: { text: string; atMs: number }[] = [];
  readonly heard: Endpoint[] = [];
  receive: (bytes: Uint8Array, from: Endpoint) => void = () => {};

  open(): Promise<Lsd> {
    const surroundings = {
      joinGroup: (group: Endpoint) => {
        assert.deepEqual(group, LSD_GROUP);
        return Promise.resolve({
          local: group,
          onDatagram: (receive: World["receive"]) => this.receive = receive,
          send: (bytes: Uint8Array) =>
            void this.sent.push({ text: new TextDecoder().decode(bytes), atMs: this.clock.nowMs() }),
          close: () => Promise.resolve(),
        });
      },
    } as Partial<Surroundings> as Surroundings;
    const random = { bytes: (length: number) => new Uint8Array(length).fill(7) };
    return Lsd.open({ clock: this.clock, random, surroundings, port: 6881, bind: undefined });
  }

  hear(host: string, port: number, infoHash = HASH, cookie = "other"): void {
    this.receive(encodeLsd({ port, infoHash, cookie }), { host, port: 6771 });
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

Deno.test("Lsd.open() rejects where there is no network", async () => {
  const surroundings = {
    joinGroup: () => Promise.reject(new OperationFailed("no network")),
  } as Partial<Surroundings> as Surroundings;
  const random = { bytes: (length: number) => new Uint8Array(length) };
  const options = { clock: new VirtualClock(), random, surroundings, port: 1, bind: undefined };
  await assert.rejects(Lsd.open(options), OperationFailed);
});
