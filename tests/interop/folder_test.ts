// Torrents of several files from a libtorrent seed: `get --extract` finds the ledger among them or says why it cannot,
// and `get` without it never takes a folder away that is not the torrent's.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { PathUnusable, VerificationFailed } from "../../lib/errors.ts";
import type { GetOptions, GetResult } from "../../lib/mirror/options.ts";
import { fingerprint, startGet, writeNoise } from "./kinds.ts";
import { type LedgerFixture, ledgerFixture } from "./ledger_fixture.ts";
import { need, sha256OfFile, type TempDir, tempDir } from "./support.ts";
import { LibtorrentSwarm, type SwarmSession } from "./swarm.ts";

const BLOCKS = 2_000;
const NO_PROGRAM = need("libtorrent", "mdb_load", "7zz", "zstd", "tar");

const taken: [string, (scene: Scene) => Promise<void>][] = [
  ["data.ldb at the top", async (scene) => {
    await scene.put("data.ldb", scene.ledger.path);
    await scene.put("old/archive.7z", await scene.ledger.archive("7z"));
  }],
  ["the only archive, in a folder of it", async (scene) => {
    await scene.put("2026/nano.bin", await scene.ledger.archive("tar.zst"));
  }],
];

for (const [what, fill] of taken) {
  Deno.test({
    name: `get --extract of a folder takes ${what}`,
    ignore: NO_PROGRAM,
    async fn() {
      await using scene = await Scene.open(fill);
      const { path, archive, ledger } = await scene.get({ extract: true });
      assert.equal(path, join(scene.dataDir, "data.ldb"));
      assert.equal(sha256OfFile(path), scene.ledger.sha256);
      assert.equal(ledger?.blockCount, scene.ledger.facts.blockCount);
      assert.equal(archive, undefined);
      assert.ok(!existsSync(join(scene.dataDir, "Snapshot")), "the folder goes after a good extraction");
    },
  });
}

Deno.test({
  name: "get --extract --keep-archive of a folder leaves it beside the ledger",
  ignore: NO_PROGRAM,
  async fn() {
    await using scene = await Scene.open((scene) => scene.put("data.ldb", scene.ledger.path));
    const { archive } = await scene.get({ extract: true, keepArchive: true });
    assert.equal(archive, join(scene.dataDir, "Snapshot"));
    assert.deepEqual(await fingerprint(archive), await fingerprint(scene.source));
  },
});

const refused: [string, (scene: Scene) => Promise<void>, RegExp][] = [
  ["two archives", async (scene) => {
    await scene.put("a.7z", await scene.ledger.archive("7z"));
    await scene.put("b.tar.zst", await scene.ledger.archive("tar.zst"));
  }, /no data\.ldb at its top, .*: "a\.7z", "b\.tar\.zst"$/],
  [
    "no archive",
    (scene) => writeNoise(join(scene.source, "photo.jpg"), 40_000),
    /it holds "README", "photo\.jpg"$/,
  ],
];

for (const [what, fill, why] of refused) {
  Deno.test({
    name: `get --extract of a folder with ${what} says what is in it, and touches no data.ldb`,
    ignore: NO_PROGRAM,
    async fn() {
      await using scene = await Scene.open(fill);
      await Deno.mkdir(scene.dataDir);
      await Deno.writeTextFile(join(scene.dataDir, "data.ldb"), "the old one");
      await assert.rejects(scene.get({ extract: true }), (error: unknown) => {
        assert.ok(error instanceof VerificationFailed, String(error));
        assert.match(error.message, why);
        return true;
      });
      assert.equal(await Deno.readTextFile(join(scene.dataDir, "data.ldb")), "the old one");
    },
  });
}

Deno.test({
  name: "get of a folder goes on with a part of it that lies in its place",
  ignore: NO_PROGRAM,
  async fn() {
    await using scene = await Scene.open(() => Promise.resolve());
    await writeNoise(join(scene.source, "a"), 200_000);
    await scene.seedIt();
    const there = join(scene.dataDir, "Snapshot");
    await Deno.mkdir(there, { recursive: true });
    await Deno.copyFile(join(scene.source, "a"), join(there, "a"));
    const { path } = await scene.get({});
    assert.equal(path, there);
    assert.deepEqual(await fingerprint(path), await fingerprint(scene.source));
    assert.ok((await scene.swarm.status(scene.seed!)).uploaded < 200_000, "what was there is not fetched");
  },
});

Deno.test({
  name: "get of a folder refuses before the download where another folder has its name",
  ignore: NO_PROGRAM,
  async fn() {
    await using scene = await Scene.open(() => Promise.resolve());
    const there = join(scene.dataDir, "Snapshot");
    await writeNoise(join(there, "mine"), 10);
    const before = await fingerprint(there);
    for (const extract of [false, true]) {
      await assert.rejects(scene.get({ extract }), (error: unknown) => {
        assert.ok(error instanceof PathUnusable, String(error));
        assert.match(error.message, /Snapshot is there already and holds mine, which is not of this torrent/);
        return true;
      });
    }
    assert.deepEqual(await fingerprint(there), before);
    assert.equal((await scene.swarm.status(scene.seed!)).uploaded, 0);
  },
});

/** A folder, its torrent and a seed. */
class Scene implements AsyncDisposable {
  seed: SwarmSession | undefined;

  private constructor(
    readonly swarm: LibtorrentSwarm,
    readonly temp: TempDir,
    readonly ledger: LedgerFixture,
  ) {}

  /** With a README and whatever `fill` adds. */
  static async open(fill: (scene: Scene) => Promise<void>): Promise<Scene> {
    const ledger = await ledgerFixture(BLOCKS);
    const scene = new Scene(await LibtorrentSwarm.start(), await tempDir(), ledger);
    await writeNoise(join(scene.source, "README"), 20_000);
    await fill(scene);
    await scene.seedIt();
    return scene;
  }

  get source(): string {
    return this.temp.join("seed", "Snapshot");
  }

  get dataDir(): string {
    return this.temp.join("data");
  }

  async put(name: string, from: string): Promise<void> {
    const path = join(this.source, name);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.copyFile(from, path);
  }

  async seedIt(): Promise<void> {
    const torrent = this.temp.join("snapshot.torrent");
    await this.swarm.createTorrent({ path: this.source, torrent, pieceSize: 65_536 });
    this.seed = await this.swarm.addSeed({ dir: this.temp.join("seed"), torrent });
  }

  async get(options: Partial<GetOptions>): Promise<GetResult> {
    await using run = startGet({
      dataDir: this.dataDir,
      source: { kind: "torrent", path: this.temp.join("snapshot.torrent") },
      peers: [{ host: "127.0.0.1", port: this.seed!.port }],
      ...options,
    });
    return await run.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.swarm[Symbol.asyncDispose]();
    await this.temp[Symbol.asyncDispose]();
  }
}
