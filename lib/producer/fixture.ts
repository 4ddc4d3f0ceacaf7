// A snapshot to try things out with: a ledger with a node's tables and the shapes of its records, filled with chance, and
// packed like a real one. Every reader of ledgers takes it; no node does anything with it, and it never says that it is
// of the live network.

import { createCipheriv } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { Interrupted, PathUnusable } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatBytes } from "../format.ts";
import type { Files, Random } from "../ports.ts";
import { nextTurn } from "../turn.ts";
import { type Entry, LmdbWriter } from "./lmdb_writer.ts";
import { packLedger, type PackMachine, refuseForSpace } from "./pack.ts";
import { LEDGER_NAME, type PackFormat } from "./packer.ts";

export interface FixtureOptions {
  /** Bytes of the ledger, about. */
  readonly size: number;
  readonly format: PackFormat;
  /** The file to make. */
  readonly out: string;
  /** Replaces what is there. */
  readonly force: boolean;
}

/** What was made. */
export interface Fixture {
  readonly path: string;
  /** Bytes of the file, and of the ledger in it. */
  readonly size: number;
  readonly ledgerSize: number;
  readonly blocks: number;
  readonly accounts: number;
}

export interface FixtureMachine extends PackMachine {
  readonly random: Random;
  readonly files: Files;
}

/**
 * Makes it.
 *
 * @throws {PathUnusable} When something is there already. @throws {NotEnoughSpace} @throws The signal's reason. Nothing is
 *   left behind.
 */
export async function makeFixture(
  options: FixtureOptions,
  machine: FixtureMachine,
  report: Report,
  signal: AbortSignal,
): Promise<Fixture> {
  const { files } = machine;
  const { out, format, size } = options;
  if (!options.force && files.stat(out) !== undefined) {
    throw new PathUnusable(
      `Cannot make a fixture in ${out}: something is there already (--force replaces it)`,
    );
  }
  if (files.stat(out)?.kind === "directory") {
    throw new PathUnusable(`Cannot make a fixture in ${out}: it is a folder`);
  }
  const folder = join(dirname(out), `.${basename(out)}.making`);
  refuseForSpace(files, dirname(out), format === "ldb" ? size : 2 * size, "make a fixture");
  files.removeAll(folder);
  files.makeDir(folder);
  try {
    const ledger = join(folder, LEDGER_NAME);
    const counts = await writeLedger(ledger, size, machine, report, signal);
    const ledgerSize = files.stat(ledger)!.size;
    if (format === "ldb") files.rename(ledger, out);
    else await packLedger({ ledger, into: out, format }, machine, report, signal);
    const made = { path: out, size: files.stat(out)!.size, ledgerSize, ...counts };
    const text = `Made ${out}: ${formatBytes(made.size)}, a ledger of ${formatBytes(ledgerSize)} of chance`;
    report({ kind: "note", level: "info", logger: "producer.fixture", text });
    return made;
  } catch (error) {
    if (!(signal.reason instanceof Interrupted)) throw error;
    const by = signal.reason.signal;
    throw new Interrupted(by, `Stopped by ${by}: nothing is left of it, and the same command begins anew`);
  } finally {
    files.removeAll(folder);
  }
}

async function writeLedger(
  path: string,
  size: number,
  { files, random }: FixtureMachine,
  report: Report,
  signal: AbortSignal,
): Promise<{ blocks: number; accounts: number }> {
  const blocks = Math.max(BLOCKS_PER_ACCOUNT, Math.floor(size / BYTES_PER_BLOCK));
  const accounts = Math.floor(blocks / BLOCKS_PER_ACCOUNT);
  const chance = new Chance(random.bytes(32));
  const accountSeed = random.bytes(32);
  const file = files.open(path, "create");
  try {
    const writer = new LmdbWriter(file, async () => {
      report({ kind: "work", label: "Writing", doneBytes: Math.min(writer.size, size), totalBytes: size });
      // Who wants it to end is heard only when nothing else runs.
      await nextTurn();
      signal.throwIfAborted();
    });
    await writer.table("accounts", accountEntries(accounts, blocks, accountSeed, chance));
    await writer.table("confirmation_height", heightEntries(accounts, blocks, accountSeed, chance));
    await writer.table("meta", [[u256(1), u256(LEDGER_VERSION)]]);
    await writer.table("blocks", blockEntries(blocks, accounts, chance));
    await writer.end();
    return { blocks, accounts };
  } finally {
    file.close();
  }
}

