// `produce run` and `produce fixture` as processes: archives from a server on loopback, ledgers made by LMDB, packed by
// 7-Zip and by our own packers, published among libtorrent's DHT nodes, and fetched and unpacked by our own `get`.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readLedgerFacts } from "../../lib/ledger/facts.ts";
import { WorkerExtractor } from "../../lib/io/extract_client.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { WorkerPacker } from "../../lib/io/pack_client.ts";
import { archiveBytes, FileServer, type Manners } from "../producer/file_server.ts";
import { ledgerFixture } from "./ledger_fixture.ts";
import { nanoSnap, needStage } from "./stage.ts";
import {
  freePort,
  mustRun,
  need,
  type ProgramResult,
  sha256OfFile,
  startProgram,
  tempDir,
} from "./support.ts";
import { LibtorrentSwarm, TEST_KEY } from "./swarm.ts";

const KEY = { DHT_PRIVATE_KEY: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" };
const ARCHIVE = "nano-ledger-snapshot.7z";
const BLOCKS = 20_000;
const NEVER = new AbortController().signal;

interface Where {
  readonly swarm: LibtorrentSwarm;
  readonly dir: string;
  readonly env?: Record<string, string>;
}

function startRun({ swarm, dir, env = {} }: Where, args: readonly string[]) {
  const where = [
    "--output-dir",
    dir,
    "--dht-bootstrap",
    swarm.bootstrap(),
    "--bind",
    "127.0.0.1",
    "--no-trackers",
  ];
  return nanoSnap(["produce", "run", ...where, ...args], 120_000, { ...KEY, ...env });
}

async function run(where: Where, args: readonly string[]): Promise<ProgramResult> {
  await using program = startRun(where, args);
  return await program.finished();
}

async function mustSucceed(where: Where, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(where, args);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** An index that names one file of the server. */
function serve(
  content: Uint8Array,
  manners: Manners = {},
  index = "/files/Nano_64_2026_04_23_09.7z",
): FileServer {
  return new FileServer(content, manners, { "/snapshots/latest": `"${index}"\n` });
}

function metaIn(dir: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(dir, "snapshot-meta.json"), "utf8"));
}

Deno.test({
  name:
    "produce run takes what an index names, does nothing when it is not new, and tells the seeder when it is",
  ignore: needStage("7zz"),
}, async () => {
  await using temp = await tempDir();
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 8 });
  const first = await ledgerFixture(BLOCKS);
  const bytes = readFileSync(await first.archive("7z"));
  await using server = serve(bytes, { etag: () => '"one"' }, "../files/Nano_64_2026_04_23_09.7z");
  const dir = temp.join("out");
  const index = ["--source-index", server.url("/snapshots/latest")];

  const said = await mustSucceed({ swarm, dir }, index);
  const [, v2] = /^info_hash_v1=[0-9a-f]{40}\ninfo_hash=([0-9a-f]{64})\nseq=1\n$/.exec(said)!;
  assert.equal((await swarm.dhtGet()).v, `33323a${v2}`);
  assert.equal(sha256OfFile(join(dir, ARCHIVE)), sha256OfFile(await first.archive("7z")));
  const meta = metaIn(dir);
  assert.equal(meta["original_filename"], "Nano_64_2026_04_23_09.7z");
  assert.equal(meta["torrent_info_hash"], v2);
  assert.equal(meta["sha256"], sha256OfFile(join(dir, ARCHIVE)));
  assert.deepEqual(readdirSync(join(dir, "tmp")), []);

  const before = server.bytesSent;
  assert.equal(await mustSucceed({ swarm, dir }, index), "unchanged\n");
  assert.ok(server.bytesSent - before <= 512 * 1024, "it was only looked at");

  const where = [
    "--output-dir",
    dir,
    "--bind",
    "127.0.0.1",
    "--port",
    "0",
    "--dht-bootstrap",
    swarm.bootstrap(),
  ];
  await using seeder = nanoSnap(["produce", "seed", "--retain", "1", ...where], 180_000, KEY);
  await seeder.stderrLine(/Published seq 1 /);

  const second = await ledgerFixture(BLOCKS + 1000);
  server.content = readFileSync(await second.archive("7z"));
  server.manners = { etag: () => '"two"' };
  const again = await run({ swarm, dir }, [...index, "--retain", "1"]);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /^seq=2$/m);
  assert.match(again.stderr, new RegExp(`The seeder \\(process ${seeder.pid}\\) takes it over`));
  const newV2 = /^info_hash=(\w+)$/m.exec(again.stdout)![1]!;
  await seeder.stderrLine(new RegExp(`Seeding .*${newV2}`), 20_000);
  assert.equal(sha256OfFile(join(dir, "retained", v2!, ARCHIVE)), sha256OfFile(await first.archive("7z")));

  const to = ["--data-dir", temp.join("data"), "--authority", TEST_KEY, "--no-trackers"];
  await using get = nanoSnap(
    ["get", "--extract", ...to, "--bind", "127.0.0.1", "--port", "0", "--dht-bootstrap", swarm.bootstrap()],
    90_000,
  );
  const got = await get.finished();
  assert.equal(got.code, 0, got.stderr);
  assert.equal(sha256OfFile(temp.join("data", "data.ldb")), second.sha256);
});

