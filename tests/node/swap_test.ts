// The swap at each of its steps: refused there, or stopped there for good, with a ledger before and without one, with a
// backup and without. On the real file system, because inodes and links are what it stands on.

import assert from "node:assert/strict";
import { join } from "node:path";
import { DirectoryHeld, NodeRunning, PathUnusable } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { findHome } from "../../lib/node/home.ts";
import { Staging } from "../../lib/node/staging.ts";
import { backupName, keepStray, recover } from "../../lib/node/swap.ts";
import { namesIn, type Play, playSwap, SNAPSHOT, watchedMachine } from "./swap_steps.ts";
import { isWindows } from "../windows.ts";

const OLD = "the old ledger";
const NEW = "the new ledger, which is longer";
const MOST_STEPS = 60;

interface Case {
  readonly hasOld: boolean;
  readonly backup: boolean;
  readonly hasLinks: boolean;
}
const CASES: Case[] = [true, false].flatMap((hasOld) =>
  [true, false].flatMap((backup) => [true, false].map((hasLinks) => ({ hasOld, backup, hasLinks })))
);

function nameOf({ hasOld, backup, hasLinks }: Case): string {
  return `${hasOld ? "with" : "without"} a ledger before, ${backup ? "with" : "without"} a backup, ${
    hasLinks ? "with" : "without"
  } hard links`;
}

class Folder implements Disposable {
  readonly path = fastFolder();
  readonly ledger = join(this.path, "data.ldb");

  constructor({ hasOld }: Case) {
    if (hasOld) Deno.writeTextFileSync(this.ledger, OLD);
    Deno.writeTextFileSync(`${this.ledger}-lock`, "stale");
    Deno.writeTextFileSync(join(this.path, "wallets.ldb"), "mine");
  }

  get content(): string | undefined {
    try {
      return Deno.readTextFileSync(this.ledger);
    } catch {
      return undefined;
    }
  }

  play(backup: boolean): Play {
    return { directory: this.path, backup, unpack: (partial) => Deno.writeTextFileSync(partial, NEW) };
  }

  /** As it must be in the end. */
  mustBeDone({ hasOld, backup }: Case): void {
    const backups = hasOld && backup ? ["data.ldb.bak-2026-11-22"] : [];
    assert.deepEqual(namesIn(this.path), ["data.ldb", ...backups, "wallets.ldb"]);
    assert.equal(this.content, NEW);
    for (const name of backups) assert.equal(Deno.readTextFileSync(join(this.path, name)), OLD);
    if (!isWindows) assert.equal(Deno.statSync(this.ledger).mode! & 0o777, 0o600);
  }

