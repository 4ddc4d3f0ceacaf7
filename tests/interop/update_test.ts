// A mirror of a ledger that comes unpacked goes from one snapshot to the next: real LMDB files, what a seed counts as sent,
// and what LMDB's own tool reads in the end.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { ledgerFixture } from "./ledger_fixture.ts";
import { difference, nextLedger } from "./next_ledger.ts";
import { SeedHost } from "./seed_host.ts";
import { nanoSnap, needStage } from "./stage.ts";
import { mustRun, sha256OfFile, tempDir } from "./support.ts";
import { LibtorrentSwarm } from "./swarm.ts";
import { diskBytes, SwarmStage } from "./swarm_stage.ts";

const ignore = needStage("lmdb", "mdb_stat");
const PIECE = 1 << 20;
/** Some twelve pieces. */
const BLOCKS = 20_000;
const LEDGER = "data.ldb";

/** A ledger that a node has written to for a while, and what becomes of it: free pages lie all over it. */
async function twoLedgers(old: string, fresh: string): Promise<void> {
  const { path } = await ledgerFixture(BLOCKS);
  await nextLedger(path, old, 0.05);
  await nextLedger(old, fresh, 0.02);
}

/** LMDB opens it and finds all of its tables. */
async function mustRead(path: string, like: string): Promise<void> {
  const said = async (of: string) => (await mustRun("mdb_stat", ["-n", "-a", of])).stdout;
  assert.equal(await said(path), await said(like));
}

Deno.test({
  name: "get of the next ledger takes from a seed only the blocks that are new, where the seed tells hashes",
  ignore,
}, async () => {
  await using temp = await tempDir();
  await using swarm = await LibtorrentSwarm.start();
  const [old, dir] = [temp.join("old.ldb"), temp.join("seed")];
  await Deno.mkdir(dir);
  const fresh = join(dir, LEDGER);
  await twoLedgers(old, fresh);
  const { changedBytes, changedPieces } = await difference(old, fresh, PIECE);
  const torrent = await swarm.createTorrent({ path: fresh, torrent: temp.join("t"), pieceSize: PIECE });
  assert.ok(changedPieces * PIECE > 1.5 * changedBytes, "of most pieces only a part is new");

  const update = async (name: string, port: number, more: readonly string[] = []) => {
    const data = temp.join(name);
    await Deno.mkdir(data);
    await Deno.copyFile(old, join(data, LEDGER));
    const answer = await get(torrent.torrent, data, port, more);
    assert.equal(sha256OfFile(answer.path), sha256OfFile(fresh));
    await mustRead(answer.path, fresh);
    return answer;
  };

  // It has read its file, and knows every leaf.
  const checked = await swarm.addSeed({ dir, torrent: torrent.torrent });
  const { stderr } = await update("checked", checked.port);
  mustBeFew((await swarm.status(checked)).uploaded, changedBytes);
  assert.match(stderr, new RegExp(`Compared ${changedPieces} pieces block by block`));

  // The ledger in the data directory, and nothing that is seeded. Nothing vouched for the old one, so all of it was hashed.
  const extracted = await update("extracted", checked.port, ["--extract"]);
  mustBeFew(extracted.fetched, changedBytes);
  assert.match(extracted.stderr, /Checking /);
  // This one is known: back again.
  const back = await swarm.createTorrent({
    path: old,
    torrent: temp.join("b"),
    pieceSize: PIECE,
    name: LEDGER,
  });
  const backSeed = await swarm.addSeed({ dir: temp.path, torrent: back.torrent, name: "old.ldb" });
  const again = await get(back.torrent, temp.join("extracted"), backSeed.port, ["--extract"]);
  assert.equal(sha256OfFile(again.path), sha256OfFile(old));
  mustBeFew(again.fetched, (await difference(fresh, old, PIECE)).changedBytes);
  assert.doesNotMatch(again.stderr, /Checking /);
  const saved = [...Deno.readDirSync(temp.join("extracted", ".nano-snap", "torrents"))];
  assert.deepEqual(saved.map(({ name }) => name), [`${back.v2}.torrent`]);

  // It tells no leaves before somebody has fetched the piece.
  const trusting = await swarm.addSeed({ dir, torrent: torrent.torrent, seedMode: true });
  await update("trusting", trusting.port);
  const { uploaded } = await swarm.status(trusting);
  assert.ok(uploaded <= changedPieces * PIECE, `${uploaded} of ${changedPieces} pieces`);

  await using host = await SeedHost.open(temp.path);
  await host.seed(fresh, torrent.torrent);
  mustBeFew((await update("ours", host.port)).fetched, changedBytes);
});

