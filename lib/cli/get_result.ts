// What a finished `get` writes to stdout: for people a few lines that end with what to do next, for scripts one
// JSON object, always on one line and with the same keys.

import type { GetOptions, GetResult } from "../mirror/options.ts";
import { formatBytes, formatSeconds, shellWord } from "../format.ts";

/** One JSON object with a newline. What does not apply is null. */
export function getJson(result: GetResult): string {
  const { ledger } = result;
  const object = {
    path: result.path,
    size: result.size,
    seq: result.seq ?? null,
    published: result.publishedMs === undefined ? null : new Date(result.publishedMs).toISOString(),
    age_seconds: result.ageMs === undefined ? null : Math.round(result.ageMs / 1000),
    info_hash: result.infoHash ?? null,
    info_hash_v1: result.infoHashV1 ?? null,
    already_current: result.alreadyCurrent,
    archive: result.archive ?? null,
    ledger: ledger === undefined ? null : {
      version: ledger.version ?? null,
      block_count: ledger.blockCount ?? null,
      account_count: ledger.accountCount ?? null,
      cemented_count: ledger.cementedCount ?? null,
      network: ledger.network,
      minimum_node: ledger.minimumNode ?? null,
    },
    install: result.install === undefined ? null : {
      directory: result.install.directory,
      backup: result.install.backup ?? null,
      next: result.install.next,
    },
    downloaded_bytes: result.downloadedBytes,
    elapsed_ms: Math.round(result.elapsedMs),
  };
  return JSON.stringify(object) + "\n";
}

/** Lines of a name and a value. Hashes stand in full: they are there to be compared and copied. */
export function getText(result: GetResult, options: Pick<GetOptions, "extract">): string {
  const rows: [string, string | undefined][] = [
    ["path", result.path],
    ["size", `${formatBytes(result.size)} (${result.size} bytes)`],
    ["seq", result.seq?.toString()],
    ["published", publishedText(result)],
    ["info hash", result.infoHash],
    ["info hash v1", result.infoHashV1],
    ["archive", result.archive === result.path ? undefined : result.archive],
    ["ledger", ledgerText(result)],
    ["fetched", fetchedText(result)],
    ["backup", result.install?.backup],
    ["next", nextText(result, options)],
  ];
  return rows.filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(NAME_COLUMNS)}${value}\n`).join("");
}

function ledgerText({ ledger }: GetResult): string | undefined {
  if (ledger === undefined) return undefined;
  if (ledger.version === undefined) return "an LMDB file, but not of a Nano node";
  const counts = `${ledger.blockCount ?? "?"} blocks, ${ledger.accountCount ?? "?"} accounts`;
  const node = ledger.minimumNode === undefined ? "" : ` (node ${ledger.minimumNode} or later)`;
  return `version ${ledger.version}${node}, ${counts}, ${ledger.network} network`;
}

function publishedText({ publishedMs, ageMs }: GetResult): string | undefined {
  if (publishedMs === undefined || ageMs === undefined) return undefined;
  const when = new Date(publishedMs).toISOString().slice(0, 16).replace("T", " ");
  return `${when} UTC, ${formatSeconds(Math.max(0, ageMs / 1000))} ago`;
}

function fetchedText(result: GetResult): string {
  if (result.alreadyCurrent) return "nothing, already current";
  if (result.downloadedBytes === 0) return "nothing, all of it was here";
  // No rate: the time is the search's, the checks' and the unpacking's, too.
  return `${formatBytes(result.downloadedBytes)}; the whole run took ${
    formatSeconds(result.elapsedMs / 1000)
  }`;
}

function nextText(result: GetResult, options: Pick<GetOptions, "extract">): string {
  if (result.install !== undefined) return result.install.next;
  if (!options.extract) return "nano-snap get --extract, with the same options, unpacks the ledger";
  return `stop the node, then: mv ${shellWord(result.path)} ~/Nano/data.ldb`;
}

const NAME_COLUMNS = 14;
