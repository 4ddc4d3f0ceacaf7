// The pointer among libtorrent's DHT nodes: what we put is what they store and give to others, and what they do not
// store is never counted. Signatures are those of protocol.md 9.5, which libtorrent's own put makes too.

import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { join } from "node:path";
import { decodeDict, type Encodable, encode } from "../../lib/bencode.ts";
import { parseHex, toHex, utf8 } from "../../lib/bytes.ts";
import { DhtNode } from "../../lib/dht/dht_node.ts";
import type { PutAnswer } from "../../lib/dht/put.ts";
import { type SignedItem, signItem } from "../../lib/dht/signature.ts";
import { systemClock } from "../../lib/io/clock.ts";
import { systemNet } from "../../lib/io/net.ts";
import { nanoSnap } from "./stage.ts";
import { need, type ProgramResult, sha256OfFile, type TempDir, tempDir, within } from "./support.ts";
import { LibtorrentSwarm, TEST_KEY } from "./swarm.ts";

const SEED = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SEQ_1_SIGNATURE = "d4f56282d42f93af53e9cd1bc0a74a4a8e06a73a91ae3473d7648063dcabd29b" +
  "34580a62869d07c185bd1fea1f351d065c6eb847e02f9069f6ec650c9526b50d";
const NEVER = new AbortController().signal;
const DAILY = utf8("daily");

function signed(seq: number, value: Uint8Array): SignedItem {
  const signature = signItem(parseHex(SEED)!, { salt: DAILY, seq, value });
  return { publicKey: parseHex(TEST_KEY)!, salt: DAILY, seq, value, signature };
}

const OURS = signed(1, encode(parseHex(SEED)!));

function raw({ seq, value, signature }: SignedItem) {
  return { k: TEST_KEY, seq, v: toHex(value), sig: toHex(signature) };
}

const kinds = (answers: readonly PutAnswer[]) => Object.groupBy(answers, ({ outcome }) => outcome.kind);

async function open(swarm: LibtorrentSwarm): Promise<DhtNode> {
  return DhtNode.open({
    udp: await systemNet.openUdp({ host: "127.0.0.1", port: 0 }),
    clock: systemClock,
    resolve: systemNet.resolve,
    bootstrap: swarm.dhtPorts.slice(0, 3).map((port) => ({ host: "127.0.0.1", port })),
  });
}

Deno.test({
  name: "put() to libtorrent's nodes: stored, and told apart where it is not",
  ignore: need("libtorrent"),
}, async (t) => {
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 12 });
  await using node = await open(swarm);
  assert.equal(toHex(OURS.signature), SEQ_1_SIGNATURE);

  await t.step("what we put is what libtorrent reads", async () => {
    const answers = await node.put({ item: OURS, signal: NEVER });
    await swarm.dhtPutRaw(raw(OURS)); // Those that are not among the nearest hold it too in what follows.
    assert.deepEqual([kinds(answers).stored?.length, answers.length], [8, 8]);
    const { seq, v, signature } = await swarm.dhtGet();
    assert.deepEqual([seq, v, signature], [1, toHex(OURS.value), SEQ_1_SIGNATURE]);
  });

  await t.step("the same again is stored still", async () => {
    const answers = await node.put({ item: OURS, signal: NEVER });
    assert.deepEqual(Object.keys(kinds(answers)), ["stored"]);
  });

  await t.step("another value at the seq that they hold: they say yes, and keep their own", async () => {
    const other = signed(1, encode(new Uint8Array(32).fill(0xcc)));
    const answers = await node.put({ item: other, signal: NEVER });
    assert.deepEqual(Object.keys(kinds(answers)), ["other"]);
    for (const { outcome } of answers) {
      assert.ok(outcome.kind === "other" && toHex(outcome.holds.value) === toHex(OURS.value));
    }
    assert.equal((await swarm.dhtGet()).signature, SEQ_1_SIGNATURE);
  });

  await t.step("an expired token costs one more question", async () => {
    const { holders } = await node.getItem({ publicKey: OURS.publicKey, salt: DAILY, signal: NEVER });
    const expired = holders.map((holder) => ({ ...holder, token: Uint8Array.of(1, 2, 3, 4) }));
    const answers = await node.put({ item: OURS, holders: expired, signal: NEVER });
    assert.deepEqual([kinds(answers).stored?.length, holders.length], [8, 8]);
  });

  await t.step("a wrong signature", async () => {
    const forged = { ...signed(2, OURS.value), signature: OURS.signature };
    for (const { outcome } of await node.put({ item: forged, signal: NEVER })) {
      assert.deepEqual(outcome, { kind: "refused", code: 206, text: "invalid signature" });
    }
  });

  await t.step("a newer seq", async () => {
    const newer = signed(5, encode(new Uint8Array(32).fill(0xcc)));
    await swarm.dhtPutRaw(raw(newer));
    const answers = await node.put({ item: signed(4, OURS.value), signal: NEVER });
    assert.equal(answers.length, 8);
    for (const { outcome } of answers) {
      assert.ok(outcome.kind === "refused" && outcome.holds !== undefined);
      assert.deepEqual([outcome.code, outcome.text, outcome.holds.seq], [302, "old sequence number", 5]);
    }
  });

  await t.step("nodes that died since", async () => {
    const { holders } = await node.getItem({ publicKey: OURS.publicKey, salt: DAILY, signal: NEVER });
    const [dead] = holders;
    await swarm.stopDhtNode(swarm.dhtPorts.indexOf(dead!.port));
    const answers = await node.put({ item: signed(6, OURS.value), holders, signal: NEVER });
    assert.deepEqual([kinds(answers).silent?.map(({ node }) => node.port), kinds(answers).stored?.length], [
      [dead!.port],
      7,
    ]);
  });
});

