// The compiled program in a swarm of libtorrent's, where nothing of a developer's machine is left: an empty environment,
// another working directory, a home that cannot be written, an ordinary user.

import assert from "node:assert/strict";
import { join } from "node:path";
import { testBinary } from "../e2e/binary.ts";
import { need, type RunningProgram, sha256OfFile, startProgram } from "./support.ts";
import { mustGet, needStage, Stage } from "./stage.ts";
import { TEST_KEY } from "./swarm.ts";
import { ARCHIVE, Mirror, SwarmStage } from "./swarm_stage.ts";

const binary = await testBinary();
const MIB = 1 << 20;
const SMALL = 10_000;
/** A user that every system has and that owns nothing. */
const NOBODY = 65534;

function ignore(...more: Parameters<typeof needStage>): boolean {
  return needStage(...more) || binary === undefined || Deno.build.os !== "linux";
}

/** The options that keep a `get` on the stage, except for the folder. */
function words(stage: Stage): string[] {
  const common = stage.common();
  return ["get", "--extract", "--json", ...common.slice(common.indexOf("--data-dir") + 2)];
}

Deno.test({
  name: "the binary gets a ledger with an empty environment into the folder where it is started",
  ignore: ignore("7zz"),
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: SMALL, pieceSize: MIB });
    const cwd = stage.temp.join("elsewhere");
    Deno.mkdirSync(cwd);
    await using run = startProgram(binary!.path, words(stage), {
      cwd,
      clearEnv: true,
      env: {},
      deadlineMs: 120_000,
    });
    await mustGet(run, published, join(cwd, "nano-data"));
    assert.deepEqual(
      [...Deno.readDirSync(cwd)].map(({ name }) => name),
      ["nano-data"],
      "it left nothing else",
    );
  },
});

Deno.test({
  name: "the binary gets a ledger as an ordinary user whose home cannot be written",
  ignore: ignore("zstd", "tar"),
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ archive: "tar.zst", blocks: SMALL, pieceSize: MIB });
    // The tests' own copy lies in a folder that is only ours.
    const program = stage.temp.join("nano-snap");
    Deno.copyFileSync(binary!.path, program);
    const [home, temporary] = [stage.temp.join("home"), stage.temp.join("tmp")];
    for (const folder of [home, temporary, stage.dataDir]) Deno.mkdirSync(folder);
    Deno.chmodSync(stage.temp.path, 0o755);
    if (Deno.uid() === 0) Deno.chownSync(stage.dataDir, NOBODY, NOBODY);
    for (const folder of [home, temporary]) Deno.chmodSync(folder, 0o555);
    const env = { HOME: home, TMPDIR: temporary };
    await using run = asNobody(program, [...words(stage), "--data-dir", stage.dataDir], env);
    const answer = await mustGet(run, published, stage.dataDir);
    const uid = Deno.uid() === 0 ? NOBODY : Deno.uid();
    assert.equal(Deno.statSync(answer.path).uid, uid);
    for (const folder of [home, temporary]) assert.deepEqual([...Deno.readDirSync(folder)], []);
  },
});

Deno.test({
  name: "the binary mirrors as an ordinary user: follows the pointer, and seeds to libtorrent",
  ignore: need("libtorrent") || binary === undefined || Deno.build.os !== "linux",
  async fn() {
    await using stage = await SwarmStage.open();
    const program = stage.temp.join("nano-snap");
    Deno.copyFileSync(binary!.path, program);
    Deno.mkdirSync(stage.dataDir);
    Deno.chmodSync(stage.temp.path, 0o755);
    if (Deno.uid() === 0) Deno.chownSync(stage.dataDir, NOBODY, NOBODY);
    const first = await stage.publish("abcdefgh");

    // Settings as a container has them, and no command: that means a mirror.
    const env = {
      DATA_DIR: stage.dataDir,
      PRODUCER_SIGNING_PUBKEY: TEST_KEY,
      DHT_BOOTSTRAP: stage.swarm.bootstrap(),
      PORT: "0",
      POLL_INTERVAL: "1",
    };
    const running = asNobody(program, ["--bind", "127.0.0.1", "--no-trackers", "--no-metrics"], env);
    await using mirror = new Mirror(running, stage.dataDir);
    await mirror.switched(first);
    const second = await stage.publish("abcdefxyz");
    await mirror.switched(second);
    await mirror.mustHold(second);

    await stage.swarm.close(second.seed);
    const dir = await stage.target();
    const leech = await stage.swarm.addLeech({ dir, magnet: `magnet:?xt=urn:btmh:1220${second.hash}` });
    await stage.swarm.connect(leech, await mirror.port(), { asV2: true });
    await stage.swarm.done(leech);
    assert.equal(sha256OfFile(join(dir, ARCHIVE)), second.sha256);
    await mirror.stop();
  },
});

/** As nobody where we are root, and as we are otherwise; the environment has these variables only. */
function asNobody(program: string, args: readonly string[], env: Record<string, string>): RunningProgram {
  const options = { cwd: "/", clearEnv: true, env, deadlineMs: 120_000 };
  if (Deno.uid() !== 0) return startProgram(program, args, options);
  const user = ["--reuid", `${NOBODY}`, "--regid", `${NOBODY}`, "--clear-groups"];
  return startProgram("/usr/bin/setpriv", [...user, "--", program, ...args], options);
}
