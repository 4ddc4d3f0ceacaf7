// Upstream's two state files of a mirror, so that either program can take over the other's data directory.
// Fields that we do not know stay as they were: another version, or the producer's schema, may want them.

import { parseHex, toHex } from "../bytes.ts";
import { type SignedItem, verifyItem } from "../dht/signature.ts";
import type { Files } from "../ports.ts";
import { pointerValue } from "../snapshot/pointer.ts";
import type { Info } from "../torrent/metainfo.ts";
import { originalFilename } from "../torrent/x_snapshot.ts";
import { type JsonObject, type Reading, readJsonFile, writeJsonFile } from "../json_file.ts";
import type { LedgerSummary } from "./options.ts";
import { publishedMs } from "./snapshot_facts.ts";

/** mirror_state.json, under upstream's own names. */
export interface MirrorState {
  /** Highest seq acted upon, 0 to 2^53 - 1. */
  readonly last_seq: number;
  /** Hex, 64 digits (40 for a v1-only torrent); "" at first. */
  readonly last_info_hash: string;
  readonly current_torrent_name: string;
  /** One of upstream's phases; operators grep for `error`, `stopped`, `seeding`. */
  readonly phase: string;
  readonly last_error: string;
}

/** What a mirror writes into snapshot-meta.json. */
export interface MirrorMeta {
  /** Hex, 64 digits, both. */
  readonly producer_signing_pubkey: string;
  readonly dht_pubkey: string;
  /** Hex, 128 digits. */
  readonly dht_signature: string;
  readonly dht_seq: number;
  readonly dht_salt: string;
  readonly torrent_info_hash: string;
  readonly dht_verified: boolean;
  readonly current_torrent_name: string;
  readonly original_filename: string;
  /** Ours from here on, null where it is not known. ISO 8601, UTC. */
  readonly published_at: string | null;
  /** Of the ledger that was unpacked. */
  readonly ledger_version: number | null;
  readonly block_count: number | null;
  readonly account_count: number | null;
  readonly cemented_count: number | null;
  readonly minimum_node_version: string | null;
}

/** Reads mirror_state.json of either era; missing keys read as 0, "" and "starting". */
export function readMirrorState(files: Files, path: string): Reading<MirrorState> {
  return readJsonFile(files, path, parseState, NEW_STATE);
}

/** Writes the given fields and keeps all others of the file. */
export function writeMirrorState(files: Files, path: string, changed: Partial<MirrorState>): void {
  const current = readJsonFile(files, path, (json) => json, {}).value;
  writeJsonFile(files, path, { ...NEW_STATE, ...current, ...changed });
}

/** Reads snapshot-meta.json as it is: two schemas share the name. */
export function readSnapshotMeta(files: Files, path: string): Reading<JsonObject> {
  return readJsonFile(files, path, (json) => json, {});
}

/** Writes the given fields and keeps all others of the file. */
export function writeSnapshotMeta(files: Files, path: string, changed: Partial<MirrorMeta>): void {
  const current = readSnapshotMeta(files, path).value;
  writeJsonFile(files, path, { ...keptTrue(current, changed.producer_signing_pubkey), ...changed });
}

/**
 * Writes both files about a snapshot that is in its place.
 *
 * @param item The signed pointer that named it last; undefined when none did, and then only the first file is written.
 * @param ledger What was unpacked of it; undefined when nothing was: then what an earlier run said of it stays.
 */
