// The program itself, as a process: exit codes, which stream says what, and what it leaves behind.

import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { systemFiles } from "../../lib/io/files.ts";
import { notOnWindows } from "../windows.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Runs main.ts to its end with a bare environment. */
async function nanoSnap(args: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await start(args, env).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

function start(args: readonly string[], env: Record<string, string> = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), ...args],
    env: { ...kept(["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", ...WINDOWS_NEEDS]), ...env },
    clearEnv: true,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

function kept(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}

/** Without these nothing there can use the network, or finds its cache. */
const WINDOWS_NEEDS = ["SystemRoot", "LOCALAPPDATA", "USERPROFILE", "TEMP", "TMP"];

function inFolder(run: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = Deno.makeTempDirSync();
    try {
      await run(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

/** A get that could not reach anybody, and so cannot get further than its own directory. */
const lonely = (
  folder: string,
) => ["get", "--port", "0", "--dht-bootstrap", "127.0.0.1:9", "--data-dir", folder];

Deno.test("version says the version in deno.json and the key in AUTHORITY_PUBKEY", async () => {
  const { version } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const key = Deno.readTextFileSync(join(ROOT, "AUTHORITY_PUBKEY")).trim();
  const text = await nanoSnap(["version"]);
  assert.equal(text.code, 0);
  assert.equal(text.stderr, "");
  assert.ok(
    text.stdout.startsWith(`nano-snap ${version} (deno ${Deno.version.deno}, ${Deno.build.target})\n`),
  );
  assert.ok(text.stdout.endsWith(`authority ${key}\n`));
  const json = JSON.parse((await nanoSnap(["version", "--json"])).stdout);
  assert.deepEqual([json.version, json.authority], [version, key]);
});

Deno.test("words that make no sense exit 2 with one line on stderr and nothing on stdout", async () => {
  for (const args of [["--what"], ["--no-dht"], ["get", "--what"], ["get", "--port", "x"], ["what"]]) {
    const ended = await nanoSnap(args);
    assert.equal(ended.code, 2, args.join(" "));
    assert.equal(ended.stdout, "");
    assert.match(ended.stderr, /^nano-snap: [^\n]+\n$/);
  }
});

Deno.test("two different keys in the environment exit 2, naming both variables", async () => {
  const ended = await nanoSnap(["--once"], {
    PRODUCER_SIGNING_PUBKEY: "aa".repeat(32),
    AUTHORITY_PUBKEY: "bb".repeat(32),
  });
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /PRODUCER_SIGNING_PUBKEY and AUTHORITY_PUBKEY/);
});

Deno.test(
  "a data directory that cannot be exits 6 with one sentence, and as JSON where asked",
  inFolder(async (folder) => {
    writeFileSync(join(folder, "file"), "");
    const ended = await nanoSnap([...lonely(join(folder, "file")), "--json"]);
    assert.equal(ended.code, 6);
    assert.match(ended.stderr, /nano-snap: Cannot use the data directory [^\n]+\/file: [^\n]+\n$/);
    const { error } = JSON.parse(ended.stdout);
    assert.deepEqual([error.code, error.exit_code], ["path_unusable", 6]);
    assert.ok(ended.stderr.endsWith(`nano-snap: ${error.message}\n`));
  }),
);

Deno.test(
  "a producer's output directory exits 6 and stays untouched",
  inFolder(async (folder) => {
    writeFileSync(join(folder, "publisher_state.json"), "{}");
    const ended = await nanoSnap(lonely(folder));
    assert.equal(ended.code, 6);
    assert.equal(ended.stdout, "");
    assert.match(ended.stderr, /publisher_state\.json/);
    assert.deepEqual(readdirSync(folder), ["publisher_state.json"]);
  }),
);

Deno.test(
  {
    name: "a data directory that another instance holds exits 9, naming that one",
    ignore: notOnWindows("nobody can read there what another has locked"),
  },
  inFolder(async (folder) => {
    systemFiles.makeDir(join(folder, ".nano-snap"));
    const held = systemFiles.lock(join(folder, ".nano-snap/lock"), "nano-snap get, process 4711");
    const ended = await nanoSnap(lonely(folder));
    held?.release();
    assert.equal(ended.code, 9);
    assert.equal(ended.stdout, "");
    assert.match(ended.stderr, /another instance holds it \(nano-snap get, process 4711\)\n$/);
  }),
);

for (const args of [[], ["--extract"]]) {
  Deno.test({
    name: `a call without a command (${
      args.join(" ") || "no word"
    }) is a mirror: it runs until it is stopped`,
    ignore: Deno.build.os === "windows",
    fn: inFolder(async (folder) => {
      const env = { DATA_DIR: join(folder, "data"), PORT: "0", DHT_BOOTSTRAP: "127.0.0.1:9" };
      const run = start([...args, "--no-metrics", "--bind", "127.0.0.1"], env);
      let said = "";
      let isStopped = false;
      for await (const text of run.stderr.pipeThrough(new TextDecoderStream())) {
        said += text;
        if (isStopped || !/Listening on port \d+/.test(said)) continue;
        isStopped = true;
        run.kill("SIGTERM");
      }
      assert.equal((await run.status).code, 143, said);
      await run.stdout.cancel();
      assert.ok(systemFiles.stat(join(folder, "data", ".nano-snap"))?.kind === "directory");
    }),
  });
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test({
    name: `${signal} ends a get with exit code ${code}, one sentence, and nothing on stdout`,
    ignore: Deno.build.os === "windows",
    fn: inFolder(async (folder) => {
      const run = start(lonely(folder));
      const lines = run.stderr.pipeThrough(new TextDecoderStream());
      let said = "";
      for await (const text of lines) {
        // The first line proves that the signal is listened for; nobody answers, so it runs until stopped.
        if (said === "") run.kill(signal);
        said += text;
      }
      assert.equal((await run.status).code, code);
      assert.equal(await new Response(run.stdout).text(), "");
      assert.match(
        said,
        /nano-snap: [^\n]+: what is whole is kept, and the same command goes on from there\n$/,
      );
    }),
  });
}

Deno.test({
  name: "a result that cannot be written exits 5, a log that cannot be changes nothing",
  ignore: !existsSync("/dev/full"),
  fn: inFolder(async (folder) => {
    const redirected = async (where: string, args: readonly string[]) => {
      const { code, stderr } = await new Deno.Command("sh", {
        args: ["-c", `"$@" ${where}`, "sh", Deno.execPath(), "run", "-A", join(ROOT, "main.ts"), ...args],
      }).output();
      return { code, stderr: new TextDecoder().decode(stderr) };
    };
    assert.deepEqual(await redirected(">/dev/full", ["version"]), {
      code: 5,
      stderr: "nano-snap: Cannot write the output: no space left on the device\n",
    });
    const unlogged = await redirected("2>/dev/full", [...lonely(folder), "--discover-timeout", "1s"]);
    assert.equal(unlogged.code, 3);
  }),
});
