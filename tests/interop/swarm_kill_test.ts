// `nano-snap swarm`, killed in each phase of an update: whoever starts it again has the old snapshot served at once and
// comes to the same end.

import assert from "node:assert/strict";
import { join } from "node:path";
import { need } from "./support.ts";
import { SwarmStage } from "./swarm_stage.ts";

Deno.test({
  name:
    "swarm killed in each phase of an update goes on from there, the old one served until the new one is whole",
  ignore: need("libtorrent"),
}, async () => {
  await using stage = await SwarmStage.open();
  const first = await stage.publish("abcdefghijklmnop");
  const second = await stage.publish("abcdefghABCDEFGH", {
    pointer: false,
    announce: false,
    upLimit: 200_000,
  });
  const more = ["--keep", "1", "--peer", `127.0.0.1:${second.seed.port}`];
  // Also while the first one comes.
  for (const phase of [/→ downloading_metadata/, /→ checking/, /first verified block/]) {
    await using mirror = stage.mirror(more);
    await mirror.program.stderrLine(phase);
    await mirror.kill();
  }
  {
    await using mirror = stage.mirror(more);
    await mirror.seeding(first);
    await mirror.mustHold(first);
    await mirror.kill();
  }
  await stage.swarm.close(first.seed);
  await stage.point(second.hash);
  const phases = [
    /→ downloading_metadata/,
    /→ checking/,
    /Took 524.3 KB from/,
    /first verified block/,
    /Download: [6-9]\d/,
    /→ finished/,
  ];
  for (const phase of phases) {
    await using mirror = stage.mirror(more);
    await mirror.seeding(first);
    // What was copied or fetched before the kill before is not again.
    const isOver = new RegExp(`${phase.source}|Resumed: .* are here|→ finished`);
    await mirror.program.stderrLine(isOver);
    await mirror.kill();
  }
  await using mirror = stage.mirror(more);
  await mirror.seeding(second);
  await mirror.mustHold(second);
  const kept = [...Deno.readDirSync(join(stage.dataDir, ".nano-snap", "kept"))].map(({ name }) => name);
  assert.deepEqual(kept, [first.hash]);
  const { uploaded } = await stage.swarm.status(second.seed);
  assert.ok(uploaded < second.size, `${uploaded} bytes were fetched, half of ${second.size} were missing`);
  await mirror.stop();
  for (const folder of ["incoming", "torrents", "resume"]) {
    const names = [...Deno.readDirSync(join(stage.dataDir, ".nano-snap", folder))].map(({ name }) =>
      name.split(".")[0]
    );
    assert.deepEqual(
      new Set(names),
      folder === "incoming" ? new Set() : new Set([first.hash, second.hash]),
      folder,
    );
  }
});
