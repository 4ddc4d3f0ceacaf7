import assert from "node:assert/strict";
import { OperationFailed } from "../../lib/errors.ts";
import type { RunEvent, SnapshotFacts } from "../../lib/events.ts";
import { UpdateHook } from "../../lib/mirror/follow_hook.ts";
import type { ProgramEnd, Programs } from "../../lib/ports.ts";
import { VirtualClock } from "../sim/virtual_clock.ts";

const snapshot = (seq: number): SnapshotFacts => ({
  infoHash: "ab".repeat(32),
  infoHashV1: undefined,
  seq,
  name: "x.7z",
  originalFilename: "y.7z",
  size: 5,
  path: "/data/x.7z",
});

/** Programs that end when the test says. */
class FakePrograms {
  readonly runs: {
    program: string;
    args: readonly string[];
    env: unknown;
    end: (end: ProgramEnd) => void;
  }[] = [];

  find = (name: string) => `/usr/bin/${name}`;

  run: Programs["run"] = (program, args, { env, signal }) =>
    new Promise((resolve, reject) => {
      if (program === "/missing") throw new OperationFailed("Cannot run /missing: no such file");
      signal.addEventListener("abort", () => reject(signal.reason));
      this.runs.push({ program, args, env, end: resolve });
    });
}

function world(program = "/bin/hook") {
  const programs = new FakePrograms();
  const clock = new VirtualClock();
  const notes: string[] = [];
  const report = (event: RunEvent) => {
    if (event.kind === "note") notes.push(`${event.level}: ${event.text}`);
  };
  const stop = new AbortController();
  const machine = { programs: programs as unknown as Programs, clock };
  const updates = new UpdateHook({ machine, report, signal: stop.signal });
  const hook = {
    run: (facts: SnapshotFacts) => updates.run(program, facts),
    ended: () => updates.ended(),
  };
  const settle = () => clock.run(() => false, clock.nowMs());
  return { hook, programs, clock, notes, stop, settle };
}

Deno.test("UpdateHook gives the facts in the environment, and no words", async () => {
  const { hook, programs, notes } = world();
  hook.run(snapshot(7));
  assert.deepEqual(programs.runs.map(({ program, args, env }) => ({ program, args, env })), [{
    program: "/bin/hook",
    args: [],
    env: { NANO_SNAP_SEQ: "7", NANO_SNAP_INFO_HASH: "ab".repeat(32), NANO_SNAP_PATH: "/data/x.7z" },
  }]);
  programs.runs[0]!.end({ code: 0, stderr: "" });
  await hook.ended();
  assert.equal(notes.at(-1), "info: /bin/hook ended well");
});

Deno.test("UpdateHook looks a bare name up, and takes a path as it is", async () => {
  for (const [program, path] of [["hook", "/usr/bin/hook"], ["./hook", "./hook"]] as const) {
    const { hook, programs } = world(program);
    hook.run(snapshot(7));
    assert.equal(programs.runs[0]!.program, path);
    programs.runs[0]!.end({ code: 0, stderr: "" });
    await hook.ended();
  }
});

Deno.test("UpdateHook runs one at a time, and of those that wait the newest alone", async () => {
  const { hook, programs, settle } = world();
  for (const seq of [1, 2, 3, 4]) hook.run(snapshot(seq));
  await settle();
  assert.equal(programs.runs.length, 1);
  programs.runs[0]!.end({ code: 0, stderr: "" });
  await settle();
  assert.deepEqual(programs.runs.map(({ env }) => (env as Record<string, string>)["NANO_SNAP_SEQ"]), [
    "1",
    "4",
  ]);
  programs.runs[1]!.end({ code: 0, stderr: "" });
  await hook.ended();
});

Deno.test("UpdateHook kills what takes longer than ten minutes, and goes on", async () => {
  const { hook, programs, clock, notes, settle } = world();
  hook.run(snapshot(1));
  hook.run(snapshot(2));
  let isOver = false;
  void clock.sleep(600_001).then(() => isOver = true);
  assert.ok(await clock.run(() => isOver, 600_001));
  await settle();
  assert.match(notes.join("\n"), /warning: \/bin\/hook was killed: it took more than 10 minutes/);
  assert.equal(programs.runs.length, 2);
  programs.runs[1]!.end({ code: 3, stderr: "one\nno such host" });
  await hook.ended();
  assert.equal(notes.at(-1), "warning: /bin/hook ended with code 3: no such host");
});

Deno.test("UpdateHook that cannot be started is a warning; a stop ends it without a word", async () => {
  const missing = world("/missing");
  missing.hook.run(snapshot(1));
  await missing.hook.ended();
  assert.equal(missing.notes.at(-1), "warning: Cannot run /missing: no such file");
  const stopped = world();
  stopped.hook.run(snapshot(1));
  const before = stopped.notes.length;
  stopped.stop.abort(new Error("stopped"));
  await stopped.hook.ended();
  assert.equal(stopped.notes.length, before);
  stopped.hook.run(snapshot(2));
  await stopped.hook.ended();
  assert.equal(stopped.programs.runs.length, 1);
});
