// Runs every command of docs/mirror-leech-mode.md, in its order and in one folder, with `nano-snap` on PATH being the
// program of this tree and its DHT being the one on loopback. A document whose commands fail is wrong. Then those of
// README.md that run the program from a checkout; its installer has tests/e2e/install_test.ts, its tests .ci/run. And
// every command of docs/producer-guide.md, in a folder and a stream of its own.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ledgerFixture } from "./ledger_fixture.ts";
import { NodeFolder } from "./node_folder.ts";
import { needStage, Stage } from "./stage.ts";
import { runProgram, sha256OfFile } from "./support.ts";
import { TEST_KEY } from "./swarm.ts";

const ROOT = join(import.meta.dirname ?? ".", "..", "..");
const SMALL = 25_000;

Deno.test({
  name: "docs/mirror-leech-mode.md and README.md: each command ends 0 and leaves the ledger",
  ignore: needStage("7zz"),
  async fn() {
    const commands = commandsOf(Deno.readTextFileSync(join(ROOT, "docs", "mirror-leech-mode.md")));
    assert.ok(commands.length >= 7, `only ${commands.length} commands found`);
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: SMALL, pieceSize: 1 << 20 });
    const bin = stage.temp.join("bin");
    Deno.mkdirSync(bin);
    // The two options that have no variable keep the program on loopback.
    const program = `#!/bin/sh
case "$*" in get*|*--latest*) set -- "$@" --bind 127.0.0.1 --no-trackers;; esac
exec "${Deno.execPath()}" run --quiet -A "${join(ROOT, "main.ts")}" "$@"
`;
    // As from a checkout, with the Deno that is running.
    const npx = `#!/bin/sh
[ "$1 $2 $3 $4 $5" = "-y deno@2.9.6 run -A main.ts" ] || { echo "what is npx $*?" >&2; exit 1; }
shift 5
exec nano-snap "$@"
`;
    Deno.writeTextFileSync(join(bin, "nano-snap"), program, { mode: 0o755 });
    Deno.writeTextFileSync(join(bin, "npx"), npx, { mode: 0o755 });
    const node = await NodeFolder.make(stage.temp.join("home", "Nano"), 600);
    const env = {
      HOME: stage.temp.join("home"),
      DENO_DIR: Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "", ".cache", "deno"),
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      PORT_MAPPING_ENABLED: "false",
      LSD_ENABLED: "false",
      DHT_BOOTSTRAP: stage.swarm.bootstrap(),
      AUTHORITY_PUBKEY: TEST_KEY,
      PORT: "0",
      RUNNER_TEMP: stage.temp.path,
      SEED: `127.0.0.1:${published.seeds[0]?.port}`,
    };
    const run = async (commands: readonly string[], cwd: string) => {
      for (const command of commands) {
        const result = await runProgram("bash", ["-euc", command], { cwd, env });
        assert.equal(result.code, 0, `${command}\n${result.stderr}`);
      }
    };
    await run(commands, stage.temp.path);
    assert.equal(sha256OfFile(node.ledger), (await ledgerFixture(600)).sha256, "installed, and undone");
    assert.deepEqual(node.names(), ["data.ldb"]);
    node.mustBeUntouched();
    const checkout = stage.temp.join("checkout");
    Deno.mkdirSync(checkout);
    const readme = commandsOf(Deno.readTextFileSync(join(ROOT, "README.md")))
      .filter((command) => command.includes("main.ts"));
    assert.equal(readme.length, 1);
    await run(readme, checkout);
    for (const folder of ["nano-data", "nano", "checkout/nano-data"]) {
      assert.equal(sha256OfFile(stage.temp.join(folder, "data.ldb")), published.ledger.sha256);
    }
  },
});

Deno.test({
  name: "docs/producer-guide.md: each command ends 0, the seeder serves, and get has the ledger from it",
  ignore: needStage("7zz"),
  async fn() {
    const commands = commandsOf(Deno.readTextFileSync(join(ROOT, "docs", "producer-guide.md")));
    assert.ok(commands.length >= 10, `only ${commands.length} commands found`);
    await using stage = await Stage.open();
    const ledger = await ledgerFixture(SMALL);
    const archive = Deno.readFileSync(await ledger.archive("7z"));
    // What `UPSTREAM_SNAPSHOT_INDEX_URL` names: the index, and beside it the archive.
    await using source = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      ({ url }) => new Response(url.endsWith("/latest") ? "Nano_64_2026.7z\n" : archive),
    );
    const [bin, pidFile] = [stage.temp.join("bin"), stage.temp.join("seeder")];
    Deno.mkdirSync(bin);
    // As above; and a seeder, which would not end, goes on behind the commands that follow, once it serves.
    const program = `#!/bin/sh
case "$1 $2" in
  get* | "produce seed") set -- "$@" --bind 127.0.0.1 --no-trackers ;;
  "produce run") set -- "$@" --bind 127.0.0.1 --no-trackers --piece-size 1M ;;
  "produce publish") set -- "$@" --bind 127.0.0.1 ;;
esac
if [ "$1 $2" = "produce seed" ]; then
  "${Deno.execPath()}" run --quiet -A "${join(ROOT, "main.ts")}" "$@" > "${pidFile}.log" 2>&1 &
  echo $! > "${pidFile}"
  for i in $(seq 300); do
    grep -q '"seeder_ready": true' ./snapshots/seeder-stats.json 2> /dev/null && exit 0
    sleep 0.1
  done
  cat "${pidFile}.log" >&2
  exit 1
fi
exec "${Deno.execPath()}" run --quiet -A "${join(ROOT, "main.ts")}" "$@"
`;
    Deno.writeTextFileSync(join(bin, "nano-snap"), program, { mode: 0o755 });
    const env = {
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      PORT_MAPPING_ENABLED: "false",
      LSD_ENABLED: "false",
      DHT_BOOTSTRAP: stage.swarm.bootstrap(),
      PORT: "0",
      UPSTREAM_SNAPSHOT_INDEX_URL: `http://127.0.0.1:${source.addr.port}/latest`,
    };
    const said: string[] = [];
    try {
      for (const command of commands) {
        const result = await runProgram("bash", ["-euc", command], { cwd: stage.temp.path, env });
        assert.equal(result.code, 0, `${command}\n${result.stderr}`);
        said.push(result.stdout);
      }
    } finally {
      const pid = Number(await Deno.readTextFile(pidFile).catch(() => ""));
      const end = `kill ${pid}; while kill -0 ${pid} 2> /dev/null; do sleep 0.1; done`;
      if (pid > 0) await runProgram("bash", ["-c", end]);
    }
    const answers = said.join("");
    assert.match(answers, /^seq=1\n.*^seq=2\n/ms, "a ledger, then an index");
    assert.match(answers, /^unchanged$/m, "the index again");
    assert.ok(said.at(-1)!.endsWith("seq=58\n"), "above the seq that the page says");
    assert.equal(sha256OfFile(stage.temp.join("nano-data", "data.ldb")), ledger.sha256);
  },
});

/** The blocks marked `sh`, and the `run:` lines of workflow examples. */
function commandsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, language, body = ""]) => {
    if (language === "sh") return [body];
    return language === "yaml" ? [...body.matchAll(/^ *- run: (.*)$/gm)].map((line) => line[1] ?? "") : [];
  });
}
