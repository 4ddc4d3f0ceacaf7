// A node that starts while its ledger is replaced, with LMDB itself: it neither goes on with the old file nor loses its
// lock file, but gives up, and the next time has the new ledger.

import assert from "node:assert/strict";
import { join } from "node:path";
import { systemFiles } from "../../lib/io/files.ts";
import { NodeRunning, PathUnusable } from "../../lib/errors.ts";
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
            node = startNode(folder);
            untilWaiting(node.pid);
          },
          onWaiting: (text) => told.push(text),
        });
        await assertShutOut(folder, node!, told);
      },
    });
  }
}

for (const hasLinks of [true, false]) {
  Deno.test({
    name: `a node that starts while a killed swap is put right gives up, and is told of, with${
      hasLinks ? "" : "out"
    } hard links`,
    ignore,
    async fn() {
      const fresh = await ledgerFixture(NEW);
      await using temp = await tempDir();
      const folder = await NodeFolder.make(temp.join("Nano"), OLD);
      await (await openAsNode(folder))[Symbol.asyncDispose]();
      // With links: the new ledger is in its place. Without: the old one is set aside, and there is none.
      const last = hasLinks
        ? `remove ${folder.ledger}-lock`
        : `rename ${join(folder.path, ".nano-snap-install")}`;
      dieAt(
        folder,
        (change) => change.startsWith(last) && change.endsWith(hasLinks ? "-lock" : folder.ledger),
        {
          hasLinks,
          fresh: fresh.path,
        },
      );
      assert.deepEqual(
        folder.names(),
        hasLinks
          ? [".nano-snap-install", "data.ldb", "data.ldb-lock"]
          : [".nano-snap-install", "data.ldb-lock"],
      );
      let node: Deno.ChildProcess | undefined;
      const told: string[] = [];
      playSwap(watchedMachine(() => {}), {
        directory: folder.path,
        backup: false,
        unpack: () => assert.fail("it lies ready"),
        refuseRunning: () => {
          // The swap itself comes after the mending: by then it must be over.
          if (node !== undefined) return untilEnded(node.pid);
          node = startNode(folder);
          untilWaiting(node.pid);
        },
        onWaiting: (text) => told.push(text),
      });
      await assertShutOut(folder, node!, told);
    },
  });
}

Deno.test({
  name: "a node that starts once its lock file has gone has the new ledger, and is not told of",
  ignore,
  async fn() {
    const fresh = await ledgerFixture(NEW);
    await using temp = await tempDir();
    const folder = await NodeFolder.make(temp.join("Nano"), OLD);
    await (await openAsNode(folder))[Symbol.asyncDispose]();
    const machine = watchedMachine(() => {});
    const lockFile = `${folder.ledger}-lock`;
    const { remove } = machine.files;
    let said = "";
    Object.assign(machine.files, {
      remove: (path: string) => {
        remove(path);
        if (path !== lockFile) return;
        // Still before the lock is let go.
        const args = ["-c", NODE, folder.ledger];
        said = new TextDecoder().decode(new Deno.Command("/usr/bin/python3", { args }).outputSync().stdout);
      },
    });
    const told: string[] = [];
    playSwap(machine, {
      directory: folder.path,
      backup: false,
      unpack: (partial) => Deno.copyFileSync(fresh.path, partial),
      onWaiting: (text) => told.push(text),
    });
    assert.deepEqual([said, told], ["opened\n", []]);
    assert.deepEqual(folder.names(), ["data.ldb", "data.ldb-lock"]);
  },
});

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

/** That the node gave up and was told of, and that it has the new ledger the next time. */
async function assertShutOut(
  folder: NodeFolder,
  node: Deno.ChildProcess,
  told: readonly string[],
): Promise<void> {
  assert.match(told.join(), new RegExp(`process ${node.pid} \\(python3\\).*has to be started again`));
  assert.equal(new TextDecoder().decode((await node.output()).stdout), "Invalid argument\n");
  assert.deepEqual(folder.names(), ["data.ldb"]);
  await using again = await openAsNode(folder);
  assert.equal((await again.call("open", { path: folder.ledger }))["blocks"], NEW);
}

function startNode({ ledger }: NodeFolder): Deno.ChildProcess {
  return new Deno.Command("/usr/bin/python3", { args: ["-c", NODE, ledger], stdout: "piped" }).spawn();
}

class Killed extends Error {}

/** Swaps until a change comes, and makes none from then on, as a killed process. */
function dieAt(
  { path }: NodeFolder,
  isIt: (change: string) => boolean,
  { hasLinks, fresh }: { hasLinks: boolean; fresh: string },
): void {
  let isDead = false;
  const machine = watchedMachine((change) => {
    if (!hasLinks && change.startsWith("link ")) throw new PathUnusable("Cannot link: no links here");
    isDead ||= isIt(change);
    if (isDead) throw new Killed(change);
  });
  const unpack = (partial: string) => Deno.copyFileSync(fresh, partial);
  assert.throws(() => playSwap(machine, { directory: path, backup: false, unpack }), (error) => {
    return (error instanceof SuppressedError ? error.error : error) instanceof Killed;
  });
}

function untilWaiting(pid: number): void {
  const waits = new RegExp(`-> POSIX +ADVISORY +READ +${pid} `);
  until("the node does not wait at its lock file", () => waits.test(Deno.readTextFileSync("/proc/locks")));
}

/** Also when nobody has asked for its exit code yet. */
function untilEnded(pid: number): void {
  until("the node does not end", () => {
    try {
      return / Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
    } catch {
      return true;
    }
  });
}

/** Waits without letting anything else go on, as the swap is one piece of work. */
function until(otherwise: string, isSo: () => boolean): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    if (isSo()) return;
    Atomics.wait(pause, 0, 0, PAUSE_MS);
  }
  assert.fail(otherwise);
}

/** A minute. */
const MOST_TRIES = 1200;
const PAUSE_MS = 50;
