// What a ledger says about itself, from a handful of pages: its version, how much is in it, which network it is of.
// Nothing is counted by walking; the tables' own records know.

import { utf8 } from "../bytes.ts";
import { VerificationFailed } from "../errors.ts";
import type { OpenFile } from "../ports.ts";
import { VALUE_IS_TABLE } from "./lmdb_format.ts";
import { LmdbPages } from "./lmdb_pages.ts";
import { type LedgerNetwork, networkOf } from "./networks.ts";

/** Names as `inspect --json` prints them. Counts are undefined where the file has no such table. */
export interface LedgerFacts {
  /** The node's ledger version, for example 24; undefined when the file is LMDB but no node's ledger. */
  readonly version: number | undefined;
  /** Entries of `blocks` and, where there is one, `pruned`. */
  readonly block_count: number | undefined;
  readonly account_count: number | undefined;
  /** The sum of all confirmation heights: needs a full walk, which this is not. */
  readonly cemented_count: number | undefined;
  /** By the genesis block. */
  readonly network: LedgerNetwork;
  readonly page_size: number;
  readonly last_transaction: number;
  /** Bytes of the file. */
  readonly size: number;
  /** Sentences about what is odd but no error. */
  readonly warnings: readonly string[];
}

/**
 * Reads the quick facts. Blocking, a few dozen page reads at most.
 *
 * @throws {VerificationFailed} When it is no LMDB file, or a page that is needed is missing or damaged.
 */
export function readLedgerFacts(file: OpenFile): LedgerFacts {
  const pages = new LmdbPages(file);
  const { size } = file.facts();
  const { pageSize, lastPage, transaction } = pages.meta;
  const warnings: string[] = [];
  const needed = (lastPage + 1) * pageSize;
  if (size < needed) warnings.push(`${file.path} has ${size} bytes, its last page ends at ${needed}`);

  const accounts = pages.table(utf8("accounts"));
  const blocks = pages.table(utf8("blocks"));
  const pruned = pages.table(utf8("pruned"));
  const version = ledgerVersion(pages, file.path);
  if (version === undefined) warnings.push(`${file.path} is an LMDB file but no ledger of a Nano node`);
  return {
    version,
    block_count: blocks === undefined ? undefined : blocks.entries + (pruned?.entries ?? 0),
    account_count: accounts?.entries,
    cemented_count: undefined,
    network: blocks === undefined ? "unknown" : networkOf((hash) => pages.get(blocks, hash) !== undefined),
    page_size: pageSize,
    last_transaction: transaction,
    size,
    warnings,
  };
}

/** Table `meta`, key 1 in 32 big-endian bytes, has the version in 32 big-endian bytes. */
function ledgerVersion(pages: LmdbPages, path: string): number | undefined {
  const meta = pages.table(utf8("meta"));
  if (meta === undefined) return undefined;
  const key = new Uint8Array(32);
  key[31] = 1;
  const value = pages.get(meta, key);
  if (value === undefined || (value.flags & VALUE_IS_TABLE) !== 0) return undefined;
  const { data } = value;
  if (data.length !== 32 || data.subarray(0, 28).some((byte) => byte !== 0)) {
    throw new VerificationFailed(`Cannot read ${path} as a ledger: its version is no small number`);
  }
  return new DataView(data.buffer, data.byteOffset).getUint32(28);
}