Deno.test({
  name: "put() of the largest value and salt that BEP 44 allows",
  ignore: need("libtorrent"),
}, async () => {
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 4 });
  await using node = await open(swarm);
  const salt = new Uint8Array(64).fill(0x73);
  const value = encode(new Uint8Array(996).fill(7));
  assert.equal(value.length, 1000);
  const signature = signItem(parseHex(SEED)!, { salt, seq: 1, value });
  const item = { publicKey: parseHex(TEST_KEY)!, salt, seq: 1, value, signature };
  assert.ok(kinds(await node.put({ item, signal: NEVER })).stored?.length === 4);
});

/** The archive's folder, its key file, and calls of the program there. */
class Producer implements AsyncDisposable {
  readonly archive: string;
  /** Everything that any run wrote to stdout or stderr. */
  said = "";

  private constructor(readonly temp: TempDir, readonly bootstrap: string) {
    this.archive = temp.join("nano-ledger-snapshot.7z");
  }

  static async open(bootstrap: string): Promise<Producer> {
    const producer = new Producer(await tempDir(), bootstrap);
    await producer.write(0x11);
    await Deno.writeTextFile(producer.temp.join("key"), SEED + "\n", { mode: 0o600 });
    return producer;
  }

  /** A small archive of one repeated byte. */
  async write(byte: number): Promise<void> {
    await Deno.writeFile(this.archive, new Uint8Array(300_000).fill(byte));
  }

  async publish(more: readonly string[] = [], env: Record<string, string> = {}): Promise<ProgramResult> {
    const key = "DHT_PRIVATE_KEY" in env || more.includes("--key-file")
      ? []
      : ["--key-file", this.temp.join("key")];
    const dht = more.includes("--dht-bootstrap") ? [] : ["--dht-bootstrap", this.bootstrap];
    const file = more.some((word) => word.startsWith("/")) && more[0]!.startsWith("/") ? [] : [this.archive];
    const args = ["produce", "publish", ...file, ...more, ...key, ...dht, "--bind", "127.0.0.1"];
    await using program = nanoSnap(args, 60_000, env);
    const result = await program.finished();
    this.said += result.stdout + result.stderr;
    return result;
  }

  async json(name: string): Promise<Record<string, unknown>> {
    return JSON.parse(await Deno.readTextFile(this.temp.join(name)));
  }

  async names(): Promise<string[]> {
    return (await Array.fromAsync(Deno.readDir(this.temp.path))).map(({ name }) => name).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.temp[Symbol.asyncDispose]();
  }
}