/** head, representative, open block, balance, time, block count, epoch: 129 bytes. */
function* accountEntries(count: number, blocks: number, seed: Uint8Array, chance: Chance): Generator<Entry> {
  const names = new Chance(seed);
  for (let i = 0; i < count; i++) {
    const data = new Uint8Array(129);
    const view = new DataView(data.buffer);
    data.set(chance.take(96));
    data.set(chance.take(8), 104);
    view.setBigUint64(112, BigInt(FIRST_SECOND + i), true);
    view.setBigUint64(120, BigInt(blocksOf(i, count, blocks)), true);
    data[128] = 2;
    yield [spreadKey(i, count, names), data];
  }
}

/** height, frontier: all but the newest block of every fourth account is confirmed. */
function* heightEntries(count: number, blocks: number, seed: Uint8Array, chance: Chance): Generator<Entry> {
  const names = new Chance(seed);
  for (let i = 0; i < count; i++) {
    const data = new Uint8Array(40);
    new DataView(data.buffer).setBigUint64(
      0,
      BigInt(blocksOf(i, count, blocks) - (i % 4 === 0 ? 1 : 0)),
      true,
    );
    data.set(chance.take(32), 8);
    yield [spreadKey(i, count, names), data];
  }
}

/** A state block and its sideband, 322 bytes; about half of it is chance, as of a real one. */
function* blockEntries(count: number, accounts: number, chance: Chance): Generator<Entry> {
  for (let i = 0; i < count; i++) {
    const data = new Uint8Array(322);
    const view = new DataView(data.buffer);
    data[0] = 6;
    view.setUint32(1, i % accounts);
    data.set(chance.take(32), 33);
    view.setUint32(65, i % 64);
    data.set(chance.take(11), 102);
    data.set(chance.take(104), 113);
    view.setBigUint64(281, BigInt(FIRST_SECOND + i));
    yield [spreadKey(i, count, chance), data];
  }
}

/** The first account has what is left over. */
function blocksOf(account: number, accounts: number, blocks: number): number {
  return account === 0 ? blocks - (accounts - 1) * BLOCKS_PER_ACCOUNT : BLOCKS_PER_ACCOUNT;
}

/** 32 bytes that grow with `i`, spread over all there are, chance behind the first six. */
function spreadKey(i: number, count: number, chance: Chance): Uint8Array {
  const key = new Uint8Array(32);
  const place = Math.floor(i * (2 ** 48 / count));
  const view = new DataView(key.buffer);
  view.setUint32(0, Math.floor(place / 2 ** 16));
  view.setUint16(4, place % 2 ** 16);
  key.set(chance.take(26), 6);
  return key;
}

function u256(value: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(28, value);
  return bytes;
}

/** An endless stream of bytes out of 32: AES is faster than any loop, and nothing compresses what it makes. */
class Chance {
  readonly #cipher;
  #bytes = new Uint8Array();
  #at = 0;

  constructor(seed: Uint8Array) {
    this.#cipher = createCipheriv("aes-256-ctr", seed, new Uint8Array(16));
  }

  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) {
      this.#bytes = new Uint8Array(this.#cipher.update(ZEROS));
      this.#at = 0;
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

const ZEROS = new Uint8Array(1 << 18);
/** What nodes of 2025 write. */
const LEDGER_VERSION = 24;
const BLOCKS_PER_ACCOUNT = 8;
/** 11 blocks of 362 bytes fill a page; an eighth of the accounts' two records, and the branches, come on top. */
const BYTES_PER_BLOCK = 4096 / 11 + (129 + 40 + 100) / 8 + 5;
const FIRST_SECOND = 1_700_000_000;