  [Symbol.dispose](): void {
    for (const path of [this.path, `${this.path}.installed`]) {
      try {
        Deno.removeSync(path, { recursive: true });
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }
}

/** Each play flushes a dozen times. */
function fastFolder(): string {
  const options = { prefix: "nano-snap-swap-" };
  try {
    return Deno.makeTempDirSync({ ...options, dir: "/dev/shm" });
  } catch {
    return Deno.makeTempDirSync(options);
  }
}

class Stopped extends Error {}

function playedBefore({ path }: Folder): boolean {
  return systemFiles.stat(`${path}.installed`) !== undefined;
}

/** Changes of `play`, the one numbered `at` and, with `forGood`, all that come after it refused. */
function playUntil(folder: Folder, one: Case, at: number, forGood: boolean): "done" | "stopped" {
  let count = 0;
  const machine = watchedMachine((change) => {
    // The lock dies with a process: letting it go is no change that a killed one could not make.
    if (!one.hasLinks && change.startsWith("link ")) throw new PathUnusable("Cannot link: no links here");
    count++;
    if (count < at || (!forGood && count > at)) return;
    throw forGood ? new Stopped(change) : new PathUnusable(`Cannot do it: ${change}`);
  });
  try {
    playSwap(machine, folder.play(one.backup));
    return "done";
  } catch (caught) {
    // Tidying up was stopped as well.
    const error = caught instanceof SuppressedError ? caught.error : caught;
    if (!(error instanceof Stopped || error instanceof PathUnusable)) throw error;
    return "stopped";
  }
}

for (const one of CASES) {
  Deno.test(`swap() leaves the old or the new ledger when it is stopped for good at any step, ${nameOf(one)}`, () => {
    const seen = new Set<string | undefined>();
    for (let at = 1;; at++) {
      assert.ok(at < MOST_STEPS);
      using folder = new Folder(one);
      const end = playUntil(folder, one, at, true);
      const { content } = folder;
      seen.add(content);
      if (one.hasOld && one.hasLinks) assert.ok(content === OLD || content === NEW, `step ${at}: ${content}`);
      else if (one.hasOld && content === undefined) {
        // Between two renames: the old one is there, and the record says where.
        assert.ok(namesIn(folder.path).some((name) => /data\.ldb\.(bak|old)/.test(name)), `step ${at}`);
      } else assert.ok([OLD, NEW, undefined].includes(content), `step ${at}: ${content}`);
      assert.equal(playUntil(folder, one, Infinity, true), "done");
      folder.mustBeDone(one);
      if (end === "done") break;
    }
    assert.ok(seen.has(NEW) && (seen.has(one.hasOld ? OLD : undefined)));
  });

  Deno.test(`swap() undoes what it did when any one step is refused, ${nameOf(one)}`, () => {
    for (let at = 1;; at++) {
      assert.ok(at < MOST_STEPS);
      using folder = new Folder(one);
      const end = playUntil(folder, one, at, false);
      if (end === "done") break;
      const { content } = folder;
      // What is refused while it is being put right again, or tidied up, may be the new one in its place.
      assert.ok(content === (one.hasOld ? OLD : undefined) || content === NEW, `step ${at}: ${content}`);
      if (content === NEW) assert.ok(!namesIn(folder.path).includes("data.ldb-lock"), `step ${at}`);
      assert.equal(playUntil(folder, one, Infinity, true), "done");
      folder.mustBeDone(one);
    }
  });
}

Deno.test("swap() gives the old ledger back to a node that starts at any look", () => {
  const one = { hasOld: true, backup: true, hasLinks: true };
  for (let look = 1; look <= 3; look++) {
    using folder = new Folder(one);
    const inode = Deno.statSync(folder.ledger).ino;
    let looks = 0;
    const refuseRunning = () => {
      if (++looks === look) throw new NodeRunning("it runs");
    };
    assert.throws(
      () => playSwap(watchedMachine(() => {}), { ...folder.play(true), refuseRunning }),
      NodeRunning,
    );
    assert.equal(Deno.statSync(folder.ledger).ino, inode, "the very file that the node has open");
    assert.deepEqual(
      namesIn(folder.path).filter((name) => !name.startsWith(".nano-snap-install")),
      ["data.ldb", "data.ldb-lock", "wallets.ldb"],
    );
    playSwap(watchedMachine(() => {}), {
      ...folder.play(true),
      unpack: () => assert.fail("it lies ready"),
    });
    folder.mustBeDone(one);
  }
});

Deno.test({
  name: "swap() looks once more when all is done, and only where no node could be shut out",
  ignore: isWindows,
  fn() {
    for (const hasLinks of [true, false]) {
      using folder = new Folder({ hasOld: true, backup: true, hasLinks });
      // Where there are no links none can be made; there a node is only looked for.
      Deno.removeSync(`${folder.ledger}-lock`);
      const machine = watchedMachine((change) => {
        if (!hasLinks && change.startsWith("link ")) throw new PathUnusable("Cannot link: no links here");
      });
      const seen: unknown[] = [];
      const tellStarted = () => seen.push([folder.content, namesIn(folder.path).includes("data.ldb-lock")]);
      playSwap(machine, { ...folder.play(true), tellStarted });
      const isShutOut = hasLinks && Deno.build.os === "linux";
      assert.deepEqual(seen, isShutOut ? [] : [[NEW, false]]);
    }
  },
});

for (const hasLinks of [true, false]) {
  const one = { hasOld: true, backup: false, hasLinks };
  Deno.test(`keepStray() makes a backup of what a killed run set aside, once the ledger is replaced by hand, ${nameOf(one)}`, () => {
    let strays = 0;
    for (let at = 1;; at++) {
      assert.ok(at < MOST_STEPS);
      using folder = new Folder(one);
      const end = playUntil(folder, one, at, true);
      if (end === "done") break;
      const isAside = namesIn(folder.path).includes(".nano-snap-install/data.ldb.old");
      Deno.writeTextFileSync(`${folder.ledger}.mine`, "put there by hand");
      Deno.renameSync(`${folder.ledger}.mine`, folder.ledger);
      // As `get`, which would see that the file is not the one that it wrote down.
      if (playedBefore(folder)) Deno.removeSync(`${folder.path}.installed`);
      assert.equal(playUntil(folder, one, Infinity, true), "done", `step ${at}`);
      assert.equal(folder.content, NEW);
      const kept = isAside ? ["data.ldb.bak-2026-11-22"] : [];
      assert.deepEqual(namesIn(folder.path), ["data.ldb", ...kept, "wallets.ldb"], `step ${at}`);
      for (const name of kept) assert.equal(Deno.readTextFileSync(join(folder.path, name)), OLD);
      strays += kept.length;
    }
    assert.ok(strays > 1);
  });
}

Deno.test("keepStray() puts the only ledger back, where no record tells of it any more", () => {
  using folder = new Folder({ hasOld: true, backup: false, hasLinks: false });
  const machine = watchedMachine(() => {});
  const home = findHome("live", folder.path, { files: machine.files, env: {}, target: "linux" });
  using staging = Staging.open(machine, home);
  Deno.renameSync(folder.ledger, staging.old);
  const left = recover(machine.files, staging, undefined);
  assert.equal(keepStray(machine.files, staging, left, Date.UTC(2026, 10, 22)), undefined);
  assert.equal(folder.content, OLD);
  assert.deepEqual(namesIn(staging.folder), ["lock"]);
});

Deno.test("backupName() takes no name that something has", () => {
  using folder = new Folder({ hasOld: true, backup: true, hasLinks: true });
  const day = Date.UTC(2026, 10, 22, 23, 59);
  const names = [0, 1, 2].map(() => {
    const name = backupName(systemFiles, folder.ledger, day);
    Deno.writeTextFileSync(name, "");
    return name;
  });
  const base = `${folder.ledger}.bak-2026-11-22`;
  assert.deepEqual(names, [base, `${base}-2`, `${base}-3`]);
});

Deno.test("finish() leaves the folder to a run that has another ledger to stage, and nothing in it", () => {
  using folder = new Folder({ hasOld: true, backup: true, hasLinks: true });
  const machine = watchedMachine(() => {});
  const home = findHome("live", folder.path, { files: machine.files, env: {}, target: "linux" });
  {
    using staging = Staging.open(machine, home);
    for (const name of ["data.ldb.old", "staged.json", "staged.json.tmp"]) {
      Deno.writeTextFileSync(join(staging.folder, name), "");
    }
    staging.finish();
    assert.deepEqual(namesIn(staging.folder), ["lock"]);
    assert.throws(() => Staging.open(machine, home), DirectoryHeld);
    Deno.writeTextFileSync(staging.partial, NEW);
    staging.take(staging.partial, SNAPSHOT);
    staging.finish();
  }
  assert.deepEqual(namesIn(folder.path), ["data.ldb", "data.ldb-lock", "wallets.ldb"]);
});

Deno.test("recover() follows no path of a record that leads elsewhere", () => {
  const one = { hasOld: true, backup: true, hasLinks: true };
  using folder = new Folder(one);
  using elsewhere = new Folder(one);
  const staging = join(folder.path, ".nano-snap-install");
  Deno.mkdirSync(staging);
  const kept = `../${elsewhere.path.split("/").at(-1)}/data.ldb`;
  const { size, ino: inode, dev: device } = Deno.statSync(elsewhere.ledger);
  Deno.removeSync(folder.ledger);
  const record = { v2: "ab".repeat(32), v1: null, seq: 1, size, mtime: 1, device, inode, kept };
  Deno.writeTextFileSync(join(staging, "staged.json"), JSON.stringify(record));
  playSwap(watchedMachine(() => {}), folder.play(true));
  assert.equal(elsewhere.content, OLD);
  assert.equal(folder.content, NEW);
});