const lines = ({ stdout }: ProgramResult) =>
  Object.fromEntries(stdout.trimEnd().split("\n").map((line) => line.split("=") as [string, string]));

Deno.test({
  name:
    "produce publish: libtorrent reads the pointer; the same file again is refreshed, another one goes above",
  ignore: need("libtorrent"),
}, async (t) => {
  await using swarm = await LibtorrentSwarm.start({ dhtNodes: 10 });
  await using producer = await Producer.open(swarm.bootstrap());

  await t.step("a dry run puts nothing and keeps no seq", async () => {
    const result = await producer.publish(["--dry-run"]);
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(Object.keys(lines(result)), ["info_hash_v1", "info_hash", "seq", "dry_run"]);
    assert.equal((await swarm.dhtGet()).seq, 0);
    assert.ok(!(await producer.names()).includes("publisher_state.json"));
  });

  let first: Record<string, string> = {};
  await t.step("a first publication", async () => {
    const result = await producer.publish();
    assert.equal(result.code, 0, result.stderr);
    first = lines(result);
    assert.deepEqual(Object.keys(first), ["info_hash_v1", "info_hash", "seq"]);
    const read = await swarm.dhtGet();
    assert.deepEqual([read.seq, read.v, first["seq"]], [1, `33323a${first["info_hash"]}`, "1"]);
    const torrent = await swarm.createTorrent({
      path: producer.archive,
      torrent: producer.temp.join("theirs.torrent"),
      xSnapshot: { original_filename: "nano-ledger-snapshot.7z" },
    });
    assert.deepEqual([torrent.v1, torrent.v2], [first["info_hash_v1"], first["info_hash"]]);
    const { downloaded_at: downloadedAt, nano_snap: _, ...meta } = await producer.json("snapshot-meta.json");
    assert.deepEqual(meta, {
      original_filename: "nano-ledger-snapshot.7z",
      sha256: sha256OfFile(producer.archive),
      size_bytes: 300_000,
      torrent_format_version: 3,
      torrent_info_hash: first["info_hash"],
      torrent_info_hash_v1: first["info_hash_v1"],
    });
    assert.match(String(downloadedAt), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const state = await producer.json("publisher_state.json");
    assert.deepEqual([state["last_dht_seq"], state["last_dht_info_hash"]], [1, first["info_hash"]]);
  });

  await t.step("again: the torrent is used again, and the same signature refreshed", async () => {
    const { signature } = await swarm.dhtGet();
    const result = await producer.publish(["--json"], { DHT_PRIVATE_KEY: SEED + SEED });
    assert.equal(result.code, 0, result.stderr);
    const answer = JSON.parse(result.stdout);
    assert.deepEqual([answer.seq, answer.refreshed, answer.dht_nodes_stored, answer.read_back], [
      1,
      true,
      8,
      true,
    ]);
    assert.deepEqual([answer.info_hash, answer.public_key], [first["info_hash"], TEST_KEY]);
    assert.match(result.stderr, /used again/);
    assert.deepEqual([(await swarm.dhtGet()).signature, (await swarm.dhtGet()).seq], [signature, 1]);
  });

  await t.step("another file, with keys of others in its state files", async () => {
    const meta = await producer.json("snapshot-meta.json");
    await Deno.writeTextFile(
      producer.temp.join("snapshot-meta.json"),
      JSON.stringify({ ...meta, theirs: 1 }),
    );
    await producer.write(0x22);
    const result = await producer.publish();
    assert.equal(result.code, 0, result.stderr);
    const { info_hash: hash, seq } = lines(result);
    assert.notEqual(hash, first["info_hash"]);
    const read = await swarm.dhtGet();
    assert.deepEqual([read.seq, read.v, seq], [2, `33323a${hash}`, "2"]);
    assert.equal((await producer.json("snapshot-meta.json"))["theirs"], 1);
    assert.equal((await producer.json("publisher_state.json"))["last_seq"], 2);
  });

  await t.step("another producer with the same key is named, and superseded", async () => {
    await swarm.dhtPutRaw(raw(signed(40, encode(new Uint8Array(32).fill(0xcc)))));
    const result = await producer.publish();
    assert.equal(result.code, 0, result.stderr);
    assert.match(
      result.stderr,
      /Another producer uses this key: seq 40 .* names c{16}…, and our last seq is 2/,
    );
    assert.deepEqual([lines(result)["seq"], (await swarm.dhtGet()).seq], ["41", 41]);
  });

  await t.step("two values at one seq are superseded too", async () => {
    const twin = signed(50, encode(new Uint8Array(32).fill(0xcc)));
    await swarm.dhtPutRaw({ ...raw(twin), nodes: [0, 1, 2, 3, 4] });
    const other = signed(50, encode(new Uint8Array(32).fill(0xdd)));
    await swarm.dhtPutRaw({ ...raw(other), nodes: [5, 6, 7, 8, 9] });
    const result = await producer.publish();
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stderr, /two different values are signed with this key at seq 50/);
    assert.equal((await swarm.dhtGet()).seq, 51);
  });

  await t.step("under another salt it begins anew", async () => {
    const state = producer.temp.join("weekly.json");
    const result = await producer.publish([], { DHT_SALT: "weekly", PUBLISHER_STATE_FILE: state });
    assert.equal(result.code, 0, result.stderr);
    await using reader = await open(swarm);
    const read = await reader.getItem({ publicKey: OURS.publicKey, salt: utf8("weekly"), signal: NEVER });
    assert.deepEqual([lines(result)["seq"], read.item?.seq], ["1", 1]);
  });

  assert.ok(!producer.said.includes(SEED), "the key is never shown");
});

