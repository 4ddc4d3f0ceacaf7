// A fixture that is stopped while it is being written. What a whole one is: tests/interop/produce_run_test.ts.

import assert from "node:assert/strict";
import { join } from "node:path";
import { Interrupted } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { type FixtureMachine, makeFixture } from "../../lib/producer/fixture.ts";

const MIB = 1 << 20;
const SIZE = 30 * MIB;

Deno.test("makeFixture() ends soon when it is told to from outside, and leaves nothing behind", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "nano-snap-fixture-" });
  try {
    const machine = {
      files: systemFiles,
      random: { bytes: (length: number) => new Uint8Array(length).fill(7) },
    } as Partial<FixtureMachine> as FixtureMachine;
    const stop = new AbortController();
    let doneBytes = 0;
    const options = { size: SIZE, format: "ldb", out: join(folder, "data.ldb"), force: false } as const;
    const made = makeFixture(options, machine, (event) => {
      if (event.kind !== "work") return;
      // As a signal is heard: by an event of its own.
      if (doneBytes === 0) setTimeout(() => stop.abort(new Interrupted("SIGINT", "stopped")), 0);
      doneBytes = event.doneBytes;
    }, stop.signal);
    await assert.rejects(
      made,
      (error) => error instanceof Interrupted && /nothing is left/.test(error.message),
    );
    assert.ok(doneBytes > 0 && doneBytes < SIZE / 2, `${doneBytes} bytes`);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