/** `nano-snap get`, to its good end. */
async function get(torrent: string, data: string, port: number, more: readonly string[]) {
  const words = ["get", "--torrent", torrent, "--data-dir", data, "--peer", `127.0.0.1:${port}`];
  const where = ["--bind", "127.0.0.1", "--port", "0", "--no-dht", "--no-trackers", "--json"];
  await using run = nanoSnap([...words, ...where, "--stall-timeout", "60s", ...more], 120_000);
  const { code, stdout, stderr } = await run.finished();
  assert.equal(code, 0, stderr);
  const answer = JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as {
    path: string;
    downloaded_bytes: number;
  };
  assert.equal(answer.path, join(data, LEDGER));
  return { path: answer.path, fetched: answer.downloaded_bytes, stderr };
}

/** Issue 5's bar. */
function mustBeFew(fetched: number, changedBytes: number): void {
  assert.ok(fetched >= changedBytes && fetched <= 1.05 * changedBytes, `${fetched} for ${changedBytes}`);
}

Deno.test({
  name: "swarm goes from ledger to ledger by the blocks that are new, killed in the middle as well",
  ignore,
}, async () => {
  await using stage = await SwarmStage.open();
  const { swarm } = stage;
  const [old, fresh] = [stage.temp.join("old.ldb"), stage.temp.join("fresh.ldb")];
  await twoLedgers(old, fresh);
  const { changedBytes, changedPieces } = await difference(old, fresh, PIECE);
  const copyOf = (from: string) => (path: string) => Deno.copyFile(from, path);
  const first = await stage.publishFile(LEDGER, copyOf(old), { pieceSize: PIECE });
  // Some six seconds for what is new.
  const upLimit = Math.ceil(changedBytes / 6);
  const slow = { pointer: false, announce: false, upLimit, pieceSize: PIECE };
  const second = await stage.publishFile(LEDGER, copyOf(fresh), slow);
  const more = ["--peer", `127.0.0.1:${second.seed.port}`];
  const placeOf = (hash: string) => join(stage.dataDir, ".nano-snap", "snapshots", hash, LEDGER);
  {
    await using mirror = stage.mirror(more);
    await mirror.switched(first);
    assert.equal(sha256OfFile(placeOf(first.hash)), first.sha256);
    await swarm.close(first.seed);
    await stage.point(second.hash);
    // Pieces are whole, and others half.
    await swarm.uploaded(second.seed, Math.floor(changedBytes / 4));
    await mirror.kill();
  }
  const before = (await swarm.status(second.seed)).uploaded;
  {
    await using mirror = stage.mirror(more);
    await mirror.switched(second);
    await mirror.stop();
  }
  assert.equal(sha256OfFile(placeOf(second.hash)), second.sha256);
  await mustRead(placeOf(second.hash), fresh);
  const { uploaded } = await swarm.status(second.seed);
  assert.ok(before < changedBytes, "it was killed in the middle");
  // What was on the way when it was killed comes again: no more than a second's worth, and not the pieces' other blocks.
  assert.ok(uploaded <= 1.05 * changedBytes + upLimit, `${uploaded} for ${changedBytes}`);
  assert.ok(uploaded < 0.8 * changedPieces * PIECE, `${uploaded} of ${changedPieces} pieces`);
  assert.deepEqual([...Deno.readDirSync(dirname(dirname(placeOf("x"))))].map(({ name }) => name), [
    second.hash,
  ]);
  const bytes = await diskBytes(stage.dataDir);
  assert.ok(bytes < 1.1 * second.size, `${bytes} bytes on disk for ${second.size}`);
});

Deno.test({
  name: "get --extract --keep-archive in a ledger mirror's directory leaves the copy that the mirror serves",
  ignore,
}, async () => {
  await using stage = await SwarmStage.open();
  const { path } = await ledgerFixture(BLOCKS);
  const only = await stage.publishFile(LEDGER, (to) => Deno.copyFile(path, to), { pieceSize: PIECE });
  const served = join(stage.dataDir, ".nano-snap", "snapshots", only.hash, LEDGER);
  {
    await using mirror = stage.mirror();
    await mirror.switched(only);
    await mirror.stop();
  }
  const { uploaded } = await stage.swarm.status(only.seed);
  const answer = await get(only.torrent.torrent, stage.dataDir, only.seed.port, [
    "--extract",
    "--keep-archive",
  ]);
  assert.equal(answer.fetched, 0);
  const files = [served, answer.path].map((file) => Deno.statSync(file));
  assert.notEqual(files[0]!.ino, files[1]!.ino, "what a node may write to is not what is served");
  await mustRead(answer.path, path);
  {
    await using mirror = stage.mirror();
    await mirror.seeding(only);
    assert.equal(mirror.said(/Checking /).length, 0, "its record is still there");
    await mirror.stop();
  }
  assert.equal(sha256OfFile(served), only.sha256);
  assert.equal((await stage.swarm.status(only.seed)).uploaded, uploaded, "nothing came again");
  // The other one is gone on with by a node, and the one that is served stays what it is.
  await Deno.writeFile(answer.path, new Uint8Array(100));
  await using mirror = stage.mirror();
  await mirror.seeding(only);
  await mirror.stop();
});