/** A DHT of nodes that know one another, give tokens, and answer puts in their own way. */
class ScriptedDht implements Disposable {
  readonly #sockets: Socket[] = [];
  readonly bootstrap: string;
  puts = 0;

  private constructor(ports: number[]) {
    this.bootstrap = ports.map((port) => `127.0.0.1:${port}`).join(",");
  }

  static async start(count: number, onPut: () => Encodable | undefined): Promise<ScriptedDht> {
    const sockets = Array.from({ length: count }, () => createSocket("udp4"));
    await Promise.all(sockets.map((socket) => new Promise<void>((up) => socket.bind(0, "127.0.0.1", up))));
    const ports = sockets.map((socket) => socket.address().port);
    const dht = new ScriptedDht(ports);
    const ids = ports.map((_, i) => new Uint8Array(20).fill(i + 1));
    const nodes = Uint8Array.from(
      ports.flatMap((port, i) => [...ids[i]!, 127, 0, 0, 1, port >> 8, port & 0xff]),
    );
    sockets.forEach((socket, i) => {
      dht.#sockets.push(socket);
      socket.on("message", (bytes, from) => {
        const query = decodeDict(new Uint8Array(bytes), { mode: "lenient" });
        const t = query.bytes("t")!;
        const isPut = toHex(query.bytes("q") ?? utf8("")) === toHex(utf8("put"));
        if (isPut) dht.puts++;
        const answer = isPut
          ? onPut()
          : { t, y: "r", r: { id: ids[i]!, nodes: nodes.subarray(0, 208), token: "token" } };
        if (answer === undefined) return;
        const message = isPut ? { t, r: { id: ids[i]! }, ...answer as Record<string, Encodable> } : answer;
        socket.send(encode(message), from.port, from.address);
      });
    });
    return dht;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.close();
  }
}

Deno.test("produce publish that nobody stores is not published, and says what each node said", async () => {
  const cases: [() => Encodable | undefined, RegExp][] = [
    [
      () => ({ y: "e", e: [203, "invalid token"] }),
      /no DHT node stored it; 3 refused it \(203 invalid token\)/,
    ],
    [() => ({ y: "r" }), /no DHT node stored it; 3 said yes without having it afterwards/],
    [() => undefined, /no DHT node stored it; 3 did not answer/],
  ];
  for (const [onPut, said] of cases) {
    using dht = await ScriptedDht.start(3, onPut);
    await using producer = await Producer.open(dht.bootstrap);
    const result = await producer.publish(["--json"]);
    assert.equal(result.code, 8, result.stderr);
    assert.match(result.stderr.trimEnd().split("\n").at(-1)!, said);
    assert.equal(JSON.parse(result.stdout).error.exit_code, 8);
    const state = await producer.json("publisher_state.json");
    assert.deepEqual([state["last_dht_seq"], state["reserved_dht_seq"]], [undefined, 1]);
    assert.ok(dht.puts >= 3);
  }
});

