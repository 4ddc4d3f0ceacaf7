// `get --install` into a node's folder with real LMDB files: refused while a process holds the ledger, then the new one is
// in, whole by mdb_stat's count, and what is the node's own business was not even opened.

import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { systemFiles } from "../../lib/io/files.ts";
import { Layout } from "../../lib/torrent/layout.ts";
import { parseTorrent } from "../../lib/torrent/metainfo.ts";
import { ResumeJournal } from "../../lib/torrent/resume.ts";
import { FileStorage } from "../../lib/torrent/storage.ts";
import { ledgerFixture } from "./ledger_fixture.ts";
import { NodeFolder, openAsNode, statOf } from "./node_folder.ts";
import { needStage, type Published, Stage } from "./stage.ts";
import { PythonPeer, sha256OfFile } from "./support.ts";

const NEW = 25_000;
const OLD = 600;
const MIB = 1 << 20;
const ignore = needStage("7zz", "lmdb", "mdb_stat");
const BACKUP = /^data\.ldb\.bak-\d{4}-\d\d-\d\d$/;

/** `nano-snap get --install=DIR --json` on the stage. */
function install(stage: Stage, folder: NodeFolder, more: readonly string[] = []) {
  return stage.get([`--install=${folder.path}`, ...more]);
}

async function answerOf(run: ReturnType<typeof install>): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run.finished();
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
}

async function mustHold(folder: NodeFolder, published: Published): Promise<void> {
  const { facts, sha256 } = published.ledger;
  assert.equal(sha256OfFile(folder.ledger), sha256);
  assert.equal(await statOf(folder.ledger, "blocks"), facts.blockCount);
  assert.equal(await statOf(folder.ledger, "accounts"), facts.accountCount);
  assert.equal(Deno.statSync(folder.ledger).mode! & 0o777, 0o600);
  folder.mustBeUntouched();
}

Deno.test({
  name: "get --install refuses while a process holds the ledger, and installs when it has ended",
  ignore,
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: NEW, pieceSize: MIB });
    const folder = await NodeFolder.make(stage.temp.join("Nano"), OLD);
    const isRoot = Deno.uid() === 0;
    if (isRoot) await folder.chown(61234, 61235);
    const old = sha256OfFile(folder.ledger);
    {
      await using node = await openAsNode(folder);
      await using run = install(stage, folder);
      const { code, stdout, stderr } = await run.finished();
      assert.equal(code, 7, stderr);
      assert.equal(JSON.parse(stdout).error.code, "node_running");
      assert.ok(stderr.includes(`process ${node.pid} (python3`), stderr);
      assert.match(stderr, /data\.ldb open; stop it first: (kill \d+|systemctl stop|docker stop)/);
      assert.deepEqual(folder.names(), ["data.ldb", "data.ldb-lock"]);
    }
    await using watcher = await PythonPeer.start("node.py");
    await watcher.call("watch", { paths: folder.secrets });
    await using run = install(stage, folder);
    const answer = await answerOf(run);
    const [backup = "", ...others] = folder.names().filter((name) => name !== "data.ldb");
    assert.match(backup, BACKUP);
    assert.deepEqual(others, [], "the lock file and the staging folder are gone");
    assert.equal(sha256OfFile(join(folder.path, backup)), old);
    const { directory, backup: told, next } = answer["install"] as Record<string, string>;
    assert.deepEqual([directory, told], [folder.path, join(folder.path, backup)]);
    assert.match(next!, /^(nano_node|docker|systemctl) /);
    assert.equal(answer["path"], folder.ledger);
    const { cementedCount } = published.ledger.facts;
    assert.equal((answer["ledger"] as Record<string, unknown>)["cemented_count"], cementedCount);
    if (isRoot) {
      for (const name of folder.names()) {
        const { uid, gid } = Deno.statSync(join(folder.path, name));
        assert.deepEqual([uid, gid], [61234, 61235], name);
      }
    }
    // The watcher sees its own proof, and nothing came before it.
    const [first = ""] = folder.secrets;
    await Deno.readFile(first);
    assert.equal((await watcher.event("opened"))["path"], first);
    await mustHold(folder, published);

    await using again = install(stage, folder);
    assert.equal((await answerOf(again))["already_current"], true);
    assert.equal(folder.names().filter((name) => BACKUP.test(name)).length, 1);

    killedAfterSwap(stage, folder, published);
    await using third = install(stage, folder);
    assert.equal((await answerOf(third))["already_current"], true);
    assert.deepEqual(folder.names(), ["data.ldb", backup]);
    assert.deepEqual([...Deno.readDirSync(join(stage.dataDir, ".nano-snap", "incoming"))], []);
    const meta = JSON.parse(Deno.readTextFileSync(join(stage.dataDir, "snapshot-meta.json")));
    assert.equal(meta.torrent_info_hash, published.torrent.v2);

    killedAfterSwap(stage, folder, published);
    await putWhole(stage, published);
    await using fourth = install(stage, folder, ["--keep-archive"]);
    const kept = await answerOf(fourth);
    const archive = join(stage.dataDir, "nano-ledger-snapshot.7z");
    assert.deepEqual([kept["already_current"], kept["archive"]], [true, archive]);
    assert.equal(sha256OfFile(archive), sha256OfFile(published.archive));
    assert.deepEqual([...Deno.readDirSync(join(stage.dataDir, ".nano-snap", "incoming"))], []);
  },
});

