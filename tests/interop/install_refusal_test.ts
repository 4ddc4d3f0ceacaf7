// `get --install` where it must not go on: no room, a node with RocksDB, another network's folder, a node that is too old.

import assert from "node:assert/strict";
import { join } from "node:path";
import { NodeFolder } from "./node_folder.ts";
import { cannotMount, mountSmallDisk } from "./small_disk.ts";
import { needStage, type Published, Stage } from "./stage.ts";

const NEW = 25_000;
const OLD = 600;
const MIB = 1 << 20;
const ignore = needStage("7zz");

async function refused(stage: Stage, words: readonly string[], code: number): Promise<string> {
  await using run = stage.get(words);
  const result = await run.finished();
  assert.equal(result.code, code, result.stderr);
  return JSON.parse(result.stdout.trimEnd().split("\n").at(-1)!).error.message;
}

/** A published snapshot, and a node's folder on a disk of a size of its own. */
class SmallDisk implements AsyncDisposable {
  private constructor(
    readonly stage: Stage,
    readonly published: Published,
    /** Where it is mounted. */
    readonly path: string,
    readonly folder: NodeFolder,
    readonly open: AsyncDisposableStack,
  ) {}

  /** @param bytesFor Its size. */
  static async make(bytesFor: (published: Published) => number): Promise<SmallDisk> {
    await using open = new AsyncDisposableStack();
    const stage = open.use(await Stage.open());
    const published = await stage.publish({ blocks: NEW, pieceSize: MIB });
    const path = stage.temp.join("disk");
    Deno.mkdirSync(path);
    open.use(await mountSmallDisk(path, bytesFor(published)));
    const folder = await NodeFolder.make(join(path, "Nano"), OLD);
    return new SmallDisk(stage, published, path, folder, open.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.open.disposeAsync();
  }
}

async function mustBeAsBefore(stage: Stage, folder: NodeFolder, published: Published): Promise<void> {
  assert.deepEqual(folder.names(), ["data.ldb"]);
  folder.mustBeUntouched();
  assert.deepEqual(await stage.uploaded(published), [0]);
}

Deno.test({
  name: "get --install looks at the room for archive and ledger before the first byte, and says what helps",
  ignore: ignore || cannotMount(),
  async fn() {
    // Room for the ledger, and not for the archive beside it; 64 MiB stay free.
    await using disk = await SmallDisk.make(({ ledger }) => ledger.size + 66 * MIB);
    const { stage, published, folder } = disk;
    const words = [`--install=${folder.path}`, "--data-dir", join(disk.path, "data")];
    const message = await refused(stage, words, 5);
    assert.match(
      message,
      /needs about [\d.]+ MB for the new ledger and [\d.]+ MB for the archive on one disk/,
    );
    assert.match(
      message,
      /[\d.]+ MB are free, 67\.1 MB of which must stay free; .*--data-dir on another disk/,
    );
    assert.match(message, /--no-backup frees them then, not before/);
    await mustBeAsBefore(stage, folder, published);
    assert.match(await refused(stage, [...words, "--dry-run"], 5), /needs about/);
  },
});

Deno.test({
  name: "get --install --dry-run counts the room of what lies ready of an older snapshot, which goes first",
  ignore: ignore || cannotMount(),
  async fn() {
    await using disk = await SmallDisk.make(({ torrent }) => 2 * torrent.size + 74 * MIB);
    const { stage, folder } = disk;
    const staging = join(folder.path, ".nano-snap-install");
    Deno.mkdirSync(staging);
    const ready = join(staging, "data.ldb");
    Deno.writeFileSync(ready, new Uint8Array(10 * MIB).fill(1));
    const { size, mtime, dev, ino } = Deno.statSync(ready);
    const of = { v2: "ab".repeat(32), v1: null, seq: 1, kept: null };
    const record = { ...of, size, mtime: mtime!.getTime(), device: dev, inode: ino };
    Deno.writeTextFileSync(join(staging, "staged.json"), JSON.stringify(record));
    for (const more of [["--dry-run"], []]) {
      await using run = stage.get([`--install=${folder.path}`, ...more]);
      const { code, stderr } = await run.finished();
      assert.equal(code, 0, `${more}: ${stderr}`);
    }
  },
});

Deno.test({
  name: "get --install refuses a node with RocksDB (6), and the ledger of another network (4)",
  ignore,
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: NEW, pieceSize: MIB });
    const rocks = await NodeFolder.make(stage.temp.join("Rocks"), undefined);
    Deno.mkdirSync(join(rocks.path, "rocksdb"));
    assert.match(
      await refused(stage, [`--install=${rocks.path}`], 6),
      /RocksDB .*--migrate_database_lmdb_to_rocksdb/,
    );
    assert.deepEqual(rocks.names(), ["rocksdb"]);

    const folder = await NodeFolder.make(stage.temp.join("NanoBeta"), OLD);
    await using run = stage.get([`--install=${folder.path}`, "--network", "beta"]);
    const { code, stderr } = await run.finished();
    assert.equal(code, 4, stderr);
    assert.match(stderr, /for the beta network: it is the live network's ledger/);
    assert.deepEqual(folder.names().filter((name) => !name.startsWith(".")), ["data.ldb"]);
    folder.mustBeUntouched();
    assert.ok(published.seq !== undefined);
  },
});

Deno.test({
  name: "get --install warns of a node that is older than the ledger, and names the folder that it found",
  ignore,
  async fn() {
    await using stage = await Stage.open();
    await stage.publish({ blocks: NEW, pieceSize: MIB });
    const folder = await NodeFolder.make(stage.temp.join("Nano"), undefined);
    const binary = stage.temp.join("old_node");
    Deno.writeTextFileSync(binary, "#!/bin/sh\necho Version V26.1\n", { mode: 0o755 });
    await using run = stage.get([`--install=${stage.temp.path}`, "--node-binary", binary]);
    const { code, stderr, stdout } = await run.finished();
    assert.equal(code, 0, stderr);
    assert.match(stderr, new RegExp(`The node's folder is ${folder.path}, which has no ledger yet`));
    assert.match(stderr, /The node here is V26\.1, and this ledger \(version 24\) needs V27\.0 or later/);
    const { install } = JSON.parse(stdout);
    assert.deepEqual([install.directory, install.backup], [folder.path, null]);
    assert.deepEqual(folder.names(), ["data.ldb"]);
  },
});
