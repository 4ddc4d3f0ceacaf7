// How `nano-snap get` ends when it cannot do its work: the exit code of the table, nothing on stdout, and exactly one
// sentence on stderr that names what is in the way.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { needStage, Stage } from "./stage.ts";
import type { RunningProgram } from "./support.ts";

const SMALL = 25_000;
const MIB = 1 << 20;
/** A key for which nobody signs here: RFC 8032's first test key. */
const OTHER_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

Deno.test({
  name: "get ends 3 when nothing is signed by the key, or under the salt",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open();
    await stage.publish({ blocks: SMALL, pieceSize: MIB });
    await using wrongKey = stage.get([
      "--authority",
      OTHER_KEY,
      "--discover-timeout",
      "3",
      "--log-level",
      "ERROR",
    ]);
    await refused(wrongKey, 3, new RegExp(OTHER_KEY.slice(0, 8)));
    await using wrongSalt = stage.get([
      "--salt",
      "weekly",
      "--discover-timeout",
      "3",
      "--log-level",
      "ERROR",
    ]);
    await refused(wrongSalt, 3, /weekly/);
  },
});

Deno.test({
  name: "get ends 6 and names the data directory when it cannot be written",
  ignore: needStage(),
  async fn() {
    await using stage = await Stage.open(2);
    const file = stage.temp.join("file");
    Deno.writeTextFileSync(file, "");
    await using underFile = stage.get(["--data-dir", `${file}/data`, "--log-level", "ERROR"]);
    await refused(underFile, 6, new RegExp(`${file}/data`));
    const forbidden = forbiddenFolder(stage);
    await using notOurs = stage.get(["--data-dir", `${forbidden}/data`, "--log-level", "ERROR"]);
    await refused(notOurs, 6, new RegExp(`${forbidden}/data`));
  },
});

Deno.test({
  name: "get ends 6 and names the port when another program has it, for TCP or for UDP",
  ignore: needStage(),
  async fn() {
    await using stage = await Stage.open(2);
    {
      using held = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const port = String(held.addr.port);
      await using run = stage.get(["--port", port, "--log-level", "ERROR"]);
      await refused(run, 6, new RegExp(`\\b${port}\\b`));
    }
    const held = createSocket("udp4");
    try {
      held.bind(0, "127.0.0.1");
      await once(held, "listening");
      const port = String(held.address().port);
      await using run = stage.get(["--port", port, "--log-level", "ERROR"]);
      await refused(run, 6, new RegExp(`\\b${port}\\b`));
    } finally {
      held.close();
      await once(held, "close");
    }
  },
});

Deno.test({
  name: "get ends 9 while another instance holds the directory, and SIGTERM ends that one with 143",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open();
    await stage.publish({ blocks: SMALL, pieceSize: MIB, upLimit: MIB });
    await using first = stage.get(["--log-level", "DEBUG"]);
    await first.stderrLine(/first verified block/);
    await using second = stage.get(["--log-level", "ERROR"]);
    await refused(second, 9, new RegExp(stage.dataDir));
    first.kill("SIGTERM");
    assert.equal((await first.finished()).code, 143);
    assert.equal(Deno.statSync(stage.dataDir).isDirectory, true);
  },
});

Deno.test({
  name: "get ends 2 at an option that does not exist, before it touches anything",
  ignore: needStage(),
  async fn() {
    await using stage = await Stage.open(2);
    await using run = stage.get(["--no-such-option"]);
    const result = await run.finished();
    assert.equal(result.code, 2, result.stderr);
    assert.match(result.stderr, /--no-such-option/);
    assert.throws(() => Deno.statSync(stage.dataDir), Deno.errors.NotFound);
  },
});

/** Checks the end: the code, an empty or JSON-only stdout, and one line of stderr without a full stop or a stack. */
async function refused(run: RunningProgram, code: number, names: RegExp): Promise<void> {
  const result = await run.finished();
  assert.equal(result.code, code, result.stderr);
  const lines = result.stderr.split("\n").filter((line) => line.trim() !== "");
  assert.equal(lines.length, 1, result.stderr);
  const [sentence = ""] = lines;
  assert.match(sentence, names);
  assert.doesNotMatch(sentence, /\.$|\n\s+at |Error:/);
  assert.doesNotMatch(result.stdout, /data\.ldb/);
}

/** A folder in which this user may not create anything; root may nearly everywhere, but not in sysfs. */
function forbiddenFolder(stage: Stage): string {
  if (Deno.uid() === 0) return "/sys/fs";
  const folder = stage.temp.join("forbidden");
  Deno.mkdirSync(folder, { mode: 0o555 });
  return folder;
}
