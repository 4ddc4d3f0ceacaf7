// `nano-snap produce keygen` and `produce torrent`, words to files and streams, with the system's own files.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CliMachine } from "../../lib/cli/context.ts";
import { readSigningKey } from "../../lib/cli/key_options.ts";
import { Inputs } from "../../lib/cli/options.ts";
import { runCli } from "../../lib/cli/program.ts";
import { toHex } from "../../lib/bytes.ts";
import { UsageError } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { WorkerHasher } from "../../lib/io/hash_client.ts";
import { parsePrivateKey } from "../../lib/producer/keys.ts";
import { STREAM_TRACKERS } from "../../lib/stream.ts";
import { parseMagnet } from "../../lib/torrent/magnet.ts";
import { type Metainfo, parseTorrent } from "../../lib/torrent/metainfo.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { emptyContext } from "./programs.ts";

const SEED = "5eed".repeat(16);
const CLOCK = { nowMs: () => 0, unixMs: () => 0, sleep: () => Promise.resolve() };
const MACHINE = {
  clock: CLOCK,
  random: { bytes: (length: number) => new Uint8Array(length).fill(7) },
  files: systemFiles,
  hasher: new WorkerHasher(1),
  client: "nano-snap test",
} as Partial<CliMachine> as CliMachine;

