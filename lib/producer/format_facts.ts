// Facts about a file that may go into its torrent's `x-snapshot` (--format-facts): only what the file itself says, so
// that the same file gives the same hash. A raw ledger tells much from a few pages; an archive only what it is and how
// long, because its ledger would have to be unpacked.

import type { OpenFile } from "../ports.ts";
import { readLedgerFacts } from "../ledger/facts.ts";
import { sniff, SNIFF_BYTES } from "../extract/sniff.ts";

/** In the order in which they are written. What the file does not say is left out. */
export interface FormatFacts {
  /** By content: "7z", "zst", "gz", "tar", or "ldb" for a ledger that is not packed. */
  readonly format?: string;
  /** Bytes of the file. */
  readonly size: number;
  readonly ledger_version?: number;
  readonly block_count?: number;
  readonly account_count?: number;
  /** "live" when the live network's genesis block is in it. */
  readonly network?: string;
  /** LMDB's number of the last write to the ledger. */
  readonly last_transaction?: number;
}

/**
 * Reads them. Blocking, a few dozen page reads at most.
 *
 * @param warn Takes sentences about what is odd but no error.
 * @throws {VerificationFailed} When it begins as a ledger and is damaged.
 */
export function readFormatFacts(file: OpenFile, warn: (text: string) => void): FormatFacts {
  const { size } = file.facts();
  const head = new Uint8Array(SNIFF_BYTES);
  const format = sniff(head.subarray(0, file.readAt(head, 0)));
  if (format === undefined) {
    warn(`${file.path} is no archive or ledger that nano-snap can read: only its size is recorded`);
    return { size };
  }
  if (format !== "ldb") return { format, size };
  const ledger = readLedgerFacts(file);
  ledger.warnings.forEach(warn);
  return {
    format,
    size,
    ...defined({
      ledger_version: ledger.version,
      block_count: ledger.block_count,
      account_count: ledger.account_count,
    }),
    ...(ledger.network === "live" ? { network: ledger.network } : {}),
    last_transaction: ledger.last_transaction,
  };
}

function defined(facts: Readonly<Record<string, number | undefined>>): Readonly<Record<string, number>> {
  const known = Object.entries(facts).filter((entry): entry is [string, number] => entry[1] !== undefined);
  return Object.fromEntries(known);
}