Deno.test("produce publish without any DHT node exits 8 and reserves nothing", async () => {
  const socket = createSocket("udp4");
  await new Promise<void>((up) => socket.bind(0, "127.0.0.1", up));
  try {
    await using producer = await Producer.open(`127.0.0.1:${socket.address().port}`);
    const result = await within(producer.publish(), 40_000, "its end");
    assert.equal(result.code, 8, result.stderr);
    assert.match(result.stderr, /Cannot publish: no DHT node answered; check that UDP gets out/);
    assert.equal(result.stdout, "");
    assert.ok(!(await producer.names()).includes("publisher_state.json"));
  } finally {
    socket.close();
  }
});

Deno.test("produce publish with bad input: one sentence, the right exit code, nothing put, no key shown", async (t) => {
  using dht = await ScriptedDht.start(3, () => ({ y: "r" }));
  await using producer = await Producer.open(dht.bootstrap);
  const at = (name: string) => producer.temp.join(name);
  await Deno.writeTextFile(at("short"), SEED.slice(2), { mode: 0o600 });
  await Deno.writeTextFile(at("long"), SEED + "00", { mode: 0o600 });
  await Deno.writeTextFile(at("words"), `key: ${SEED}`, { mode: 0o600 });
  await Deno.writeFile(at("empty.7z"), new Uint8Array());
  await Deno.mkdir(at("folder"));
  await Deno.mkdir(at("torn"));
  await Deno.writeFile(at("torn/a.7z"), new Uint8Array(100));
  await Deno.writeTextFile(at("torn/publisher_state.json"), '{"last_dht_seq": 7');
  const ours = producer.archive;
  const cases: [what: string, code: number, said: RegExp, more: string[], env?: Record<string, string>][] = [
    ["a key too short", 2, /64 or 128 hex digits, not 62 of them/, [ours, "--key-file", at("short")]],
    ["a key too long", 2, /64 or 128 hex digits, not 66 of them/, [ours, "--key-file", at("long")]],
    ["a key with words", 2, /64 or 128 hex digits, not something else/, [ours, "--key-file", at("words")]],
    ["no key file", 6, /Cannot read the key file .*: no such file/, [ours, "--key-file", at("none")]],
    ["a folder as key file", 6, /Cannot read/, [ours, "--key-file", at("folder")]],
    ["a bad key variable", 2, /DHT_PRIVATE_KEY must hold/, [ours], { DHT_PRIVATE_KEY: SEED.slice(2) }],
    ["no key at all", 2, /There is no private key/, [ours], { DHT_PRIVATE_KEY: "" }],
    ["a key on the command line", 2, /--private-key/, [ours, "--private-key", SEED]],
    ["no such archive", 6, /no such file/, [at("none.7z")]],
    ["a folder as archive", 6, /it is a folder/, [at("folder")]],
    ["an empty archive", 6, /it is empty/, [at("empty.7z")]],
    ["a torn state file", 6, /the last seq is unknown/, [at("torn/a.7z")]],
    ["a long salt", 2, /--salt must be at most 64 bytes/, [ours, "--salt", "x".repeat(65)]],
  ];
  for (const [what, code, said, more, env] of cases) {
    await t.step(what, async () => {
      const result = await producer.publish(more, env);
      assert.equal(result.code, code, result.stderr);
      const told = result.stderr.trimEnd().split("\n");
      assert.match(told.at(-1)!, said);
      assert.match(told.at(-1)!, /^nano-snap: /);
      assert.equal(result.stdout, "");
    });
  }
  assert.equal(dht.puts, 0);
  assert.ok(
    !producer.said.includes(SEED) && !producer.said.includes(SEED.slice(2)),
    "the key is never shown",
  );
  assert.ok(!(await producer.names()).includes(join("publisher_state.json")));
});
