// A ledger that nobody has open, copied without mdb_copy. With it, and in use: tests/interop/produce_run_test.ts.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { Interrupted } from "../../lib/errors.ts";
import type { RunEvent } from "../../lib/events.ts";
import { systemClock } from "../../lib/io/clock.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { systemPrograms } from "../../lib/io/programs.ts";
import { type FixtureMachine, makeFixture } from "../../lib/producer/fixture.ts";
import { takeLedger } from "../../lib/producer/ledger_copy.ts";

/** Eight stretches of a copy. */
const SIZE = 64 << 20;

/** A folder with a ledger in it. */
class Desk implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "nano-snap-copy-" });
  readonly ledger = join(this.root, "data.ldb");
  readonly folder = join(this.root, "copy");
  readonly stop = new AbortController();

  static async make(): Promise<Desk> {
    const desk = new Desk();
    const random = { bytes: (length: number) => new Uint8Array(length).fill(7) };
    const machine = { files: systemFiles, random } as Partial<FixtureMachine> as FixtureMachine;
    const options = { size: SIZE, format: "ldb", out: desk.ledger, force: false } as const;
    await makeFixture(options, machine, () => {}, desk.stop.signal);
    return desk;
  }

  copy(report: (event: RunEvent) => void): Promise<{ path: string }> {
    const programs = { ...systemPrograms, find: () => undefined, holdersOf: () => [] };
    const options = { folder: this.folder, needsCopy: true, alsoNeeded: 0 };
    const machine = { clock: systemClock, files: systemFiles, programs };
    return takeLedger(this.ledger, options, machine, report, this.stop.signal);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

Deno.test("takeLedger() copies what nobody has open, and ends soon when it is told to from outside", async () => {
  using desk = await Desk.make();
  const { path } = await desk.copy(() => {});
  assert.ok(Buffer.from(Deno.readFileSync(path)).equals(Deno.readFileSync(desk.ledger)));
  let isBegun = false;
  const copying = desk.copy((event) => {
    if (event.kind !== "work" || isBegun) return;
    isBegun = true;
    // As a signal is heard: by an event of its own.
    setTimeout(() => desk.stop.abort(new Interrupted("SIGINT", "stopped")), 0);
  });
  await assert.rejects(copying, Interrupted);
  assert.deepEqual([...Deno.readDirSync(desk.folder)], []);
});
