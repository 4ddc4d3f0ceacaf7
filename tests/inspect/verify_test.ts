import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { toHex, utf8 } from "../../lib/bytes.ts";
import { publicKeyOf, signItem } from "../../lib/dht/signature.ts";
import { pointerValue } from "../../lib/snapshot/pointer.ts";
import { parseTorrent } from "../../lib/torrent/metainfo.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { InspectWorld, PIECE, run } from "./inspect_world.ts";

interface Row {
  path: string;
  check: string;
  result: string;
  detail: string;
  differing?: { path: string; begin: number; end: number; first_piece: number; last_piece: number }[];
  problems?: { page: number; table: string; text: string }[];
}

Deno.test("verify data.ldb goes through all of it and says what is in it", async () => {
  using world = new InspectWorld();
  const path = await world.ledger();
  const { exitCode, verdict, checks } = await verified(path);
  assert.deepEqual([exitCode, verdict], [0, "good"]);
  assert.deepEqual(rows(checks), [["structure", "good"], ["ledger", "good"]]);
  assert.equal(
    checks[1]!.detail,
    "version 24 (node V27.0 or later), 400 blocks, 350 cemented, 50 accounts, live network",
  );
  assert.deepEqual(world.names(), ["data.ldb"]);
});

Deno.test("verify of a data directory takes an archive of any name that is recorded there", async () => {
  using world = new InspectWorld();
  const archive = await world.archive();
  Deno.renameSync(archive, world.path("other.gz"));
  const looked = async () => [...new Set((await verified(world.root)).checks.map(({ path }) => path))];
  assert.deepEqual(await looked(), [world.path("data.ldb")]);
  const record = (name: string) =>
    Deno.writeTextFileSync(world.path("snapshot-meta.json"), JSON.stringify({ current_torrent_name: name }));
  record("other.gz");
  assert.deepEqual(await looked(), [world.path("other.gz"), world.path("data.ldb")]);
  record("../other.gz");
  assert.deepEqual(await looked(), [world.path("data.ldb")]);
  world.torrent("other.gz");
  assert.deepEqual(await looked(), [world.path("other.gz"), world.path("data.ldb")]);
});

Deno.test("verify data.ldb names the damaged page, exits 4, and writes one answer", async () => {
  using world = new InspectWorld();
  const path = await world.ledger();
  world.spoil("data.ldb", 9 * 4096 + 10);
  const heard = await run("verify", path, "--json");
  assert.equal(heard.exitCode, 4);
  const { verdict, checks } = JSON.parse(heard.stdout) as { verdict: string; checks: Row[] };
  assert.equal(verdict, "bad");
  assert.deepEqual(rows(checks), [["structure", "bad"], ["ledger", "good"]]);
  assert.deepEqual(checks[0]!.problems?.map(({ page, table }) => [page, table]), [[9, "blocks"]]);
  assert.match(heard.stderr, /nano-snap: bad: 1 of 2 checks failed for /);
  const text = (await run("verify", path)).stdout;
  assert.match(text, /^ {4}blocks: page 9 is of unknown kind/m);
  assert.match(text, /^verdict +bad: 1 of 2 checks failed/m);
  assert.match(text, /^next +nano-snap get --extract --force/m);
});

Deno.test("verify finds a ledger cut short, one without a node's tables, and one that is none", async () => {
  using world = new InspectWorld();
  const path = await world.ledger();
  const { size } = Deno.statSync(path);
  Deno.truncateSync(path, size - 4096);
  assert.deepEqual(rows((await verified(path)).checks), [["structure", "bad"]]);
  Deno.writeFileSync(path, new Uint8Array(size));
  const { exitCode, checks } = await verified(path);
  assert.equal(exitCode, 4);
  assert.deepEqual(rows(checks), [["archive", "bad"]]);
  assert.match(checks[0]!.detail, /its first bytes are neither/);
});