Deno.test({
  name:
    "produce run --seed publishes the .tar.zst that an index names, and libtorrent fetches it from that run",
  ignore: needStage("zstd"),
}, async () => {
  await using temp = await tempDir();
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 8 });
  const archive = await (await ledgerFixture(BLOCKS)).archive("tar.zst");
  await using server = serve(readFileSync(archive), {}, "/files/Nano_64_2026_04_23_09.tar.zst");
  const dir = temp.join("out");
  await using seeding = startRun({ swarm, dir }, [
    ...["--source-index", server.url("/snapshots/latest"), "--seed"],
    ...["--port", "0", "--no-metrics"],
  ]);
  const { text } = await seeding.stderrLine(/Listening on port \d+/, 60_000);
  await seeding.stderrLine(/Seeding \/.*nano-ledger-snapshot\.tar\.zst: /, 60_000);
  const { v } = await swarm.dhtGet();
  const target = temp.join("leech");
  await Deno.mkdir(target);
  const leech = await swarm.addLeech({ dir: target, magnet: `magnet:?xt=urn:btmh:1220${v!.slice(6)}` });
  await swarm.connect(leech, Number(/port (\d+)/.exec(text)![1]), { asV2: true });
  await swarm.done(leech);
  assert.equal(sha256OfFile(join(target, "nano-ledger-snapshot.tar.zst")), sha256OfFile(archive));
  seeding.kill("SIGTERM");
  const { code, stdout, stderr } = await seeding.finished();
  assert.equal(code, 143, stderr);
  assert.equal(/^info_hash=(\w+)$/m.exec(stdout)![1], v!.slice(6));
  assert.equal(metaIn(dir)["original_filename"], "Nano_64_2026_04_23_09.tar.zst");
});

Deno.test({
  name: "produce run goes on after kill -9 in the middle of a download",
  ignore: needStage(),
}, async () => {
  await using temp = await tempDir();
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 8 });
  const content = archiveBytes(160 * 2 ** 20);
  // Slow enough to be killed: each answer stops after 8 MB, and the next try waits.
  await using server = serve(content, { etag: () => '"one"', cutAfter: (n) => n === 0 ? undefined : 8e6 });
  const dir = temp.join("out");
  const index = ["--source-index", server.url("/snapshots/latest")];
  const journal = join(dir, "tmp", "Nano_64_2026_04_23_09.7z.journal");
  {
    await using program = startRun({ swarm, dir }, index);
    for (let left = 600; !existsSync(journal); left--) {
      assert.ok(left > 0, "no journal");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    program.kill("SIGKILL");
    await program.finished();
  }
  const had = (JSON.parse(readFileSync(journal, "utf8")).done as [number, number][])
    .reduce((sum, [start, end]) => sum + end - start, 0);
  assert.ok(had > 0);
  server.manners = { etag: () => '"one"' };
  const before = server.bytesSent;
  await mustSucceed({ swarm, dir }, index);
  const sent = server.bytesSent - before;
  assert.ok(sent <= content.length - had + 2 ** 20, `${sent} bytes sent, ${had} were here`);
  assert.deepEqual(readFileSync(join(dir, ARCHIVE)).compare(content), 0);
});