/** As a run leaves it that is killed when the new ledger is in its place, and nothing says so yet. */
function killedAfterSwap(stage: Stage, folder: NodeFolder, { torrent }: Published): void {
  const own = join(stage.dataDir, ".nano-snap");
  const staging = join(folder.path, ".nano-snap-install");
  const incoming = join(own, "incoming", torrent.v2!);
  for (const path of [staging, incoming, join(own, "torrents")]) Deno.mkdirSync(path, { recursive: true });
  Deno.writeTextFileSync(join(incoming, "nano-ledger-snapshot.7z"), "the archive");
  Deno.writeFileSync(join(own, "torrents", `${torrent.v2}.torrent`), Deno.readFileSync(torrent.torrent));
  for (const path of [join(own, "installed.json"), join(stage.dataDir, "snapshot-meta.json")]) {
    Deno.removeSync(path);
  }
  const { size, mtime, dev: device, ino: inode } = Deno.statSync(folder.ledger);
  const of = { v2: torrent.v2, v1: torrent.v1, seq: 1, kept: null };
  const record = { ...of, size, mtime: mtime!.getTime(), device, inode };
  Deno.writeTextFileSync(join(staging, "staged.json"), JSON.stringify(record));
}

/** The whole archive in `incoming/`, as a run leaves it that has unpacked it and did not bring it away. */
async function putWhole(stage: Stage, { archive, torrent }: Published): Promise<void> {
  const own = join(stage.dataDir, ".nano-snap");
  const path = join(own, "incoming", torrent.v2!, "nano-ledger-snapshot.7z");
  Deno.copyFileSync(archive, path);
  const { info } = parseTorrent(Deno.readFileSync(torrent.torrent));
  const layout = Layout.of(info);
  const storage = FileStorage.open({ files: systemFiles, layout, paths: [path] });
  const of = { files: systemFiles, torrent: info.infoHashV2!, layout, data: storage.facts() };
  systemFiles.makeDir(join(own, "resume"));
  const { journal } = ResumeJournal.open({ ...of, path: join(own, "resume", torrent.v2!) });
  journal.addPieces([...layout.pieces()], 0);
  await journal.closeClean(storage);
  storage.close();
}

