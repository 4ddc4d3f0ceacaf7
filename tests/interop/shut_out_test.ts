// A node that starts while its ledger is replaced, with LMDB itself: it neither goes on with the old file nor loses its
// lock file, but gives up, and the next time has the new ledger.

import assert from "node:assert/strict";
import { systemFiles } from "../../lib/io/files.ts";
import { NodeRunning } from "../../lib/errors.ts";
import { playSwap, watchedMachine } from "../node/swap_steps.ts";
import { ledgerFixture } from "./ledger_fixture.ts";
import { NodeFolder, openAsNode } from "./node_folder.ts";
import { need, tempDir } from "./support.ts";

const OLD = 600;
const NEW = 1200;
/** Opens a ledger as a node does, and ends at once. */
const NODE = `import sys, lmdb
try:
    environment = lmdb.open(sys.argv[1], subdir=False, max_dbs=16, map_size=1 << 34)
    print(environment.open_db(b"blocks", create=False) and "opened")
except lmdb.Error as error:
    print(str(error).split(": ")[-1])`;

const ignore = Deno.build.os !== "linux" || need("lmdb", "mdb_load", "mdb_stat");

for (const [when, look] of [["before", 2], ["after", 3]] as const) {
  for (const hasLock of [true, false]) {
    Deno.test({
      name: `a node that starts just ${when} the rename gives up, and is told of, with${
        hasLock ? "" : "out"
      } a lock file before`,
      ignore,
      async fn() {
        const fresh = await ledgerFixture(NEW);
        await using temp = await tempDir();
        const folder = await NodeFolder.make(temp.join("Nano"), OLD);
        if (hasLock) await (await openAsNode(folder))[Symbol.asyncDispose]();
        assert.equal(systemFiles.stat(`${folder.ledger}-lock`) !== undefined, hasLock);
        let node: Deno.ChildProcess | undefined;
        const told: string[] = [];
        let looks = 0;
        playSwap(watchedMachine(() => {}), {
          directory: folder.path,
          backup: false,
          unpack: (partial) => Deno.copyFileSync(fresh.path, partial),
          refuseRunning: () => {
            if (++looks !== look) return;
            const args = ["-c", NODE, folder.ledger];
            node = new Deno.Command("/usr/bin/python3", { args, stdout: "piped" }).spawn();
            untilWaiting(node.pid);
          },
          onWaiting: (text) => told.push(text),
        });
        assert.match(told.join(), new RegExp(`process ${node!.pid} \\(python3\\).*has to be started again`));
        assert.equal(new TextDecoder().decode((await node!.output()).stdout), "Invalid argument\n");
        assert.deepEqual(folder.names(), ["data.ldb"]);
        await using again = await openAsNode(folder);
        assert.equal((await again.call("open", { path: folder.ledger }))["blocks"], NEW);
      },
    });
  }
}

Deno.test({
  name: "a swap is refused by the node's own lock, where nobody sees who has it",
  ignore,
  async fn() {
    await using temp = await tempDir();
    const folder = await NodeFolder.make(temp.join("Nano"), OLD);
    await using _node = await openAsNode(folder);
    const play = {
      directory: folder.path,
      backup: false,
      unpack: (partial: string) => Deno.writeTextFileSync(partial, "new"),
    };
    assert.throws(() => playSwap(watchedMachine(() => {}), play), NodeRunning);
    assert.notEqual(systemFiles.stat(`${folder.ledger}-lock`)?.size, 0);
  },
});

/** Waits without letting anything else go on, as the swap is one piece of work. */
function untilWaiting(pid: number): void {
  const waits = new RegExp(`-> POSIX +ADVISORY +READ +${pid} `);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    if (waits.test(Deno.readTextFileSync("/proc/locks"))) return;
    Atomics.wait(pause, 0, 0, PAUSE_MS);
  }
  assert.fail("the node does not wait at its lock file");
}

/** A minute. */
const MOST_TRIES = 1200;
const PAUSE_MS = 50;