Deno.test({
  name: "produce run refuses with one sentence and the right code, and nothing is published",
  ignore: needStage(),
}, async (t) => {
  await using temp = await tempDir();
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 4 });
  const good = archiveBytes(100_000);
  await using server = new FileServer(good, {}, {
    "/html": "<html><body>Moved</body></html>",
    "/binary": Uint8Array.of(0xff, 0xfe, 0),
    "/long": "http://example.org/" + "x".repeat(5000),
    "/ftp": "ftp://example.org/a.7z",
    "/gone": "/nowhere/a.7z",
    "/page": "/page.7z",
    "/page.7z": "<!DOCTYPE html>" + " ".repeat(1000),
    "/half": "/half.7z",
    "/half.7z": good.subarray(0, 50_000),
    "/good": "/files/a.7z",
    "/zip": "/Nano.zip",
    "/Nano.zip": Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0),
  });
  const nothing = temp.join("nothing.ldb", "data.ldb");
  await Deno.mkdir(join(nothing, ".."));
  await Deno.writeTextFile(nothing, "no ledger");
  const index = (path: string) => ["--source-index", server.url(path)];
  const cases: [name: string, args: string[], code: number, says: RegExp, env?: Record<string, string>][] = [
    ["an index that answers HTML", index("/html"), 4, /it answers with a web page \(HTML\), not with a URL$/],
    ["an index that is no text", index("/binary"), 4, /its answer is no text$/],
    ["an index that is too long", index("/long"), 4, /has 5019 bytes, more than a URL can need \(4096\)$/],
    ["another scheme", index("/ftp"), 4, /"ftp:\/\/example\.org\/a\.7z" is no http or https URL$/],
    ["no index", index("/missing"), 8, /it answers 404$/],
    [
      "nobody there",
      ["--source-index", `http://127.0.0.1:${freePort()}/`],
      8,
      /Cannot read the source index: cannot get from 127\.0\.0\.1:\d+: /,
    ],
    ["no archive there", index("/gone"), 8, /the server answers 404$/],
    ["a page instead of an archive", index("/page"), 4, /it is a web page \(HTML\)$/],
    ["another kind of archive", index("/zip"), 4, /it is none of \.7z, \.tar, \.gz, \.zst and \.ldb$/],
    ["half an archive", index("/half"), 4, /it has 50000 bytes, and its 7z header says 100000$/],
    ["no DHT", [...index("/good"), "--dht-bootstrap", `127.0.0.1:${freePort()}`], 8, /no DHT node answered/],
    ["no ledger", ["--ledger", temp.join("absent")], 6, /no such file$/],
    ["no LMDB file", ["--ledger", nothing], 4, /it is no LMDB file$/],
    ["a key of wrong length", index("/good"), 2, /64 or 128 hex digits/, { DHT_PRIVATE_KEY: "abcd" }],
    ["both sources", [...index("/good"), "--ledger", nothing], 2, /exclude each other$/],
  ];
  for (const [name, args, code, says, env] of cases) {
    await t.step(name, async () => {
      const where = { swarm, dir: temp.join("out"), ...(env === undefined ? {} : { env }) };
      const own = args.includes("--dht-bootstrap")
        ? { ...where, swarm: { bootstrap: () => args.at(-1)! } as LibtorrentSwarm }
        : where;
      const result = await run(own, args);
      assert.equal(result.code, code, result.stderr);
      const sentences = result.stderr.split("\n").filter((line) => line.startsWith("nano-snap: "));
      assert.equal(sentences.length, 1, result.stderr);
      assert.match(sentences[0]!, says);
      assert.equal(result.stdout, "");
      assert.equal(existsSync(temp.join("out", "publisher_state.json")), false);
    });
  }
  assert.equal((await swarm.dhtGet().catch(() => ({ v: null }))).v ?? null, null);
});

