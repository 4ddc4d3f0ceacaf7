// `nano-snap swarm` against libtorrent: the first snapshot, then one after the other, with somebody who fetches the old
// one all the while.

import assert from "node:assert/strict";
import { join } from "node:path";
import { need, sha256OfFile } from "./support.ts";
import { ARCHIVE, SwarmStage } from "./swarm_stage.ts";

Deno.test({
  name: "swarm fetches the first snapshot, serves it, and ends with 143 when it is told to",
  ignore: need("libtorrent"),
}, async () => {
  await using stage = await SwarmStage.open();
  const first = await stage.publish("abcdefgh");
  await using mirror = stage.mirror();
  await mirror.switched(first);
  await mirror.mustHold(first);
  await stage.swarm.close(first.seed);
  const dir = await stage.target();
  const leech = await stage.swarm.addLeech({ dir, magnet: `magnet:?xt=urn:btmh:1220${first.hash}` });
  await stage.swarm.connect(leech, await mirror.port(), { asV2: true });
  await stage.swarm.done(leech);
  assert.equal(sha256OfFile(join(dir, ARCHIVE)), first.sha256);
  await mirror.stop();
});
