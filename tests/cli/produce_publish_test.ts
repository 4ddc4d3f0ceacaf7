// What words and variables of `nano-snap produce publish` mean together; what it does is in tests/interop.

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { Command } from "commander";
import { addKeyOptions } from "../../lib/cli/key_options.ts";
import { addProducePublish, readPublishOptions } from "../../lib/cli/produce_publish.ts";
import type { CliContext } from "../../lib/cli/context.ts";
import { Inputs } from "../../lib/cli/options.ts";
import { UsageError } from "../../lib/errors.ts";

/** Words as commander splits them, without running anything. */
function read(words: string, env: Record<string, string> = {}) {
  const group = new Command();
  addProducePublish(group, {} as CliContext);
  const command = group.commands[0]!.exitOverride();
  let options: ReturnType<typeof readPublishOptions> | undefined;
  command.action((file: string) => {
    options = readPublishOptions(new Inputs(command.opts(), env), file);
  });
  command.parse(words.split(" "), { from: "user" });
  return options!;
}

Deno.test("readPublishOptions() gives the documented defaults", () => {
  const { torrent, ...options } = read("a.7z");
  assert.deepEqual(options, {
    salt: new TextEncoder().encode("daily"),
    stateFile: undefined,
    dht: { port: 0, bind: [], bootstrap: undefined },
    dryRun: false,
  });
  assert.equal(torrent.path, resolve("a.7z"));
});

Deno.test("readPublishOptions() lets the flag win over the variable", () => {
  const env = { PORT: "1000", DHT_SALT: "weekly", PUBLISHER_STATE_FILE: "env.json", DHT_BOOTSTRAP: "e:1" };
  const byEnv = read("a.7z", env);
  assert.deepEqual(
    [byEnv.dht.port, byEnv.stateFile, byEnv.dht.bootstrap],
    [1000, resolve("env.json"), [{ host: "e", port: 1 }]],
  );
  assert.deepEqual(byEnv.salt, new TextEncoder().encode("weekly"));
  const byFlag = read(
    "a.7z --port 7 --salt x --state-file f.json --dht-bootstrap f:1,g:2 --bind 127.0.0.1 --dry-run --piece-size 1M",
    env,
  );
  assert.deepEqual([byFlag.dht.port, byFlag.stateFile, byFlag.dryRun], [7, resolve("f.json"), true]);
  assert.deepEqual([byFlag.dht.bind, byFlag.dht.bootstrap?.length], [["127.0.0.1"], 2]);
  assert.equal(byFlag.torrent.pieceLength, 1 << 20);
});

Deno.test("readPublishOptions() refuses an empty state file and bad values by name", () => {
  const inputs = (flags: Record<string, unknown>) => readPublishOptions(new Inputs(flags, {}), "a.7z");
  assert.throws(() => inputs({ stateFile: "" }), /--state-file must be a file/);
  assert.throws(() => inputs({ port: "x" }), UsageError);
  assert.throws(() => inputs({ bind: ["here"] }), /--bind must be/);
});

Deno.test("produce publish takes a key from a file or a variable, and no other way that shows it", () => {
  const flags = addKeyOptions(new Command()).options.filter(({ hidden }) => !hidden).map(({ long }) => long);
  assert.deepEqual(flags, ["--key-file"]);
});
