import assert from "node:assert/strict";
import type { RunEvent } from "../../lib/events.ts";
import type { LineMachine } from "../../lib/line/machine.ts";
import { minuteOfDay } from "../../lib/line/schedule.ts";
import { Outreach, type OutreachSettings } from "../../lib/line/outreach.ts";
import { TokenBucket } from "../../lib/torrent/token_bucket.ts";
import { VirtualClock } from "../sim/virtual_clock.ts";

function world(settings: OutreachSettings, bind: string[] = ["127.0.0.1"]) {
  const clock = new VirtualClock();
  const events: RunEvent[] = [];
  // No surroundings: whoever asked a router or the local network would fail.
  const machine = { clock } as Partial<LineMachine> as LineMachine;
  const report = (event: RunEvent) => void events.push(event);
  const outreach = new Outreach({ machine, settings, port: 6881, udp: true, bind, report });
  const up = new TokenBucket(Infinity, 0);
  const notes = () => events.filter((event) => event.kind === "note").map(({ text }) => text);
  return { clock, outreach, up, notes };
}

/** Bytes that a bucket lets pass in a time, a block at a time. */
async function passed(clock: VirtualClock, bucket: TokenBucket, ms: number): Promise<number> {
  const endMs = clock.nowMs() + ms;
  let bytes = 0;
  while (clock.nowMs() < endMs) {
    if (bucket.isOpen(clock.nowMs())) {
      bucket.spend(16_384, clock.nowMs());
      bytes += 16_384;
    }
    const wake = clock.nowMs() + Math.max(1, bucket.delayMs(clock.nowMs()));
    let isDue = false;
    clock.at(Math.min(wake, endMs), () => isDue = true);
    await clock.run(() => isDue, Infinity);
  }
  return bytes;
}

Deno.test("Outreach keeps a schedule: another rate within seconds of its hour, and the usual one after it", async () => {
  const { clock, outreach, up, notes } = world({});
  const now = minuteOfDay(clock.unixMs());
  const day = 1440;
  const schedule = [{
    fromMinute: (now + 2) % day,
    toMinute: (now + 4) % day,
    up: 1e6,
    down: "usual" as const,
  }];
  const scheduled = new Outreach({
    machine: { clock } as Partial<LineMachine> as LineMachine,
    settings: { schedule },
    port: 1,
    udp: false,
    bind: ["127.0.0.1"],
    report: (event) => event.kind === "note" && said.push(event.text),
  });
  const said: string[] = [];
  await scheduled.open({ up, down: undefined, usual: { up: undefined, down: undefined } });
  assert.equal(up.bytesPerSec, Infinity);
  await clock.run(() => up.bytesPerSec === 1e6, 200_000);
  assert.ok(clock.nowMs() <= 125_000, `${clock.nowMs()}`);
  const bytes = await passed(clock, up, 10_000);
  assert.ok(Math.abs(bytes / 1e7 - 1) < 0.05, `${bytes} in ten seconds`);
  await clock.run(() => up.bytesPerSec === Infinity, 500_000);
  assert.ok(clock.nowMs() <= 245_000, `${clock.nowMs()}`);
  assert.deepEqual(said, [
    "By the schedule from now on: 1.0 MB/s up, no limit down",
    "By the schedule from now on: no limit up, no limit down",
  ]);
  await scheduled[Symbol.asyncDispose]();
  await outreach[Symbol.asyncDispose]();
  assert.deepEqual(notes(), []);
});

Deno.test("Outreach of a line that listens to this machine only asks nobody and says nothing", async () => {
  const { clock, outreach, notes, up } = world({ portMapping: true, lsd: true, saysReachability: true });
  await outreach.open({ up, down: undefined, usual: { up: undefined, down: undefined } });
  await clock.run(() => false, 10_000_000);
  assert.deepEqual([notes(), outreach.lsd], [[], undefined]);
  await outreach[Symbol.asyncDispose]();
});

Deno.test("Outreach says on each start that nothing is known yet where no router is asked", async () => {
  const { outreach, notes, up } = world({ portMapping: false, saysReachability: true }, []);
  await outreach.open({ up, down: undefined, usual: { up: undefined, down: undefined } });
  assert.match(
    notes()[0]!,
    /no router was asked to pass its port on\. If it is behind a router, forward TCP and UDP/,
  );
  outreach.onIncoming("198.51.100.7");
  assert.match(notes()[1]!, /198\.51\.100\.7 has connected/);
  await outreach[Symbol.asyncDispose]();
});

Deno.test("changeRates() holds at once, keeps to the new hours, and leaves it to others to say what is usual", async () => {
  const { clock, outreach, up, notes } = world({});
  const down = new TokenBucket(Infinity, 0);
  const usual = { up: undefined, down: undefined };
  await outreach.open({ up, down, usual, isChangeable: true });
  const rates = () => [up.bytesPerSec, down.bytesPerSec];
  await clock.run(() => clock.nowMs() > 60_000, 70_000);
  const fromMs = clock.nowMs();
  outreach.changeRates({ schedule: [], usual: { up: 1e6, down: 2e6 } });
  await clock.run(() => up.bytesPerSec === 1e6, Infinity);
  assert.deepEqual(
    [rates(), clock.nowMs()],
    [[1e6, 2e6], fromMs],
    "without waiting for the next look at the time",
  );
  assert.deepEqual(notes(), []);

  const now = minuteOfDay(clock.unixMs());
  const window = { fromMinute: now, toMinute: (now + 2) % 1440, up: 3e5, down: "usual" as const };
  outreach.changeRates({ schedule: [window], usual: { up: undefined, down: 2e6 } });
  await clock.run(() => up.bytesPerSec === 3e5, Infinity);
  assert.deepEqual([rates(), clock.nowMs()], [[3e5, 2e6], fromMs]);
  assert.ok(await clock.run(() => up.bytesPerSec === Infinity, fromMs + 200_000));
  assert.deepEqual(notes(), [
    "By the schedule from now on: 300.0 KB/s up, 2.0 MB/s down",
    "By the schedule from now on: no limit up, 2.0 MB/s down",
  ]);
  await outreach[Symbol.asyncDispose]();
});
