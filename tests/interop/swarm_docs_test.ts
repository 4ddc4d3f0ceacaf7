// Runs every command of docs/mirror-swarm-mode.md, in its order and in one folder. A mirror, which would not end, goes on
// behind the commands that follow, until the next one is started or a get is to have its directory.

import assert from "node:assert/strict";
import { join } from "node:path";
import { needStage, Stage } from "./stage.ts";
import { runProgram, sha256OfFile } from "./support.ts";
import { TEST_KEY } from "./swarm.ts";

const ROOT = join(import.meta.dirname ?? ".", "..", "..");

Deno.test({
  name: "docs/mirror-swarm-mode.md: each command ends 0, and its mirrors hold the snapshot",
  ignore: needStage("7zz"),
  async fn() {
    const page = Deno.readTextFileSync(join(ROOT, "docs", "mirror-swarm-mode.md"));
    const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, body = ""]) => body);
    assert.ok(commands.length >= 8, `only ${commands.length} commands found`);
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: 25_000, pieceSize: 1 << 20 });
    const [bin, mirror] = [stage.temp.join("bin"), stage.temp.join("mirror")];
    Deno.mkdirSync(bin);
    const program = `#!/bin/sh
main() { exec "${Deno.execPath()}" run --quiet -A "${join(ROOT, "main.ts")}" "$@"; }
stop() {
  pid=$(cat "${mirror}" 2> /dev/null) || return 0
  rm "${mirror}"
  kill "$pid"
  while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
}
case "$1" in
  status | health) main "$@" ;;
esac
stop
case "$1" in
  get) main "$@" --bind 127.0.0.1 --no-trackers ;;
  stop) exit 0 ;;
esac
(main "$@" --bind 127.0.0.1 --no-trackers) > "${mirror}.log" 2>&1 &
echo $! > "${mirror}"
for i in $(seq 300); do
  grep -q "State transition: .* → seeding" "${mirror}.log" && exit 0
  sleep 0.1
done
cat "${mirror}.log" >&2
exit 1
`;
    Deno.writeTextFileSync(join(bin, "nano-snap"), program, { mode: 0o755 });
    const env = {
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      PORT_MAPPING_ENABLED: "false",
      LSD_ENABLED: "false",
      DHT_BOOTSTRAP: stage.swarm.bootstrap(),
      AUTHORITY_PUBKEY: TEST_KEY,
      PORT: "0",
      METRICS_PORT: "0",
    };
    const run = async (command: string) => {
      const result = await runProgram("bash", ["-euc", command], { cwd: stage.temp.path, env });
      assert.equal(result.code, 0, `${command}\n${result.stderr}`);
    };
    try {
      for (const command of commands) await run(command);
    } finally {
      await run("nano-snap stop");
    }
    const archive = sha256OfFile(published.archive);
    const name = published.torrent.name;
    for (const folder of ["nano-data", "python-mirror"]) {
      assert.equal(sha256OfFile(stage.temp.join(folder, name)), archive);
    }
    assert.equal(sha256OfFile(stage.temp.join("nano-data", "data.ldb")), published.ledger.sha256);
  },
});
