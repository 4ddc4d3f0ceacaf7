// A ledger to publish: a real LMDB file, written by LMDB's own mdb_load, with Nano's tables and record shapes, and its
// archives by 7-Zip and by tar + zstd. Keys are random, so pages split and fill as in a live node's ledger; hashes and
// signatures are random, accounts and balances repeat, so it packs to about half, as the real one does.
// The same size gives the same bytes. A size is built once per process, whose end removes it.

import { createCipheriv } from "node:crypto";
import { join } from "node:path";
import { mustRun, sha256OfFile } from "./support.ts";

/** What a reader of the ledger must find. */
export interface LedgerFacts {
  readonly version: number;
  readonly blockCount: number;
  readonly accountCount: number;
  readonly cementedCount: number;
  readonly network: "live";
}

export interface LedgerFixture {
  /** Path of `data.ldb`. */
  readonly path: string;
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
  readonly facts: LedgerFacts;
  /** Path of an archive of it, built at the first call. The .7z is named as the stream's torrent is. */
  archive(kind: ArchiveKind): Promise<string>;
}

export type ArchiveKind = "7z" | "tar.zst" | "ldb.zst";

/** 166 MB of pages: over the 150 MB that the tests promise, and 4 pieces of 32 MiB once packed. */
export const DEFAULT_BLOCKS = 270_000;

const LEDGER_VERSION = 24;
/** The live network's genesis block: what tells a ledger's network. */
const GENESIS = "991cf190094c00f0b68e2e5f75f6bee95a2e0bd93ceaa4a6734db9f19b728948";
const BLOCKS_PER_ACCOUNT = 8;
/** So that some heights are not cemented. */
const CEMENTED_SHARE = 0.75;

const ZERO_BLOCK = new Uint8Array(1 << 20);
const HEX_BATCH = 4096;

const built = new Map<number, Promise<LedgerFixture>>();
const folders: string[] = [];

globalThis.addEventListener("unload", () => {
  for (const folder of folders) Deno.removeSync(folder, { recursive: true });
});

/** The ledger with that many blocks (at least 100), ready to publish. */
export function ledgerFixture(blocks = DEFAULT_BLOCKS): Promise<LedgerFixture> {
  let fixture = built.get(blocks);
  if (fixture === undefined) {
    fixture = build(blocks);
    built.set(blocks, fixture);
  }
  return fixture;
}

async function build(blocks: number): Promise<LedgerFixture> {
  const folder = await fastFolder();
  folders.push(folder);
  const path = join(folder, "data.ldb");
  const accounts = Math.floor(blocks / BLOCKS_PER_ACCOUNT);
  const cemented = cementedHeights(accounts);
  const tables: [string, Iterable<string>][] = [
    ["accounts", accountRecords(accounts, blocks)],
    ["blocks", blockRecords(blocks)],
    ["confirmation_height", confirmationRecords(accounts, cemented)],
    ["meta", [...entry(u256(1), u256(LEDGER_VERSION))]],
  ];
  for (const [table, records] of tables) {
    await mustRun("mdb_load", ["-n", path], { stdin: dumpStream(table, records), deadlineMs: 120_000 });
  }
  await Deno.remove(path + "-lock").catch(() => {});
  const archives = new Map<ArchiveKind, Promise<string>>();
  return {
    path,
    size: (await Deno.stat(path)).size,
    sha256: sha256OfFile(path),
    facts: {
      version: LEDGER_VERSION,
      blockCount: blocks,
      accountCount: accounts,
      cementedCount: cemented.reduce((sum, height) => sum + height, 0),
      network: "live",
    },
    archive: (kind) => {
      let archive = archives.get(kind);
      if (archive === undefined) {
        archive = pack(folder, kind);
        archives.set(kind, archive);
      }
      return archive;
    },
  };
}

/** mdb_load syncs after each 100 records; in memory that costs nothing. */
async function fastFolder(): Promise<string> {
  try {
    return await Deno.makeTempDir({ prefix: "nano-snap-ledger-", dir: "/dev/shm" });
  } catch {
    return await Deno.makeTempDir({ prefix: "nano-snap-ledger-" });
  }
}

async function pack(folder: string, kind: ArchiveKind): Promise<string> {
  const options = { cwd: folder, deadlineMs: 180_000 };
  if (kind === "7z") {
    // LZMA2 at its fastest: the decoder's work is the same in kind.
    await mustRun("7zz", ["a", "-mx=1", "-bso0", "-bsp0", "nano-ledger-snapshot.7z", "data.ldb"], options);
    return join(folder, "nano-ledger-snapshot.7z");
  }
  if (kind === "ldb.zst") {
    await mustRun("zstd", ["-q", "-1", "-T2", "data.ldb", "-o", "data.ldb.zst"], options);
    return join(folder, "data.ldb.zst");
  }
  await mustRun("tar", ["-cf", "snapshot.tar", "data.ldb"], options);
  await mustRun(
    "zstd",
    ["-q", "-1", "-T2", "--rm", "snapshot.tar", "-o", "nano-ledger-snapshot.tar.zst"],
    options,
  );
  return join(folder, "nano-ledger-snapshot.tar.zst");
}

