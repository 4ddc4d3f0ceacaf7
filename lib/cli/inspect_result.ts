// What an `inspect` writes to stdout: lines of a name and a value, or one JSON object. What a stranger wrote into a
// torrent or an archive is shown without control characters.

import { parseUtf8, toHex } from "../bytes.ts";
import { formatEndpoint } from "../endpoint.ts";
import { formatBytes, printable, shellWord } from "../format.ts";
import type { Inspected, InspectedLedger } from "../inspect/inspect.ts";
import { nameOf } from "../mirror/content_options.ts";
import { publishedMs } from "../mirror/snapshot_facts.ts";
import { formatMagnet, type Magnet } from "../torrent/magnet.ts";
import type { Metainfo } from "../torrent/metainfo.ts";
import { snapshotClaims } from "../torrent/x_snapshot.ts";

/** One JSON object with a newline. What does not apply is null. */
export function inspectJson(found: Inspected): string {
  return JSON.stringify(factsOf(found)) + "\n";
}

/** The same facts, a line each; lists have a line for each member. */
export function inspectText(found: Inspected): string {
  const lines = Object.entries(factsOf(found)).flatMap(([key, value]) =>
    linesOf(key.replaceAll("_", " "), value)
  );
  const next: [string, string] = ["next", nextOf(found)];
  return [...lines, next].map(([name, value]) => `${name.padEnd(NAME_COLUMNS)}${printable(value)}\n`).join(
    "",
  );
}

function nextOf(found: Inspected): string {
  switch (found.kind) {
    case "ledger":
    case "archive":
      return `nano-snap verify ${shellWord(found.path)}, goes through all of it`;
    case "torrent":
      return found.path === undefined
        ? `nano-snap get --info-hash ${nameOf(found.metainfo.info)}, fetches it`
        : `nano-snap get --torrent ${shellWord(found.path)}, fetches it`;
    case "magnet":
      return "nano-snap get --magnet, with the same link in quotes, fetches it";
    case "info-hash":
      return `nano-snap get --info-hash ${toHex(found.bytes)}, fetches it`;
  }
}

type Fact =
  | string
  | number
  | boolean
  | null
  | readonly (string | Readonly<Record<string, string | number | null>>)[];

function factsOf(found: Inspected): Readonly<Record<string, Fact>> {
  switch (found.kind) {
    case "ledger":
      return ledgerFacts(found);
    case "torrent":
      return {
        kind: "torrent",
        path: found.path ?? null,
        ...(found.signed && { authority: toHex(found.signed.stream.publicKey), seq: found.signed.seq }),
        ...torrentFacts(found.metainfo),
      };
    case "magnet":
      return { kind: "magnet", ...magnetFacts(found.magnet) };
    case "info-hash": {
      const hex = toHex(found.bytes);
      const isV2 = found.bytes.length === 32;
      // 40 digits may be either: v1, or v2 cut short as peers and trackers carry it.
      return { kind: "info-hash", info_hash: isV2 ? hex : null, info_hash_v1_or_short: isV2 ? null : hex };
    }
    case "archive": {
      const { kind, path, size, container, method, entries, isComplete } = found;
      return {
        kind,
        path,
        size,
        format: container,
        method: method ?? null,
        entries: entries.map((entry) => ({
          name: entry.name,
          size: entry.size ?? null,
          packed_size: entry.packedSize ?? null,
          crc32: entry.checksum ?? null,
        })),
        all_entries: isComplete,
      };
    }
  }
}

function ledgerFacts({ path, facts, minimumNode, accountBlocks }: InspectedLedger) {
  return {
    kind: "ledger",
    path,
    size: facts.size,
    version: facts.version ?? null,
    minimum_node: minimumNode ?? null,
    block_count: facts.block_count ?? null,
    account_count: facts.account_count ?? null,
    cemented_count: facts.cemented_count ?? null,
    account_block_sum: accountBlocks ?? null,
    network: facts.network,
    page_size: facts.page_size,
    last_transaction: facts.last_transaction,
    warnings: facts.warnings,
  };
}

function torrentFacts({ info, trackers, webSeeds }: Metainfo) {
  const { originalFilename, ledgerVersion, blockCount, accountCount } = snapshotClaims(info);
  const published = publishedMs(originalFilename);
  return {
    name: info.name,
    format: info.kind,
    info_hash: info.infoHashV2 === undefined ? null : toHex(info.infoHashV2),
    info_hash_v1: info.infoHashV1 === undefined ? null : toHex(info.infoHashV1),
    size: info.totalLength,
    piece_length: info.pieceLength,
    piece_count: info.pieceCount,
    files: info.files.map((file) => ({ name: file.path.join("/") || info.name, size: file.length })),
    original_filename: originalFilename ?? null,
    published: published === undefined ? null : new Date(published).toISOString(),
    claimed_ledger_version: ledgerVersion ?? null,
    claimed_block_count: blockCount ?? null,
    claimed_account_count: accountCount ?? null,
    trackers: trackers.flat(),
    web_seeds: webSeeds,
    magnet: formatMagnet({ ...info, trackers: trackers.flat(), webSeeds, peers: [] }),
  };
}

function magnetFacts({ infoHashV1, infoHashV2, publicKey, salt, name, trackers, webSeeds, peers }: Magnet) {
  return {
    info_hash: infoHashV2 === undefined ? null : toHex(infoHashV2),
    info_hash_v1: infoHashV1 === undefined ? null : toHex(infoHashV1),
    authority: publicKey === undefined ? null : toHex(publicKey),
    salt: salt === undefined ? null : parseUtf8(salt) ?? toHex(salt),
    name: name ?? null,
    trackers,
    web_seeds: webSeeds,
    peers: peers.map(formatEndpoint),
  };
}

function linesOf(name: string, value: Fact): [string, string][] {
  if (value === null) return [];
  if (name === "all entries") return [[name, value === true ? "yes" : FIRST_ONLY]];
  if (typeof value === "number" && name === "size") return [[name, `${formatBytes(value)} (${value} bytes)`]];
  if (typeof value !== "object") return [[name, String(value)]];
  return value.map((one, i) => [i === 0 ? name : "", typeof one === "string" ? one : recordText(one)]);
}

function recordText(record: Readonly<Record<string, string | number | null>>): string {
  const { name, size, ...rest } = record;
  const others = Object.entries(rest).filter(([, value]) => value !== null).map(([key, value]) =>
    `, ${key.replaceAll("_", " ")} ${value}`
  );
  return `${name}${size === null || size === undefined ? "" : `, ${size} bytes`}${others.join("")}`;
}

/** For people; `all_entries` says it to programs. */
const FIRST_ONLY = "no, the first only: a packed tar or file is not unpacked to be listed";
const NAME_COLUMNS = 24;
