// Other programs of this machine, as far as every machine has them.

import assert from "node:assert/strict";
import { OperationFailed } from "../../lib/errors.ts";
import { systemPrograms as programs } from "../../lib/io/programs.ts";

const NEVER = new AbortController().signal;
const DENO = Deno.execPath();

Deno.test("run() gives output as it comes, the exit code and the end of stderr", async () => {
  let out = "";
  const code = 'console.log("out"); console.error("x".repeat(9000) + "why"); Deno.exit(3)';
  const end = await programs.run(DENO, ["eval", code], { signal: NEVER, onOutput: (text) => out += text });
  assert.equal(out, "out\n");
  assert.equal(end.code, 3);
  assert.match(end.stderr, /^x{3,4000}why$/);
});

Deno.test("run() ends a program when the signal aborts, and says when there is none", async () => {
  const stop = new AbortController();
  const onOutput = () => stop.abort(new Error("stopped"));
  const code = 'console.log("here"); await new Promise(() => setInterval(() => {}, 1000))';
  await assert.rejects(programs.run(DENO, ["eval", code], { signal: stop.signal, onOutput }), /stopped/);
  await assert.rejects(programs.run("/nowhere/program", [], { signal: NEVER }), (error: Error) => {
    assert.ok(error instanceof OperationFailed);
    assert.match(error.message, /^Cannot run \/nowhere\/program: /);
    return true;
  });
});

Deno.test({
  name: "run() waits for no grandchild that keeps the pipes open when it was to end",
  ignore: Deno.build.os === "windows",
  // The grandchild outlives the test by design.
  sanitizeResources: false,
}, async () => {
  const stop = new AbortController();
  const onOutput = () => stop.abort(new Error("stopped"));
  const run = programs.run("sh", ["-c", "sleep 20 & echo here; wait"], { signal: stop.signal, onOutput });
  const atMs = performance.now();
  await assert.rejects(run, /stopped/);
  assert.ok(performance.now() - atMs < 15_000);
});

Deno.test("run() gives a program variables besides ours", async () => {
  let out = "";
  const code = 'console.log(Deno.env.get("NANO_SNAP_SEQ"), Deno.env.has("PATH"))';
  const options = { signal: NEVER, env: { NANO_SNAP_SEQ: "7" }, onOutput: (text: string) => out += text };
  await programs.run(DENO, ["eval", code], options);
  assert.equal(out, "7 true\n");
});

Deno.test("run() does not hand the producer's key on", async () => {
  Deno.env.set("DHT_PRIVATE_KEY", "a test value");
  try {
    let out = "";
    const code = 'console.log(Deno.env.has("DHT_PRIVATE_KEY"), Deno.env.has("PATH"))';
    await programs.run(DENO, ["eval", code], { signal: NEVER, onOutput: (text) => out += text });
    assert.equal(out, "false true\n");
  } finally {
    Deno.env.delete("DHT_PRIVATE_KEY");
  }
});

Deno.test("find() knows what is on PATH", () => {
  assert.equal(programs.find("surely-not-a-program"), undefined);
  if (Deno.build.os !== "windows") assert.match(programs.find("surely-not-a-program", "sh") ?? "", /\/sh$/);
});

Deno.test({
  name: "holdersOf() names who has a file open or locked, and not us",
  ignore: Deno.build.os !== "linux",
}, async () => {
  const path = Deno.makeTempFileSync();
  using own = Deno.openSync(path);
  assert.ok(own);
  assert.deepEqual(programs.holdersOf([path, `${path}-absent`]), []);
  const child = new Deno.Command("sh", {
    args: ["-c", 'exec 9<"$1"; echo open; read line', "sh", path],
    stdin: "piped",
    stdout: "piped",
  })
    .spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  assert.deepEqual(programs.holdersOf([path]), [`process ${child.pid} (sh)`]);
  await child.stdin.close();
  await reader.cancel();
  await child.status;
  assert.deepEqual(programs.holdersOf([path]), []);
  Deno.removeSync(path);
});

Deno.test("isRunning() knows our process, one of somebody else, and one that has ended", async () => {
  assert.equal(programs.isRunning(Deno.pid), true);
  if (Deno.build.os !== "windows") assert.equal(programs.isRunning(1), true);
  const child = new Deno.Command(DENO, { args: ["--version"], stdout: "null" }).spawn();
  await child.status;
  assert.equal(programs.isRunning(child.pid), false);
});
