// What is known of a snapshot besides its bytes: when it was published, as far as the stream says, and what its ledger
// needs. Upstream's archives carry the hour in the name that their source gave them: Nano_64_2026_04_23_09.7z.

import { SnapError } from "../errors.ts";
import { formatSeconds } from "../format.ts";
import { type LedgerFacts, readLedgerFacts } from "../ledger/facts.ts";
import { minimumNode } from "../ledger/node_version.ts";
import type { Files } from "../ports.ts";
import type { LedgerSummary } from "./options.ts";

/**
 * When a snapshot was taken, by the name that its source gave it.
 *
 * @returns Milliseconds since 1970; undefined when the name has no date, or one that cannot be.
 */
export function publishedMs(originalFilename: string | undefined): number | undefined {
  const parts = /(?<!\d)(20\d\d)[-_]?(\d\d)[-_]?(\d\d)(?:[-_T]?(\d\d))?(?!\d)/.exec(originalFilename ?? "");
  if (parts === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  const ms = Date.UTC(year, month - 1, day, hour);
  const isDate = new Date(ms).toISOString().startsWith(`${parts[1]}-${parts[2]}-${parts[3]}T`) && hour < 24;
  return isDate ? ms : undefined;
}

/** A sentence about a snapshot that is older than a live stream's; undefined when it is not, or nobody knows. */
export function ageWarning(published: number | undefined, unixMs: number): string | undefined {
  if (published === undefined || unixMs - published <= OLD_MS) return undefined;
  const age = formatSeconds((unixMs - published) / 1000);
  const when = new Date(published).toISOString().slice(0, 16).replace("T", " ");
  return `This snapshot is ${age} old (${when} UTC): its stream may have stopped, and the node has the rest to fetch`;
}

/** Facts under the names of a `get`'s result. */
export function summaryOf(facts: LedgerFacts): LedgerSummary {
  return {
    version: facts.version,
    minimumNode: facts.version === undefined ? undefined : minimumNode(facts.version),
    blockCount: facts.block_count,
    accountCount: facts.account_count,
    cementedCount: facts.cemented_count,
    network: facts.network,
  };
}

/** Of a ledger that lies there; undefined when it cannot be read. */
export function ledgerAt(files: Files, path: string): LedgerSummary | undefined {
  try {
    const file = files.open(path, "read");
    try {
      return summaryOf(readLedgerFacts(file));
    } finally {
      file.close();
    }
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    return undefined;
  }
}

/** Streams publish every day or two. */
const OLD_MS = 7 * 24 * 3_600_000;
