// The compiled program in a swarm of libtorrent's, where nothing of a developer's machine is left: an empty environment,
// another working directory, a home that cannot be written, an ordinary user.

import assert from "node:assert/strict";
import { join } from "node:path";
import { testBinary } from "../e2e/binary.ts";
import { type RunningProgram, startProgram } from "./support.ts";
import { mustGet, needStage, Stage } from "./stage.ts";

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

/** As nobody where we are root, and as we are otherwise; the environment has these variables only. */
function asNobody(program: string, args: readonly string[], env: Record<string, string>): RunningProgram {
  const options = { cwd: "/", clearEnv: true, env, deadlineMs: 120_000 };
  if (Deno.uid() !== 0) return startProgram(program, args, options);
  const user = ["--reuid", `${NOBODY}`, "--regid", `${NOBODY}`, "--clear-groups"];
  return startProgram("/usr/bin/setpriv", [...user, "--", program, ...args], options);
}
