// What shutting a node out does with its lock file, by itself (tests/interop/shut_out_test.ts has LMDB itself).

import assert from "node:assert/strict";
import { join } from "node:path";
import { OperationFailed } from "../../lib/errors.ts";
import { systemPrograms } from "../../lib/io/programs.ts";
import { findHome } from "../../lib/node/home.ts";
import { ShutOut } from "../../lib/node/shut_out.ts";
import { Staging } from "../../lib/node/staging.ts";
import { watchedMachine } from "./swap_steps.ts";

const ignore = Deno.build.os !== "linux";

/** A node's folder without a lock file, and what is refused in it. */
function world(refuse: (change: string) => void = () => {}) {
  const directory = Deno.makeTempDirSync();
  const machine = { ...watchedMachine(refuse), programs: systemPrograms };
  Deno.writeTextFileSync(join(directory, "data.ldb"), "old");
  const home = findHome("live", directory, { files: machine.files, env: {}, target: "linux" });
  return { machine, home, staging: Staging.open(machine, home) };
}

Deno.test({
  name: "ShutOut.begin() locks the lock file of a run that was killed while it made it",
  ignore,
  fn() {
    const { machine, home, staging } = world();
    using _ = staging;
    Deno.writeTextFileSync(join(staging.folder, "data.ldb-lock"), "");
    Deno.linkSync(join(staging.folder, "data.ldb-lock"), home.lock);
    using shut = ShutOut.begin(machine, staging, () => {});
    assert.notEqual(shut, undefined);
    assert.equal(Deno.statSync(home.lock).nlink, 1);
  },
});

Deno.test({
  name: "ShutOut tells what a swap failed of, where its lock file cannot be removed either",
  ignore,
  fn() {
    let isReadOnly = false;
    const { machine, home, staging } = world((change) => {
      if (isReadOnly) throw new OperationFailed(`Cannot ${change}: the disk is read-only`);
    });
    using _ = staging;
    const why = new OperationFailed("Cannot install");
    assert.throws(() => {
      using _shut = ShutOut.begin(machine, staging, () => {});
      isReadOnly = true;
      throw why;
    }, (error) => error === why);
    isReadOnly = false;
    assert.equal(Deno.statSync(home.lock).size, 0);
    using again = ShutOut.begin(machine, staging, () => {});
    assert.notEqual(again, undefined, "the lock is let go");
  },
});