/** mdb_dump's format: the only one in which mdb_load takes a map size. */
function dumpStream(table: string, records: Iterable<string>): ReadableStream<Uint8Array> {
  const header = `VERSION=3\nformat=bytevalue\ndatabase=${table}\ntype=btree\nmapsize=${16 * 2 ** 30}\n` +
    `maxreaders=126\ndb_pagesize=4096\nHEADER=END\n`;
  return ReadableStream.from(chunks(header, records)).pipeThrough(new TextEncoderStream());
}

function* chunks(header: string, records: Iterable<string>): Generator<string> {
  yield header;
  let batch: string[] = [];
  for (const line of records) {
    batch.push(line);
    if (batch.length < HEX_BATCH) continue;
    yield batch.join("");
    batch = [];
  }
  yield batch.join("") + "DATA=END\n";
}

/** A record in mdb_dump's two lines. */
function* entry(keyHex: string, valueHex: string): Generator<string> {
  yield ` ${keyHex}\n ${valueHex}\n`;
}

/** Random-keyed state blocks with their sideband, 322 bytes; the first is the genesis block. */
function* blockRecords(count: number): Generator<string> {
  const random = new HexStream("blocks");
  for (let i = 0; i < count; i++) {
    const key = i === 0 ? GENESIS : random.take(32);
    const account = accountKey(i % Math.max(1, Math.floor(count / BLOCKS_PER_ACCOUNT)));
    const representative = accountKey(i % 64);
    const balance = "0000000000" + random.take(11);
    const block = "06" + account + random.take(32) + representative + balance + random.take(32);
    const proof = random.take(64) + random.take(8);
    const sideband = random.take(32) + u64be(i % BLOCKS_PER_ACCOUNT) + u64be(1_600_000_000 + i) + balance +
      "0000".repeat(16);
    yield* entry(key, block + proof + sideband);
  }
}

/** 129 bytes each; the block counts add up to the number of blocks. */
function* accountRecords(count: number, blocks: number): Generator<string> {
  const random = new HexStream("accounts");
  for (let i = 0; i < count; i++) {
    const own = i === 0 ? blocks - (count - 1) * BLOCKS_PER_ACCOUNT : BLOCKS_PER_ACCOUNT;
    const hashes = random.take(32) + accountKey(i % 64) + random.take(32);
    const balance = "0000000000" + random.take(11);
    yield* entry(accountKey(i), hashes + balance + u64le(1_600_000_000 + i) + u64le(own) + "02");
  }
}

function* confirmationRecords(count: number, heights: readonly number[]): Generator<string> {
  const random = new HexStream("confirmation_height");
  for (let i = 0; i < count; i++) yield* entry(accountKey(i), u64le(heights[i] ?? 0) + random.take(32));
}

function cementedHeights(accounts: number): number[] {
  const cemented = Math.floor(accounts * CEMENTED_SHARE);
  return Array.from(
    { length: accounts },
    (_, i) => i < cemented ? BLOCKS_PER_ACCOUNT : BLOCKS_PER_ACCOUNT - 1,
  );
}

let accountHex = "";
/** The i-th account's random key, the same in every table. */
function accountKey(i: number): string {
  if (accountHex.length < (i + 1) * 64) {
    accountHex = new HexStream("keys").take(Math.max(1 << 22, (i + 1) * 64));
  }
  return accountHex.slice(i * 64, (i + 1) * 64);
}

/** An endless stream of bytes that look random and depend on the name only, in hex. AES is faster than any loop. */
class HexStream {
  readonly #cipher;
  #hex = "";
  #at = 0;

  constructor(name: string) {
    const key = new Uint8Array(32);
    new TextEncoder().encodeInto(`nano-snap ${name}`, key);
    this.#cipher = createCipheriv("aes-256-ctr", key, new Uint8Array(16));
  }

  take(bytes: number): string {
    while (this.#at + bytes * 2 > this.#hex.length) {
      this.#hex = this.#hex.slice(this.#at) + this.#cipher.update(ZERO_BLOCK).toString("hex");
      this.#at = 0;
    }
    this.#at += bytes * 2;
    return this.#hex.slice(this.#at - bytes * 2, this.#at);
  }
}

function u64be(value: number): string {
  return value.toString(16).padStart(16, "0");
}

function u64le(value: number): string {
  return (u64be(value).match(/../g) ?? []).reverse().join("");
}

function u256(value: number): string {
  return value.toString(16).padStart(64, "0");
}
