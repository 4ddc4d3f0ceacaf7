// Files to look at, on a real disk: a small ledger with a node's tables, archives and torrents of it, and the commands
// run on them as a user would.

import { join } from "node:path";
import zlib from "node:zlib";
import { runCli } from "../../lib/cli/program.ts";
import { parseHex } from "../../lib/bytes.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { SystemMachine } from "../../lib/io/machine.ts";
import { type Entry, LmdbWriter } from "../../lib/producer/lmdb_writer.ts";
import { encodeTorrent } from "../../lib/torrent/metainfo.ts";
import { emptyContext } from "../cli/programs.ts";
import { buildTorrent, type TorrentPlan } from "../torrent/torrent_builder.ts";

export const PIECE = 16_384;
const GENESIS = parseHex("991CF190094C00F0B68E2E5F75F6BEE95A2E0BD93CEAA4A6734DB9F19B728948")!;

export class InspectWorld implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "nano-snap-inspect-" });

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  /** data.ldb: 400 blocks, 50 accounts, 350 of the blocks cemented. */
  async ledger(): Promise<string> {
    const path = this.path("data.ldb");
    const file = systemFiles.open(path, "create");
    const writer = new LmdbWriter(file);
    const accounts = Array.from({ length: 50 }, (_, i) => keyOf(i));
    const blocks = [GENESIS, ...Array.from({ length: 399 }, (_, i) => keyOf(1000 + i))].sort(compare);
    await writer.table("accounts", accounts.map((key): Entry => [key, accountInfo(8)]));
    await writer.table("blocks", blocks.map((key): Entry => [key, new Uint8Array(216).fill(key[1]!)]));
    await writer.table("confirmation_height", accounts.map((key): Entry => [key, height(7)]));
    await writer.table("meta", [[u256(1), u256(24)]]);
    await writer.end();
    file.close();
    return path;
  }

  /** data.ldb.gz of it: the one archive that needs no other program. */
  async archive(): Promise<string> {
    const path = `${await this.ledger()}.gz`;
    Deno.writeFileSync(path, zlib.gzipSync(Deno.readFileSync(this.path("data.ldb"))));
    return path;
  }

  /** A torrent of one file that is there. */
  torrent(name: string, plan: Partial<TorrentPlan> = {}): string {
    const file = { path: [], data: Deno.readFileSync(this.path(name)) };
    return this.torrentOf({ kind: "hybrid", name, pieceLength: PIECE, files: [file], ...plan });
  }

  torrentOf(plan: TorrentPlan): string {
    const { infoBytes, pieceLayers } = buildTorrent(plan);
    const path = this.path(`${plan.name}.torrent`);
    Deno.writeFileSync(path, encodeTorrent({ infoBytes, pieceLayers, trackers: [] }));
    return path;
  }

  /** Flips bits of one byte. */
  spoil(name: string, at: number): void {
    const file = systemFiles.open(this.path(name), "write");
    const byte = new Uint8Array(1);
    file.readAt(byte, at);
    file.writeAt(new Uint8Array([byte[0]! ^ 0x5a]), at);
    file.close();
  }

  /** Everything below the root, so that a test can see that nothing was written. */
  names(): string[] {
    return [...Deno.readDirSync(this.root)].map(({ name }) => name).toSorted();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

/** Runs words on this machine. */
export async function run(...words: string[]): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const heard = { stdout: "", stderr: "" };
  const machine = new SystemMachine("nano-snap test");
  const context = emptyContext(heard, { clock: machine.clock, machine: () => Promise.resolve(machine) });
  const exitCode = await runCli(words, context);
  return { ...heard, exitCode };
}

function keyOf(i: number): Uint8Array {
  const key = new Uint8Array(32).fill(7);
  new DataView(key.buffer).setUint32(0, i * 4001);
  return key;
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const place = a.findIndex((byte, i) => byte !== b[i]);
  return place < 0 ? 0 : a[place]! - b[place]!;
}

function accountInfo(blocks: number): Uint8Array {
  const info = new Uint8Array(129);
  info[120] = blocks;
  return info;
}

function height(blocks: number): Uint8Array {
  const value = new Uint8Array(40);
  value[0] = blocks;
  return value;
}

function u256(value: number): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes[31] = value;
  return bytes;
}
