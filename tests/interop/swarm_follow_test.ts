// `nano-snap swarm` against libtorrent: the first snapshot, then one after the other, with somebody who fetches the old
// one all the while.

import assert from "node:assert/strict";
import { need } from "./support.ts";
import { diskBytes, type Generation, type Mirror, openDeleted, SwarmStage } from "./swarm_stage.ts";
import type { SwarmSession } from "./swarm.ts";

/** Known to the mirror, so that nobody waits for the DHT; a few seconds for all of it. */
const SLOW = { pointer: false, announce: false, upLimit: 300_000 };

Deno.test({
  name: "swarm fetches the first snapshot, then two more, and serves the old one until the new one is whole",
  ignore: need("libtorrent"),
}, async () => {
  await using stage = await SwarmStage.open();
  const { swarm } = stage;
  const first = await stage.publish("abcdefghijklmnopqrstuvwxyz");
  // Half of it is the same, and the other half comes slowly.
  const second = await stage.publish("abcdefghijklm0123456789ABC", SLOW);
  // Nothing is the same.
  const third = await stage.publish("NOPQRSTUVWXYZ!$%&/()=?+*#-", SLOW);
  // What is served goes out evenly: a libtorrent leech with a limit of its own takes it in gulps.
  await using mirror = stage.mirror([
    ...["--up-limit", "50K"],
    ...[second, third].flatMap(({ seed }) => ["--peer", `127.0.0.1:${seed.port}`]),
  ]);
  await mirror.switched(first);
  await mirror.mustHold(first);
  await swarm.close(first.seed);

  await mustBeServedDuring(stage, mirror, first, async () => {
    await stage.point(second.hash);
    await mirror.switched(second);
    await mirror.mustHold(second);
    assert.equal(mirror.said(/Took 852.0 KB from /).length, 1, "what both share is not fetched");
    const { uploaded } = await swarm.status(second.seed);
    assert.ok(uploaded < second.size * 0.6, `${uploaded} of ${second.size} were fetched`);
    await swarm.close(second.seed);
  });
  await mustBeServedDuring(stage, mirror, second, async () => {
    await stage.point(third.hash);
    await mirror.switched(third);
    await mirror.mustHold(third);
    await swarm.close(third.seed);
  });
  await openDeleted(mirror, 0);
  const bytes = await diskBytes(mirror.dataDir);
  assert.ok(bytes < third.size + 300_000, `${bytes} bytes on disk for ${third.size}`);
  await mustBeServed(stage, mirror, third);
  await mirror.stop();
});

/** A libtorrent leech has bytes of the old one in every second until the new one is there, and after that. */
async function mustBeServedDuring(
  stage: SwarmStage,
  mirror: Mirror,
  old: Generation,
  update: () => Promise<void>,
): Promise<void> {
  const dir = await stage.target();
  const leech = await stage.swarm.addLeech({ dir, torrent: old.torrent.torrent });
  await stage.swarm.connect(leech, await mirror.port(), { asV2: true });
  await stage.swarm.downloaded(leech, 1);
  const over = new AbortController();
  const longest = longestSilence(stage, leech, over.signal);
  longest.catch(() => {});
  await update().finally(() => over.abort());
  const { silentMs, downloaded } = await longest;
  assert.ok(downloaded < old.size, "the leech is in the middle of it");
  assert.ok(silentMs < 1000, `${silentMs} ms without a byte`);
  // Who is in the middle of it is not cut off by the switch.
  await stage.swarm.downloaded(leech, downloaded + 100_000);
  await stage.swarm.close(leech);
}

/** Watches a leech. Time in which this process could not look, on a busy machine, is not counted. */
async function longestSilence(
  stage: SwarmStage,
  leech: SwarmSession,
  over: AbortSignal,
): Promise<{ silentMs: number; downloaded: number }> {
  let [silentMs, currentMs, downloaded] = [0, 0, 0];
  for (let lastMs = performance.now(); !over.aborted;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const status = await stage.swarm.status(leech);
    const nowMs = performance.now();
    if (status.downloaded > downloaded) currentMs = 0;
    else currentMs += Math.min(nowMs - lastMs, 100);
    downloaded = status.downloaded;
    silentMs = Math.max(silentMs, currentMs);
    lastMs = nowMs;
  }
  return { silentMs, downloaded };
}

/** A stranger with the hash gets it from the mirror. */
async function mustBeServed(stage: SwarmStage, mirror: Mirror, what: Generation): Promise<void> {
  const dir = await stage.target();
  const leech = await stage.swarm.addLeech({ dir, magnet: `magnet:?xt=urn:btmh:1220${what.hash}` });
  await stage.swarm.connect(leech, await mirror.port(), { asV2: true });
  await stage.swarm.downloaded(leech, 100_000);
  await stage.swarm.close(leech);
}

Deno.test({
  name: "swarm finishes or goes over when the pointer moves on in the middle, by which needs less",
  ignore: need("libtorrent"),
}, async () => {
  await using stage = await SwarmStage.open();
  const letters = (prefix: string) => Array.from({ length: 24 }, (_, i) => `${prefix}${i}`);
  const slow = { pointer: false, announce: false, upLimit: 150_000 };
  const first = await stage.publish(letters("a"), slow);
  const second = await stage.publish(letters("b"), slow);
  const third = await stage.publish(letters("c"), slow);
  // All but two pieces are the second's.
  const fourth = await stage.publish([...letters("b").slice(2), "d0", "d1"], slow);
  const peers = [first, second, third, fourth].flatMap(({ seed }) => ["--peer", `127.0.0.1:${seed.port}`]);
  await stage.point(first.hash);
  {
    await using mirror = stage.mirror(peers);
    await mirror.program.stderrLine(/first verified block is on disk/);
    await stage.point(second.hash);
    await mirror.program.stderrLine(new RegExp(`New snapshot detected: ${second.hash.slice(0, 16)}`));
    await mirror.stop();
  }
  await stage.point(first.hash);
  await using mirror = stage.mirror(peers);
  await mirror.program.stderrLine(/first verified block is on disk/);
  // As large, and nothing of it is here: the first one is closer, and is finished.
  await stage.point(second.hash);
  await mirror.switched(first);
  await mirror.switched(second);
  assert.deepEqual(mirror.said(/closer to its end/), []);
  const bytes = (await stage.swarm.status(second.seed)).uploaded;
  assert.ok(bytes < second.size * 1.1, `${bytes} of ${second.size}`);
  await stage.point(third.hash);
  await mirror.program.stderrLine(new RegExp(`New snapshot detected: ${third.hash.slice(0, 16)}`));
  await stage.swarm.uploaded(third.seed, 1);
  await stage.point(fourth.hash);
  await mirror.switched(fourth);
  await mirror.mustHold(fourth);
  const left = mirror.said(/closer to its end/).map((line) => line.replace(/.*Fetching/, ""));
  assert.deepEqual(left, [` ${third.hash.slice(0, 16)} no longer: the newer one is closer to its end`]);
  assert.ok((await stage.swarm.status(third.seed)).uploaded < third.size);
  await mirror.stop();
});