Deno.test("verify compares with the torrent beside a file, and says which bytes differ", async () => {
  using world = new InspectWorld();
  const path = await world.ledger();
  world.torrent("data.ldb");
  const good = await verified(path);
  assert.deepEqual(rows(good.checks), [["pieces", "good"], ["structure", "good"], ["ledger", "good"]]);
  // In values, which no structure sees: one in piece 1, two in neighbours 3 and 4.
  const { size } = Deno.statSync(path);
  assert.ok(size > 5 * PIECE);
  for (const at of [PIECE + 4000, 3 * PIECE + 4000, 5 * PIECE - 90]) world.spoil("data.ldb", at);
  const bad = await verified(path);
  assert.equal(bad.exitCode, 4);
  assert.match(bad.checks[0]!.detail, /^3 of \d+ pieces are not those of torrent [0-9a-f]{16}, in 49\.2 KB$/);
  assert.deepEqual(bad.checks[0]!.differing, [
    { path, begin: PIECE, end: 2 * PIECE, first_piece: 1, last_piece: 1 },
    { path, begin: 3 * PIECE, end: 5 * PIECE, first_piece: 3, last_piece: 4 },
  ]);
  const text = (await run("verify", path)).stdout;
  assert.match(text, new RegExp(`^ {4}pieces 3 to 4: bytes ${3 * PIECE} to ${5 * PIECE} of `, "m"));
});

Deno.test("verify --torrent and --magnet name the torrent; a longer file is bad", async () => {
  using world = new InspectWorld();
  const path = await world.archive();
  const torrent = world.torrent("data.ldb.gz", { kind: "v1" });
  const moved = world.path("elsewhere");
  Deno.renameSync(torrent, moved);
  assert.deepEqual(rows((await verified(path)).checks), [["archive", "good"]]);
  assert.deepEqual(rows((await verified(path, "--torrent", moved)).checks), [["pieces", "good"], [
    "archive",
    "good",
  ]]);
  const magnet = JSON.parse((await run("inspect", moved, "--json")).stdout).magnet;
  const alone = ["--no-dht", "--no-lsd", "--no-trackers"];
  const unknown = await run("verify", path, "--magnet", magnet, ...alone);
  assert.equal(unknown.exitCode, 2);
  assert.match(
    unknown.stderr,
    /Cannot ask anybody what torrent [0-9a-f]{16} is: name a --peer or a --tracker/,
  );
  assert.equal((await run("verify", path, "--latest", ...alone)).exitCode, 2);
  Deno.renameSync(moved, torrent);
  assert.deepEqual(rows((await verified(path, "--magnet", magnet)).checks)[0], ["pieces", "good"]);
  Deno.writeFileSync(path, new Uint8Array(3), { append: true });
  const longer = await verified(path, "--torrent", torrent);
  assert.equal(longer.checks[0]!.result, "bad");
  assert.match(longer.checks[0]!.detail, /is 3 bytes too long$/);
  const two = [["--torrent", torrent, "--magnet", magnet], ["--latest", "--magnet", magnet]];
  for (const words of two) assert.equal((await run("verify", path, ...words)).exitCode, 2);
});

Deno.test("verify tries an archive by its own checksums, and writes nothing", async () => {
  using world = new InspectWorld();
  const path = await world.archive();
  const { size } = Deno.statSync(world.path("data.ldb"));
  const good = await verified(path);
  assert.equal(good.checks[0]!.detail, `ldb.gz, unpacks to ${(size / 1000).toFixed(1)} KB (${size} bytes)`);
  world.spoil("data.ldb.gz", Deno.statSync(path).size - 6); // in its CRC-32
  const bad = await verified(path);
  assert.deepEqual([bad.exitCode, ...rows(bad.checks)], [4, ["archive", "bad"]]);
  assert.match(bad.checks[0]!.detail, /its gzip stream is damaged/);
  assert.deepEqual(world.names(), ["data.ldb", "data.ldb.gz"]);
});

Deno.test("verify looks at a torrent of several files as a folder", async () => {
  using world = new InspectWorld();
  const files = ["a", "b"].map((name, i) => ({ path: [name], data: fixtureBytes(PIECE + 100 * i) }));
  Deno.mkdirSync(world.path("folder"));
  for (const { path, data } of files) Deno.writeFileSync(world.path("folder", path[0]!), data);
  const torrent = world.torrentOf({ kind: "hybrid", name: "folder", pieceLength: PIECE, files });
  assert.deepEqual(rows((await verified(world.path("folder"))).checks), [["pieces", "good"]]);
  world.spoil("folder/b", PIECE + 50);
  const { checks } = await verified(world.path("folder"));
  const path = world.path("folder", "b");
  assert.deepEqual(checks[0]!.differing, [{
    path,
    begin: PIECE,
    end: PIECE + 100,
    first_piece: 2,
    last_piece: 2,
  }]);
  const single = await verified(world.path("folder", "a"), "--torrent", torrent);
  assert.match(single.checks[0]!.detail, /it is a file, its torrent is of several/);
});

