// What words and variables mean together: the request that `nano-snap swarm` hands over.

import assert from "node:assert/strict";
import { Command } from "commander";
import { addCommonOptions, Inputs } from "../../lib/cli/options.ts";
import { readFollowOptions } from "../../lib/cli/swarm_options.ts";
import { UsageError } from "../../lib/errors.ts";

function read(words: string, env: Record<string, string> = {}) {
  const command = addCommonOptions(new Command(), [])
    .option("--poll-interval <x>").option("--keep <x>").option("--on-update <x>").option("--no-refresh")
    .option("--replace-in-place").option("--download-timeout <x>").option("--extract").exitOverride();
  command.parse(words.split(" ").filter((word) => word !== ""), { from: "user" });
  return readFollowOptions(new Inputs(command.opts(), env));
}

Deno.test("readFollowOptions() gives the documented defaults when nothing is said", () => {
  const { options, warnings } = read("");
  const { pollMs, keep, refresh, replaceInPlace, onUpdate, port } = options;
  assert.deepEqual([pollMs, keep, refresh, replaceInPlace, onUpdate, port], [
    600_000,
    0,
    true,
    false,
    undefined,
    6881,
  ]);
  assert.deepEqual(warnings, []);
});

Deno.test("readFollowOptions() takes the interval from flag or variable, from a second to a day", () => {
  assert.equal(read("", { POLL_INTERVAL: "60" }).options.pollMs, 60_000);
  assert.equal(read("--poll-interval 5m", { POLL_INTERVAL: "60" }).options.pollMs, 300_000);
  assert.equal(read("--poll-interval 1").options.pollMs, 1000);
  assert.equal(read("--poll-interval 24h").options.pollMs, 86_400_000);
  for (const text of ["0", "0.5", "25h", "soon"]) {
    assert.throws(() => read(`--poll-interval ${text}`), UsageError, text);
    assert.throws(() => read("", { POLL_INTERVAL: text }), /POLL_INTERVAL/);
  }
});

Deno.test("readFollowOptions() takes what upstream's mirror takes, and says what has no effect", () => {
  const { warnings } = read("--download-timeout 1800 --extract --web-seed-mode off --seed-peer a:1");
  assert.deepEqual(warnings, ["--extract has no effect without --once and is ignored"]);
  assert.throws(() => read("--download-timeout soon"), /--download-timeout/);
});

Deno.test("readFollowOptions() refuses what cannot be", () => {
  assert.throws(() => read("--no-dht"), /its pointer is in the DHT/);
  assert.throws(() => read("--keep -1"), UsageError);
  assert.throws(() => read("--keep 1000"), UsageError);
  assert.throws(() => readFollowOptions(new Inputs({ onUpdate: "" }, {})), /--on-update must be a program/);
  assert.equal(read("--keep 0").options.keep, 0);
  const { options } = read("--keep 3 --no-refresh --replace-in-place --on-update /x");
  assert.deepEqual([options.keep, options.refresh, options.replaceInPlace, options.onUpdate], [
    3,
    false,
    true,
    "/x",
  ]);
});