Deno.test({
  name: "produce run publishes a ledger as tar.zst and as it is, also while a process writes to it",
  ignore: needStage("zstd"),
}, async (t) => {
  await using temp = await tempDir();
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 8 });
  const fixture = await ledgerFixture(BLOCKS);
  const ledger = temp.join("node", "data.ldb");
  await Deno.mkdir(temp.join("node"));
  await Deno.copyFile(fixture.path, ledger);
  const dir = temp.join("out");

  await t.step("stopped: packed where it is, and unpacked it is the same", async () => {
    assert.match(await mustSucceed({ swarm, dir }, ["--ledger", ledger, "--format", "tar.zst"]), /^seq=1$/m);
    const archive = join(dir, "nano-ledger-snapshot.tar.zst");
    await mustRun("tar", ["--zstd", "-xf", archive, "-C", temp.path]);
    assert.equal(sha256OfFile(temp.join("data.ldb")), fixture.sha256);
    assert.equal(existsSync(`${ledger}-lock`), false, "nothing of ours is left beside the ledger");
    assert.equal(
      await mustSucceed({ swarm, dir }, ["--ledger", ledger, "--format", "tar.zst"]),
      "unchanged\n",
    );
  });

  // LMDB's own program, stuck in the middle of reading: the lock file and the locks that a node holds too.
  const reader = new Deno.Command("mdb_dump", { args: ["-n", "-s", "blocks", ledger], stdout: "piped" })
    .spawn();
  const pipe = reader.stdout.getReader();
  await pipe.read();

  await t.step("in use, without mdb_copy: refused with 7", async () => {
    const empty = temp.join("bin");
    await Deno.mkdir(empty);
    const result = await run({ swarm, dir, env: { PATH: empty } }, ["--ledger", ledger, "--format", "ldb"]);
    assert.equal(result.code, 7, result.stderr);
    assert.match(
      result.stderr,
      /process \d+ \(mdb_dump\) has it open; install mdb_copy .*, or stop the node/,
    );
  });

  await t.step("in use, with mdb_copy: one moment of it, while another process writes", async () => {
    await using writer = startProgram("mdb_load", ["-n", ledger], {
      stdin: ReadableStream.from(newBlocks(8000)),
    });
    const said = await mustSucceed({ swarm, dir }, [
      "--ledger",
      temp.join("node"),
      "--format",
      "ldb",
      "--json",
    ]);
    assert.equal((await writer.finished()).code, 0);
    const json = JSON.parse(said);
    assert.equal(json.path, join(dir, "data.ldb"));
    assert.equal(json.seq, 2);
    const { stdout } = await mustRun("mdb_dump", ["-n", "-s", "blocks", json.path]);
    const blocks = [...stdout.matchAll(/^ [0-9a-f]{64}$/gm)].length;
    assert.ok(
      blocks >= BLOCKS && blocks <= BLOCKS + 8000 && (blocks - BLOCKS) % 100 === 0,
      `${blocks} blocks`,
    );
    assert.deepEqual(
      readdirSync(dir).filter((name) => name.includes("nano-ledger-snapshot")),
      [],
      "the archive of the other kind is gone",
    );
    const torrent = readFileSync(`${json.path}.torrent`, "latin1");
    assert.match(torrent, /4:name8:data\.ldb12:piece lengthi4194304e/);
  });
  await pipe.cancel();
  reader.kill();
  await reader.status;
});

/** What mdb_load takes; it commits after each hundred. */
function* newBlocks(count: number): Generator<Uint8Array> {
  const text = new TextEncoder();
  yield text.encode("VERSION=3\nformat=bytevalue\ndatabase=blocks\ntype=btree\nHEADER=END\n");
  for (let i = 0; i < count; i++) {
    yield text.encode(` ${String(i).padStart(64, "0")}\n ${"ab".repeat(300)}\n`);
  }
  yield text.encode("DATA=END\n");
}

Deno.test(
  { name: "produce run: a second one in the same folder ends with 9", ignore: needStage() },
  async () => {
    await using temp = await tempDir();
    await using swarm = await LibtorrentSwarm.start({ dhtNodes: 4 });
    await using server = serve(archiveBytes(1_000_000), { hangs: () => true });
    const where = { swarm, dir: temp.join("out") };
    await using first = startRun(where, ["--source-index", server.url("/snapshots/latest")]);
    for (let left = 600; server.ranges.length === 0; left--) {
      assert.ok(left > 0, "it does not begin");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const second = await run(where, ["--source-index", server.url("/snapshots/latest")]);
    assert.equal(second.code, 9, second.stderr);
    assert.match(second.stderr, /another run has it \(see .*\.snapshot\.lock\)/);
    first.kill("SIGTERM");
    assert.equal((await first.finished()).code, 143);
  },
);

Deno.test({
  name: "produce run tells a status hub, and is published whatever that says",
  ignore: needStage(),
}, async () => {
  await using temp = await tempDir();
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 8 });
  await using server = serve(archiveBytes(1_000_000));
  const bodies: Record<string, unknown>[] = [];
  const hub = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    bodies.push(await request.json());
    return new Response("no", { status: bodies.length === 1 ? 500 : 409 });
  });
  try {
    const env = { STATUS_API_URL: `http://127.0.0.1:${hub.addr.port}` };
    const index = ["--source-index", server.url("/snapshots/latest")];
    const { code, stdout, stderr } = await run({ swarm, dir: temp.join("out"), env }, index);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /answers 500 \(no\); trying again in 2 s/);
    assert.match(stderr, /answers 409 \(no\); the snapshot is published all the same/);
    const [body, again] = bodies;
    assert.deepEqual(again, body);
    assert.equal(body!["info_hash"], /^info_hash=(\w+)$/m.exec(stdout)![1]);
    assert.equal(body!["sequence"], 1);
    assert.equal(body!["torrent_name"], ARCHIVE);
    assert.equal(body!["snapshot_size_bytes"], 1_000_000);
  } finally {
    await hub.shutdown();
  }
});