export function recordSnapshot(
  files: Files,
  paths: { readonly mirrorState: string; readonly snapshotMeta: string },
  info: Info,
  item: SignedItem | undefined,
  ledger?: LedgerSummary,
): void {
  const name = toHex(info.infoHashV2 ?? info.infoHashV1!);
  writeMirrorState(files, paths.mirrorState, {
    ...(item === undefined ? {} : { last_seq: item.seq }),
    last_info_hash: name,
    current_torrent_name: info.name,
  });
  if (item === undefined) return;
  const key = toHex(item.publicKey);
  const original = originalFilename(info);
  const published = publishedMs(original);
  const isKnown = readSnapshotMeta(files, paths.snapshotMeta).value["torrent_info_hash"] === name;
  writeSnapshotMeta(files, paths.snapshotMeta, {
    producer_signing_pubkey: key,
    dht_pubkey: key,
    dht_signature: toHex(item.signature),
    dht_seq: item.seq,
    dht_salt: new TextDecoder().decode(item.salt),
    torrent_info_hash: name,
    dht_verified: true,
    current_torrent_name: info.name,
    original_filename: original ?? info.name,
    published_at: published === undefined ? null : new Date(published).toISOString(),
    ...(ledger === undefined && isKnown ? {} : ledgerMeta(ledger)),
  });
}

function ledgerMeta(ledger: LedgerSummary | undefined) {
  return {
    ledger_version: ledger?.version ?? null,
    block_count: ledger?.blockCount ?? null,
    account_count: ledger?.accountCount ?? null,
    cemented_count: ledger?.cementedCount ?? null,
    minimum_node_version: ledger?.minimumNode ?? null,
  };
}

/**
 * The signed pointer that snapshot-meta.json holds, when it is this authority's and names a v2 info-hash: a mirror of
 * either era wrote it down with its signature.
 */
export function signedItemOf(
  meta: JsonObject,
  stream: { readonly publicKey: Uint8Array; readonly salt: Uint8Array },
): SignedItem | undefined {
  const [signature, hash] = [meta["dht_signature"], meta["torrent_info_hash"]].map((hex) =>
    typeof hex === "string" ? parseHex(hex) : undefined
  );
  const { dht_seq: seq, dht_salt: salt } = meta;
  if (signature?.length !== 64 || hash?.length !== 32 || typeof seq !== "number") return undefined;
  if (!Number.isSafeInteger(seq) || seq < 0 || salt !== new TextDecoder().decode(stream.salt)) {
    return undefined;
  }
  const item = { ...stream, seq, value: pointerValue(hash), signature };
  return verifyItem(item) ? item : undefined;
}

/**
 * The seq that upstream's files vouch for: nothing below it may be accepted any more.
 *
 * @returns undefined unless snapshot-meta.json names this key (under any of its three names) and this salt:
 *   mirror_state.json alone does not say whose seq it holds.
 */
export function vouchedSeq(
  state: MirrorState,
  meta: JsonObject,
  authority: { keyHex: string; salt: string },
): number | undefined {
  if (meta["dht_salt"] !== authority.salt || state.last_seq === 0) return undefined;
  const named = [meta["producer_signing_pubkey"], meta["authority_pubkey"], meta["dht_pubkey"]].filter(
    (key) => typeof key === "string" && key !== "",
  );
  const ours = authority.keyHex.toLowerCase();
  const agrees = named.length > 0 && named.every((key) => String(key).toLowerCase() === ours);
  return agrees ? state.last_seq : undefined;
}

/** Upstream's first era names the key in two more fields: they follow, or go where we cannot write them. */
function keptTrue(meta: JsonObject, keyHex: string | undefined): JsonObject {
  const { authority_pubkey: named, authority_pubkey_nano: address, ...rest } = meta;
  if (named === undefined || keyHex === undefined) return meta;
  const isSame = String(named).toLowerCase() === keyHex;
  return { ...rest, authority_pubkey: keyHex, ...(isSame ? { authority_pubkey_nano: address } : {}) };
}

function parseState(json: JsonObject): MirrorState | undefined {
  const seq = json["last_seq"] ?? 0;
  if (!Number.isSafeInteger(seq) || (seq as number) < 0) return undefined;
  const state = { ...NEW_STATE, last_seq: seq as number };
  for (const key of ["last_info_hash", "current_torrent_name", "phase", "last_error"] as const) {
    const value = json[key] ?? NEW_STATE[key];
    if (typeof value !== "string") return undefined;
    state[key] = value;
  }
  return state;
}

const NEW_STATE: MirrorState = {
  last_seq: 0,
  last_info_hash: "",
  current_torrent_name: "",
  phase: "starting",
  last_error: "",
};
