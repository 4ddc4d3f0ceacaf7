// Our DHT nodes, with npm:bittorrent-dht in them, on virtual time and an internet that loses one datagram in ten. The same
// crowd on real sockets is `deno task bench dht`.

import assert from "node:assert/strict";
import { chanceFrom } from "../../lib/chance.ts";
import { DhtCrowd, live, lossy } from "../dht/crowd.ts";
import { Datagrams } from "./datagrams.ts";
import { VirtualClock } from "./virtual_clock.ts";

const SEED = 20;
const AN_HOUR_MS = 3_600_000;

Deno.test("300 nodes that lose one datagram in ten: who looks finds the newest, who puts is found", async (t) => {
  const clock = new VirtualClock();
  const random = chanceFrom(Uint8Array.of(SEED));
  const datagrams = new Datagrams(clock, random);
  const openUdp = () => Promise.resolve(lossy(datagrams.open(), { loss: 0.1, random }));
  const run = async () => {
    await using crowd = await DhtCrowd.gather({ count: 300, openUdp, clock, random });
    return await live(crowd, { clock, lookups: 100, puts: 20 });
  };
  let isOver = false;
  const running = run().finally(() => isOver = true);
  assert.ok(await clock.run(() => isOver, AN_HOUR_MS), `seed ${SEED}: not over at ${clock.nowMs()} ms`);
  const { foundMs, endMs, puts } = await running;

  await t.step("99 of 100 lookups have it within ten seconds, and all are over soon", () => {
    const inTime = foundMs.filter((ms) => ms !== undefined && ms < 10_000).length;
    assert.ok(inTime >= 99, `seed ${SEED}: ${inTime} of 100, ${foundMs}`);
    assert.ok(endMs.at(-1)! < 10_000, `seed ${SEED}: ${endMs}`);
  });

  await t.step("20 puts reach at least half of the eight nearest, and each is read back", () => {
    const shown = puts.map(({ copies, isReadBack }) => `${copies}${isReadBack ? "" : "!"}`).join(" ");
    assert.ok(puts.length === 20 && puts.every((put) => put.copies >= 4 && put.isReadBack), shown);
  });
});