Deno.test({
  name:
    "get --install swaps without fetching what an earlier run had ready when the node was started meanwhile",
  ignore,
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: NEW, pieceSize: MIB, upLimit: 4 * MIB });
    const folder = await NodeFolder.make(stage.temp.join("Nano"), OLD);
    const old = sha256OfFile(folder.ledger);
    {
      await using run = install(stage, folder);
      await run.stderrLine(/New snapshot detected/);
      await using node = await openAsNode(folder);
      const { code, stderr } = await run.finished();
      assert.equal(code, 7, stderr);
      assert.equal(
        (await node.call("open", { path: folder.ledger }).catch(() => ({ blocks: OLD })))["blocks"],
        OLD,
      );
    }
    assert.equal(sha256OfFile(folder.ledger), old);
    assert.ok(folder.names().includes(".nano-snap-install"));
    const before = await stage.uploaded(published);
    await using run = install(stage, folder, ["--no-backup"]);
    const answer = await answerOf(run);
    assert.deepEqual([answer["downloaded_bytes"], answer["already_current"]], [0, false]);
    const meta = JSON.parse(Deno.readTextFileSync(join(stage.dataDir, "snapshot-meta.json")));
    assert.deepEqual([meta.torrent_info_hash, meta.dht_seq, meta.block_count], [
      published.torrent.v2,
      published.seq,
      published.ledger.facts.blockCount,
    ]);
    assert.deepEqual(await stage.uploaded(published), before);
    assert.deepEqual(folder.names(), ["data.ldb"]);
    await mustHold(folder, published);
  },
});

Deno.test({
  name: "get --install --dry-run tells the plan with its numbers, and changes nothing",
  ignore,
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: NEW, pieceSize: MIB });
    const folder = await NodeFolder.make(stage.temp.join("Nano"), OLD);
    await using run = install(stage, folder, ["--dry-run"]);
    const plan = await answerOf(run) as Record<string, Record<string, unknown>>;
    assert.deepEqual([plan["directory"], plan["node"]], [folder.path, "stopped"]);
    assert.deepEqual(plan["snapshot"], {
      info_hash: published.torrent.v2,
      seq: published.seq,
      state: "fetch",
      archive_bytes: published.torrent.size,
    });
    assert.equal(plan["old"]?.["size"], (await ledgerFixture(OLD)).size);
    assert.equal(plan["old"]?.["block_count"], OLD);
    assert.equal(plan["space"]?.["archive_bytes"], published.torrent.size);
    assert.equal(plan["space"]?.["fits"], true);
    assert.match(basename(String(plan["backup"])), BACKUP);
    assert.deepEqual(folder.names(), ["data.ldb"]);
    folder.mustBeUntouched();
    assert.throws(() => Deno.statSync(stage.dataDir), Deno.errors.NotFound);
    assert.deepEqual(await stage.uploaded(published), [0]);

    await using node = await openAsNode(folder);
    await using refused = stage.get([`--install=${folder.path}`, "--dry-run"]);
    const { code, stdout } = await refused.finished();
    assert.equal(code, 7);
    const [said = "", error = ""] = stdout.trimEnd().split("\n");
    assert.equal(JSON.parse(said).holders[0].pid, node.pid);
    assert.equal(JSON.parse(error).error.code, "node_running");
  },
});

Deno.test({
  name: "get --install --dry-run tells that another run installs there, and ends with 9 as that run would",
  ignore,
  async fn() {
    await using stage = await Stage.open();
    await stage.publish({ blocks: NEW, pieceSize: MIB });
    const folder = await NodeFolder.make(stage.temp.join("Nano"), OLD);
    const staging = join(folder.path, ".nano-snap-install");
    Deno.mkdirSync(staging);
    const lock = systemFiles.lock(join(staging, "lock"), "nano-snap get --install");
    try {
      await using run = stage.get([`--install=${folder.path}`, "--dry-run"]);
      const { code, stdout } = await run.finished();
      assert.equal(code, 9);
      const [said = ""] = stdout.split("\n");
      const refusal = { error: "directory_held", exit_code: 9 };
      const [{ message, ...rest }] = JSON.parse(said).refusals;
      assert.deepEqual(rest, refusal);
      assert.match(message, /another run is installing there/);
    } finally {
      lock?.release();
    }
    await using free = install(stage, folder, ["--dry-run"]);
    assert.deepEqual((await answerOf(free))["refusals"], []);
  },
});