Deno.test("verify DIR takes what a mirror keeps there: record, torrent and signed pointer", async () => {
  using world = new InspectWorld();
  const path = await world.ledger();
  const torrent = world.torrent("data.ldb");
  const { info } = parseTorrent(Deno.readFileSync(torrent));
  const v2 = toHex(info.infoHashV2!);
  Deno.mkdirSync(world.path(".nano-snap", "torrents"), { recursive: true });
  Deno.renameSync(torrent, world.path(".nano-snap", "torrents", `${v2}.torrent`));
  const { size, mtimeMs, ino } = statSync(path);
  const record = { v2, v1: null, seq: 7, path, size, mtime: mtimeMs, inode: ino };
  Deno.writeTextFileSync(world.path(".nano-snap", "installed.json"), JSON.stringify(record));
  const seed = new Uint8Array(32).fill(3);
  const authority = toHex(publicKeyOf(seed));
  const item = { salt: utf8("daily"), seq: 7, value: pointerValue(info.infoHashV2!) };
  const meta = {
    dht_salt: "daily",
    dht_seq: 7,
    dht_signature: toHex(signItem(seed, item)),
    torrent_info_hash: v2,
  };
  Deno.writeTextFileSync(world.path("snapshot-meta.json"), JSON.stringify(meta));
  const good = await verified(world.root, "--authority", authority);
  assert.equal(good.exitCode, 0);
  assert.deepEqual(rows(good.checks), [
    ["pointer", "good"],
    ["pieces", "good"],
    ["structure", "good"],
    ["ledger", "good"],
    ["record", "good"],
  ]);
  assert.equal(good.checks[0]!.detail, `signed by ${authority} at seq 7`);
  // Another authority, another seq than was signed, a file that was touched: odd, and no damage.
  assert.deepEqual(rows((await verified(world.root)).checks)[0], ["pointer", "warning"]);
  Deno.writeTextFileSync(world.path("snapshot-meta.json"), JSON.stringify({ ...meta, dht_seq: 8 }));
  Deno.utimeSync(path, new Date(0), new Date(0));
  const odd = await verified(world.root, "--authority", authority);
  assert.deepEqual([odd.exitCode, rows(odd.checks)[0], rows(odd.checks)[4]], [
    0,
    ["pointer", "warning"],
    ["record", "warning"],
  ]);
  // A torn state file is not ours to move.
  Deno.writeTextFileSync(world.path("snapshot-meta.json"), "{");
  assert.equal((await verified(world.root)).exitCode, 0);
  assert.deepEqual(world.names(), [".nano-snap", "data.ldb", "snapshot-meta.json"]);
});

Deno.test("verify says when there is nothing to check a file by", async () => {
  using world = new InspectWorld();
  Deno.writeTextFileSync(world.path("notes.txt"), "something");
  const heard = await run("verify", world.path("notes.txt"));
  assert.equal(heard.exitCode, 2);
  assert.match(heard.stderr, /nothing says of which torrent it is; name that with --torrent/);
  assert.equal((await run("verify", world.root)).exitCode, 2);
  assert.equal((await run("verify", world.path("gone"))).exitCode, 6);
});

async function verified(path: string, ...words: string[]) {
  const { stdout, stderr, exitCode } = await run("verify", path, "--json", ...words);
  assert.ok(stdout !== "", stderr);
  const { verdict, checks } = JSON.parse(stdout) as { verdict: string; checks: Row[] };
  assert.equal(verdict === "good", exitCode === 0);
  return { exitCode, verdict, checks };
}

function rows(checks: readonly Row[]): [string, string][] {
  return checks.map(({ check, result }) => [check, result]);
}
