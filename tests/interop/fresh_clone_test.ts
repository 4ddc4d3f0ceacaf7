// What a newcomer does, each with one command: in a fresh clone, with a home that has nothing in it, the program is made,
// installed from the folder where it was made, and gets a ledger from a swarm of libtorrent's. Only the caches of npm
// and Deno are the machine's own, so that nothing is downloaded twice. A release's own trial of its program is run on it,
// too, for there is none nearer to a release here.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, testBinary } from "../e2e/binary.ts";
import { assetFor } from "../../lib/release/assets.ts";
import { mustRun, runProgram, startProgram } from "./support.ts";
import { mustGet, needStage, Stage } from "./stage.ts";

// That it can be compiled here at all, and by what.
const binary = await testBinary();
const system = assetFor(Deno.build.target)?.system ?? "";

Deno.test({
  name: "a fresh clone with an empty home: compile, install, get, with one command each",
  ignore: needStage("zstd", "tar") || binary === undefined || !isRepository() || Deno.build.os !== "linux",
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ archive: "tar.zst", blocks: 10_000, pieceSize: 1 << 20 });
    const [clone, home] = [stage.temp.join("clone"), stage.temp.join("home")];
    Deno.mkdirSync(home);
    await mustRun("git", ["clone", "--quiet", ROOT, clone]);
    const caches = {
      npm_config_cache: (await mustRun("npm", ["config", "get", "cache"])).stdout.trim(),
      DENO_DIR: JSON.parse((await mustRun(Deno.execPath(), ["info", "--json"])).stdout).denoDir,
    };
    const runtime = binary!.toolchain.env["DENORT_BIN"];
    const env = { PATH: Deno.env.get("PATH") ?? "", HOME: home };
    const inClone = (command: string, args: string[], more: Record<string, string>) =>
      mustRun(command, args, { cwd: clone, clearEnv: true, env: { ...env, ...more }, deadlineMs: 300_000 });

    await inClone("npx", ["-y", "deno@2.9.6", "task", "compile:all", "--only", system], {
      ...caches,
      ...(runtime === undefined ? {} : { NANO_SNAP_DENORT: runtime }),
    });

    const { version } = JSON.parse(Deno.readTextFileSync(join(clone, "deno.json")));
    const tried = await inClone("deploy/release/smoke.sh", [system, version], {});
    assert.match(tried.stdout, /^smoke: nano-snap-\S+ works$/m);
    assert.match(tried.stderr, /Packing \S+ MB as 7z with 7-Zip of our own/);

    const folder = join(home, ".local", "bin");
    const where = Deno.uid() === 0 ? { NANO_SNAP_INSTALL_DIR: folder } : {};
    const installed = await inClone("sh", ["install.sh"], {
      NANO_SNAP_BASE_URL: `file://${join(clone, "dist")}`,
      ...where,
    });
    assert.match(installed.stdout, /^Next: nano-snap get --extract$/m);

    // By its name, as PATH finds it.
    const words = ["nano-snap", "get", "--extract", "--json", ...stage.common()];
    const path = { PATH: `${folder}:${env.PATH}` };
    await using run = startProgram("/usr/bin/env", words, {
      cwd: home,
      clearEnv: true,
      env: { ...env, ...path },
      deadlineMs: 120_000,
    });
    await mustGet(run, published, stage.dataDir);

    const { stdout } = await runProgram(join(folder, "nano-snap"), ["version", "--json"], { clearEnv: true });
    const { commit, modified } = JSON.parse(stdout);
    const head = (await mustRun("git", ["-C", clone, "rev-parse", "HEAD"])).stdout.trim();
    assert.deepEqual([commit, modified], [head, false]);
    assert.deepEqual(
      [...Deno.readDirSync(home)].map(({ name }) => name),
      [".local"],
      "nothing else was left there",
    );
    const { stdout: changes } = await mustRun("git", ["-C", clone, "status", "--porcelain"]);
    assert.equal(changes, "", "and the clone is as it was");
  },
});

function isRepository(): boolean {
  const git = new Deno.Command("git", {
    args: ["-C", ROOT, "rev-parse", "HEAD"],
    stdout: "null",
    stderr: "null",
  });
  return git.outputSync().success;
}
