// `deno task demo` is what a newcomer runs first: it must end well, in well under the half minute that it promises.

import assert from "node:assert/strict";
import { join } from "node:path";

Deno.test("the demo publishes, finds, fetches and verifies a ledger on this machine alone", async () => {
  const sinceMs = performance.now();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "tests/demo/main.ts"],
    cwd: join(import.meta.dirname!, "..", ".."),
  }).output();
  const text = new TextDecoder();
  assert.equal(code, 0, text.decode(stderr));
  const steps = text.decode(stdout).trim().split("\n").map((line) => line.split(" ")[0]);
  assert.deepEqual(steps, ["DHT", "keygen", "produce", "seed", "get", "verify", "done"]);
  assert.ok(performance.now() - sinceMs < 30_000);
});
