// A mirror whose settings lie in a file: SIGHUP has it read them again, and a libtorrent leech feels it.

import assert from "node:assert/strict";
import { nanoSnap } from "./stage.ts";
import { need } from "./support.ts";
import { TEST_KEY } from "./swarm.ts";
import { Mirror, SwarmStage } from "./swarm_stage.ts";

Deno.test({
  name: "swarm --env-file: SIGHUP changes limits, interval and log level; a wrong file changes nothing",
  ignore: need("libtorrent"),
}, async () => {
  await using stage = await SwarmStage.open();
  // Two megabytes: three minutes at the first limit.
  const first = await stage.publish(Array.from({ length: 32 }, (_, i) => `piece ${i}`));
  const settings = stage.temp.join("nano-snap.env");
  await Deno.writeTextFile(settings, "# small line\nUP_LIMIT=10K\nPOLL_INTERVAL=12h\n");
  const where = ["--data-dir", stage.dataDir, "--bind", "127.0.0.1", "--port", "0", "--no-trackers"];
  const whose = ["--dht-bootstrap", stage.swarm.bootstrap(), "--authority", TEST_KEY, "--no-metrics"];
  // As systemd does it: the file's variables are in the environment, too.
  const env = { UP_LIMIT: "10K" };
  const words = ["swarm", ...where, ...whose, "--env-file", `-${settings}`];
  await using mirror = new Mirror(nanoSnap(words, 180_000, env), stage.dataDir);
  await mirror.switched(first);
  // So that nobody else can give it to the leech.
  await stage.swarm.pause(first.seed);
  const leech = await stage.swarm.addLeech({ dir: await stage.target(), torrent: first.torrent.torrent });
  await stage.swarm.connect(leech, await mirror.port(), { asV2: true });

  await Deno.writeTextFile(settings, "POLL_INTERVAL=1\nLOG_LEVEL=debug\nDHT_SALT=other\n");
  mirror.program.kill("SIGHUP");
  const { text } = await mirror.program.stderrLine(/Settings read again/);
  assert.match(text, /nano-snap\.env: up limit none, poll interval 1 s, log level debug$/);
  await mirror.program.stderrLine(/WARNING: Needs a restart to take effect: --salt$/);
  await stage.swarm.done(leech);
  const looks = () => mirror.said(/DEBUG: .* is current, no update needed/).length;
  for (let left = 300; looks() < 3; left--) {
    assert.ok(left > 0, "it does not look each second");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }

  await Deno.writeTextFile(settings, "POLL_INTERVAL=never\nLOG_LEVEL=error\n");
  mirror.program.kill("SIGHUP");
  await mirror.program.stderrLine(
    /WARNING: The settings stay as they were: POLL_INTERVAL in .*nano-snap\.env must be a time .*, not "never"/,
  );
  const before = looks();
  for (let left = 300; looks() < before + 2; left--) {
    assert.ok(left > 0, "it does not go on as before");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await mirror.stop();
});
