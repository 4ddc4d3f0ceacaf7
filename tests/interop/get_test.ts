// `nano-snap get --extract` as an operator runs it, in a swarm in which everything else is libtorrent: each kind of
// torrent and archive, each way to name a snapshot. It ends 0 and `data.ldb` is the published ledger, byte for byte.

import assert from "node:assert/strict";
import { join } from "node:path";
import { mustGet, needStage, type Play, Stage } from "./stage.ts";
import { sha256OfFile } from "./support.ts";

/** 15 MB: for what does not depend on size. */
const SMALL = 25_000;
const KIB = 1024;
const MIB = 1024 * KIB;

/** By the authority's pointer in the DHT, at full size: over 150 MB of ledger. */
const BY_POINTER: { name: string; play: Play; atLeastPieces: number }[] = [
  { name: "a 7z as hybrid of 32 MiB pieces", play: { archive: "7z", pieceSize: 32 * MIB }, atLeastPieces: 3 },
  {
    name: "a 7z as hybrid of 16 KiB pieces",
    play: { archive: "7z", pieceSize: 16 * KIB },
    atLeastPieces: 4000,
  },
  {
    name: "a tar.zst as hybrid of 32 MiB pieces",
    play: { archive: "tar.zst", pieceSize: 32 * MIB },
    atLeastPieces: 3,
  },
  {
    name: "a 7z as v2-only of 32 MiB pieces",
    play: { archive: "7z", kind: "v2", pieceSize: 32 * MIB },
    atLeastPieces: 3,
  },
];

for (const { name, play, atLeastPieces } of BY_POINTER) {
  Deno.test({
    name: `get --extract by pointer: ${name}`,
    ignore: needStage("7zz", "zstd", "tar"),
    async fn() {
      await using stage = await Stage.open();
      const published = await stage.publish(play);
      assert.ok(published.ledger.size > 150e6);
      assert.ok(published.torrent.pieces >= atLeastPieces, `${published.torrent.pieces} pieces`);
      await using run = stage.get();
      const answer = await mustGet(run, published, stage.dataDir);
      const { facts } = published.ledger;
      assert.equal(answer.already_current, false);
      assert.deepEqual(answer.ledger, {
        version: facts.version,
        block_count: facts.blockCount,
        account_count: facts.accountCount,
        cemented_count: null,
        network: facts.network,
        minimum_node: "V27.0",
      });
      assert.deepEqual(archivesIn(stage.dataDir), [], "the archive goes after a good extraction");
      const [uploaded] = await stage.uploaded(published);
      assert.ok(
        (uploaded ?? 0) <= published.torrent.size * 1.05,
        `${uploaded} bytes for ${published.torrent.size}`,
      );
    },
  });
}

Deno.test({
  name: "get --magnet finds the peers of a bare v2 magnet in the DHT",
  ignore: needStage("zstd", "tar"),
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ archive: "tar.zst", pieceSize: 256 * KIB, pointer: false });
    await using run = stage.get(["--magnet", published.torrent.magnet_v2 ?? ""]);
    await mustGet(run, published, stage.dataDir);
  },
});

Deno.test({
  name: "get --magnet --peer needs no DHT for a bare v2 magnet, from a seed that holds no leaf hashes",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open(2);
    const play = { blocks: SMALL, pieceSize: 64 * KIB, pointer: false, announce: false, seedMode: true };
    const published = await stage.publish(play);
    const source = [
      "--magnet",
      published.torrent.magnet_v2 ?? "",
      "--peer",
      `127.0.0.1:${published.seeds[0]?.port}`,
    ];
    await using run = stage.get(source, { dht: false });
    await mustGet(run, published, stage.dataDir);
  },
});

Deno.test({
  name: "get --info-hash takes the v2 hash, and takes the v1 hash",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: SMALL, pieceSize: MIB, pointer: false });
    for (const hash of [published.torrent.v2, published.torrent.v1]) {
      await using run = stage.get(["--info-hash", hash ?? "", "--force"]);
      await mustGet(run, published, stage.dataDir);
    }
  },
});

Deno.test({
  name: "get --torrent takes a .torrent file",
  ignore: needStage("zstd"),
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({
      archive: "ldb.zst",
      blocks: SMALL,
      pieceSize: MIB,
      pointer: false,
    });
    await using run = stage.get(["--torrent", published.torrent.torrent]);
    await mustGet(run, published, stage.dataDir);
  },
});

Deno.test({
  name: "get takes from every seed of several",
  ignore: needStage("zstd", "tar"),
  async fn() {
    await using stage = await Stage.open();
    // Each seed alone would need four seconds, so that none can be done before the others are met.
    const play = { archive: "tar.zst", pieceSize: MIB, seeds: 3, upLimit: 30 * MIB } as const;
    const published = await stage.publish(play);
    await using run = stage.get();
    await mustGet(run, published, stage.dataDir);
    const uploaded = await stage.uploaded(published);
    assert.ok(uploaded.every((bytes) => bytes > 0), `uploaded ${uploaded}`);
    const total = uploaded.reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(total <= published.torrent.size * 1.05, `${total} bytes for ${published.torrent.size}`);
  },
});

Deno.test({
  name: "get --keep-archive leaves the archive beside the ledger",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: SMALL, pieceSize: MIB });
    await using run = stage.get(["--keep-archive"]);
    await mustGet(run, published, stage.dataDir);
    assert.deepEqual(archivesIn(stage.dataDir), ["nano-ledger-snapshot.7z"]);
    assert.equal(
      sha256OfFile(join(stage.dataDir, "nano-ledger-snapshot.7z")),
      sha256OfFile(published.archive),
    );
  },
});

Deno.test({
  name: "get says already current at the second run and downloads nothing",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: SMALL, pieceSize: MIB });
    {
      await using first = stage.get();
      await mustGet(first, published, stage.dataDir);
    }
    const before = await stage.uploaded(published);
    const written = Deno.statSync(join(stage.dataDir, "data.ldb")).mtime;
    await using second = stage.get();
    const answer = await mustGet(second, published, stage.dataDir);
    assert.deepEqual([answer.already_current, answer.downloaded_bytes], [true, 0]);
    const { stderr } = await second.finished();
    assert.equal(stderr.match(/already current/gi)?.length, 1, stderr);
    assert.deepEqual(await stage.uploaded(published), before);
    assert.deepEqual(Deno.statSync(join(stage.dataDir, "data.ldb")).mtime, written);
  },
});

Deno.test({
  name: "get follows a pointer that moved on to a new snapshot",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open();
    const old = await stage.publish({ blocks: SMALL, pieceSize: MIB });
    {
      await using first = stage.get();
      await mustGet(first, old, stage.dataDir);
    }
    const fresh = await stage.publish({ blocks: SMALL + 1000, pieceSize: MIB });
    assert.ok((fresh.seq ?? 0) > (old.seq ?? 0));
    await using second = stage.get();
    await mustGet(second, fresh, stage.dataDir);
  },
});

/** Names in the data directory that look like what was downloaded, wherever it may have been put. */
function archivesIn(folder: string): string[] {
  const names: string[] = [];
  for (const entry of Deno.readDirSync(folder)) {
    if (entry.isDirectory) {
      names.push(...archivesIn(join(folder, entry.name)).map((name) => join(entry.name, name)));
    } else if (/\.(7z|zst|tar|partial)$/.test(entry.name)) names.push(entry.name);
  }
  return names.sort();
}