/** A folder, and what the program says when it is called in it. */
class Desk implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "nano-snap-produce-" });

  path(name: string): string {
    return join(this.folder, name);
  }

  async say(...args: string[]) {
    const heard = { stdout: "", stderr: "" };
    const context = emptyContext(heard, { clock: CLOCK, machine: () => Promise.resolve(MACHINE) });
    const exitCode = await runCli(["produce", ...args], context);
    return { ...heard, exitCode };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function torrentAt(path: string): Metainfo {
  return parseTorrent(systemFiles.read(path, 1 << 20)!);
}

Deno.test("produce keygen says the public key alone, and the file has the private one alone", async () => {
  using desk = new Desk();
  const { exitCode, stdout, stderr } = await desk.say("keygen", "--out", desk.path("key"));
  assert.equal(exitCode, 0);
  assert.match(
    stderr,
    /^The private key is .*key'?: keep a copy .*\nNext: nano-snap produce run --key-file .*key'?, or [^\n]+\n$/,
  );
  const secret = readFileSync(desk.path("key"), "utf8").trim();
  assert.equal(stdout, toHex(parsePrivateKey(secret, "it").publicKey) + "\n");
  const json = await desk.say("keygen", "--out", desk.path("other"), "--json");
  assert.deepEqual(JSON.parse(json.stdout), { public_key: stdout.trim(), path: desk.path("other") });
  assert.equal(json.stderr, "");
});

Deno.test("produce keygen replaces nothing and exits 6; without --out it exits 2", async () => {
  using desk = new Desk();
  writeFileSync(desk.path("key"), "precious");
  const taken = await desk.say("keygen", "--out", desk.path("key"));
  assert.equal(taken.exitCode, 6);
  assert.equal(taken.stdout, "");
  assert.match(taken.stderr, /^nano-snap: Cannot make a key in .*key: something is there already[^\n]*\n$/);
  assert.equal(readFileSync(desk.path("key"), "utf8"), "precious");
  for (const args of [["keygen"], ["keygen", "--out", ""], ["keygen", "--out", "x", "more"]]) {
    const refused = await desk.say(...args);
    assert.equal(refused.exitCode, 2, args.join(" "));
    assert.match(refused.stderr, /^nano-snap: [^\n]+\n$/);
  }
  assert.deepEqual(readdirSync(desk.folder), ["key"]);
});

Deno.test("produce torrent writes FILE.torrent and says exactly the two lines that pipelines look for", async () => {
  using desk = new Desk();
  writeFileSync(desk.path("nano-ledger-snapshot.7z"), fixtureBytes(100_000));
  const { exitCode, stdout } = await desk.say("torrent", desk.path("nano-ledger-snapshot.7z"));
  assert.equal(exitCode, 0);
  const { info, trackers } = torrentAt(desk.path("nano-ledger-snapshot.7z.torrent"));
  assert.equal(stdout, `info_hash_v1=${toHex(info.infoHashV1!)}\ninfo_hash=${toHex(info.infoHashV2!)}\n`);
  assert.deepEqual(trackers, [STREAM_TRACKERS]);
  assert.equal(info.pieceLength, 32 << 20);
  assert.deepEqual(
    info.xSnapshot,
    new TextEncoder().encode('{"original_filename":"nano-ledger-snapshot.7z"}'),
  );
});

Deno.test("produce torrent --json says one object on stdout and nothing else there", async () => {
  using desk = new Desk();
  const path = desk.path("a.7z");
  writeFileSync(path, fixtureBytes(100_000));
  const { stdout, stderr } = await desk.say(
    "torrent",
    path,
    "--json",
    "--piece-size",
    "16k",
    "--no-trackers",
  );
  const { info } = torrentAt(`${path}.torrent`);
  const { magnet, ...facts } = JSON.parse(stdout);
  assert.deepEqual(facts, {
    path,
    torrent: `${path}.torrent`,
    name: "a.7z",
    size: 100_000,
    piece_length: 16384,
    piece_count: 7,
    info_hash: toHex(info.infoHashV2!),
    info_hash_v1: toHex(info.infoHashV1!),
    original_filename: "a.7z",
  });
  assert.deepEqual(parseMagnet(magnet).infoHashV2, info.infoHashV2);
  assert.deepEqual(parseMagnet(magnet).trackers, []);
  assert.match(stderr, /\[producer\.torrent\] INFO: Hashing: 100\.0%/);
  assert.doesNotMatch(stderr, /mirror\.watcher/);
});

Deno.test("produce torrent makes what its options ask for", async () => {
  using desk = new Desk();
  const path = desk.path("a.7z");
  writeFileSync(path, fixtureBytes(100_000));
  const made = async (...words: string[]) => {
    const { exitCode, stderr } = await desk.say("torrent", path, ...words);
    assert.equal(exitCode, 0, stderr);
    return torrentAt(`${path}.torrent`);
  };
  const trackers = ["--tracker", "udp://a.example:1/x", "--tracker", "udp://b.example:2/x"];
  assert.deepEqual((await made(...trackers)).trackers, [["udp://a.example:1/x", "udp://b.example:2/x"]]);
  assert.deepEqual((await made("--no-trackers")).trackers, []);
  assert.equal((await made("--v2-only")).info.kind, "v2");
  assert.equal((await desk.say("torrent", path, "--v2-only")).stdout.split("\n").length, 2);
  assert.equal((await made("--original-filename", "")).info.xSnapshot, undefined);
  assert.match(
    new TextDecoder().decode((await made("--format-facts")).info.xSnapshot as Uint8Array),
    /"size":100000/,
  );
  for (
    const [text, bytes] of [["33554432", 2 ** 25], ["32M", 2 ** 25], ["128MiB", 2 ** 27], [
      "16KB",
      2 ** 14,
    ]] as const
  ) {
    assert.equal((await made("--piece-size", text)).info.pieceLength, bytes, text);
  }
});

Deno.test("produce torrent refuses bad words with exit 2 and bad files with exit 6, in one line each", async () => {
  using desk = new Desk();
  const path = desk.path("a.7z");
  writeFileSync(path, fixtureBytes(10));
  writeFileSync(desk.path("empty"), "");
  const words: [number, ...string[]][] = [
    [2],
    [2, path, path],
    [2, path, "--piece-size", "48K"],
    [2, path, "--piece-size", "8K"],
    [2, path, "--piece-size", "256M"],
    [2, path, "--piece-size", "0"],
    [2, path, "--piece-size", "-1"],
    [2, path, "--piece-size", "32G"],
    [2, path, "--tracker", "nonsense"],
    [2, path, "--private"],
    [6, desk.path("missing")],
    [6, desk.folder],
    [6, desk.path("empty")],
  ];
  for (const [code, ...args] of words) {
    const { exitCode, stdout, stderr } = await desk.say("torrent", ...args);
    assert.equal(exitCode, code, `${args.join(" ")}: ${stderr}`);
    assert.equal(stdout, "");
    assert.match(stderr, /^nano-snap: [^\n]+\n$/);
  }
  assert.deepEqual(readdirSync(desk.folder), ["a.7z", "empty"]);
});

Deno.test("produce without a command, or with an unknown one, says where the help is", async () => {
  using desk = new Desk();
  assert.equal((await desk.say()).stderr, "nano-snap: Which command? See: nano-snap produce --help\n");
  assert.match(
    (await desk.say("torent")).stderr,
    /unknown command 'torent' .*torrent.*see: nano-snap produce --help/,
  );
  assert.match((await desk.say("torrent", "--what")).stderr, /see: nano-snap produce torrent --help\n$/);
  const help = await desk.say("torrent", "--help");
  assert.equal(help.exitCode, 0);
  assert.match(help.stdout, /--piece-size <size>/);
});

Deno.test("a secret in a flag's place is quoted by no refusal", async () => {
  using desk = new Desk();
  for (const args of [["keygen", "--out", "x", `--private-key=${SEED}`], ["torrent", "x", `--key=${SEED}`]]) {
    const { exitCode, stderr } = await desk.say(...args);
    assert.equal(exitCode, 2);
    assert.match(stderr, /unknown option '--(private-)?key'/);
    assert.ok(!stderr.includes(SEED), stderr);
  }
});

Deno.test("readSigningKey() takes the file before the variable, and no flag", () => {
  using desk = new Desk();
  const path = desk.path("key");
  writeFileSync(path, "00".repeat(32), { mode: 0o600 });
  const read = (flags: Record<string, unknown>, env: Record<string, string> = {}) =>
    readSigningKey(new Inputs(flags, env), systemFiles);
  const env = { DHT_PRIVATE_KEY: SEED };
  const publicKey = (text: string) => parsePrivateKey(text, "it").publicKey;
  assert.deepEqual(read({}, env).key.publicKey, publicKey(SEED));
  assert.deepEqual(read({ keyFile: path }, env).key.publicKey, publicKey("00".repeat(32)));
  assert.throws(
    () => read({}),
    /There is no private key: name its file with --key-file, or set DHT_PRIVATE_KEY/,
  );
  assert.throws(() => read({ privateKey: SEED }, env), (error: Error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /^--private-key would show the key/);
    assert.ok(!error.message.includes(SEED));
    return true;
  });
  assert.ok(existsSync(path));
});