Deno.test({
  name: "produce fixture: LMDB reads all of it, 7-Zip and our get unpack it, in every format",
  ignore: need("mdb_stat", "7zz", "zstd"),
}, async (t) => {
  await using temp = await tempDir();
  for (const format of ["ldb", "7z", "tar.zst"]) {
    await t.step(format, async () => {
      const out = temp.join(`fixture.${format}`);
      const args = ["produce", "fixture", "--size", "6M", "--format", format, "--out", out, "--json"];
      await using program = nanoSnap(args, 120_000);
      const { code, stdout, stderr } = await program.finished();
      assert.equal(code, 0, stderr);
      const made = JSON.parse(stdout);
      assert.ok(Math.abs(made.ledger_size - 6e6) < 300_000, `${made.ledger_size} bytes`);
      const into = temp.join(`unpacked.${format}`);
      await Deno.mkdir(into);
      const { path } = await new WorkerExtractor().extract({ archive: out, into, signal: NEVER });
      const { stdout: stat } = await mustRun("mdb_stat", ["-n", "-a", path]);
      const entries = [...stat.matchAll(/Status of (\w+)[\s\S]*?Entries: (\d+)/g)].map((
        [, table, count],
      ) => [table, Number(count)]);
      assert.deepEqual(entries, [
        ["Main", 4],
        ["accounts", made.account_count],
        ["blocks", made.block_count],
        ["confirmation_height", made.account_count],
        ["meta", 1],
      ]);
      const dump = await mustRun("mdb_dump", ["-n", "-s", "accounts", path]);
      const values = [...dump.stdout.matchAll(/^ ([0-9a-f]{258})$/gm)].map(([, hex]) =>
        Number.parseInt(hex!.slice(240, 244), 16)
      );
      assert.equal(values.length, made.account_count);
      assert.equal(existsSync(`${out}.packing`), false);
      const file = systemFiles.open(path, "read");
      const facts = readLedgerFacts(file);
      file.close();
      assert.deepEqual([facts.version, facts.block_count, facts.network], [24, made.block_count, "unknown"]);
      if (format === "7z") await mustRun("7zz", ["t", "-bso0", out]);
    });
  }
  await t.step("nothing is replaced without --force", async () => {
    await using program = nanoSnap(["produce", "fixture", "--out", temp.join("fixture.ldb")], 60_000);
    assert.equal((await program.finished()).code, 6);
  });
});

Deno.test({
  name: "WorkerPacker packs a .7z without 7-Zip that 7-Zip finds whole, and ends when it is told to",
  ignore: need("mdb_load", "7zz"),
}, async () => {
  await using temp = await tempDir();
  const ledger = await ledgerFixture(BLOCKS);
  const into = temp.join("snapshot.7z");
  let done = 0;
  const onProgress = (bytes: number) => {
    done = bytes;
  };
  await new WorkerPacker().pack({ ledger: ledger.path, into, format: "7z", signal: NEVER, onProgress });
  await mustRun("7zz", ["x", "-bso0", `-o${temp.path}`, into]);
  assert.equal(sha256OfFile(temp.join("data.ldb")), ledger.sha256);
  assert.ok(done > 0 && done <= ledger.size);
  assert.ok(statSync(into).size < ledger.size);

  const stop = new AbortController();
  const packing = new WorkerPacker().pack({
    ledger: ledger.path,
    into: temp.join("stopped.7z"),
    format: "7z",
    signal: stop.signal,
    onProgress: () => stop.abort(new Error("stopped")),
  });
  await assert.rejects(packing, /stopped/);
});
