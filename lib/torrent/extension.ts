// Payloads of the extension protocol: its handshake (BEP 10), metadata exchange (BEP 9), peer exchange (BEP 11),
// upload_only and lt_donthave (BEP 21, 54). Only bytes <-> checked values; who answers what is peer_core's.

import { BDict, BencodeFault, decodeDict, decodePrefix, type Encodable, encode } from "../bencode.ts";
import { concatBytes, parseUtf8 } from "../bytes.ts";
import { WireFault } from "../errors.ts";
import type { Endpoint } from "../ports.ts";
import { encodeCompactPeer, formatIp, parseCompactPeers } from "./compact.ts";
import { MAX_METADATA_BYTES, MAX_PEX_PEERS } from "./limits.ts";

/** The ids under which we want to be sent each extension. */
export const OUR_EXTENSIONS = { ut_pex: 1, ut_metadata: 2, upload_only: 3, lt_donthave: 7 } as const;
export type ExtensionName = keyof typeof OUR_EXTENSIONS;

/** What the other side says of itself in its extension handshake; what it left out is undefined. */
export interface ExtensionHandshake {
  /** Ids under which it wants to be sent our extensions; 0 or absent: not at all. */
  readonly ids: Partial<Record<ExtensionName, number>>;
  readonly metadataSize: number | undefined;
  /** Its listening port. */
  readonly port: number | undefined;
  /** Requests that it keeps waiting. */
  readonly requestQueue: number | undefined;
  /** Client name, for people: printable and short. */
  readonly client: string | undefined;
  readonly uploadOnly: boolean | undefined;
  /** Our address as it sees it. */
  readonly yourIp: string | undefined;
}

/** Encodes our side of the extension handshake. */
export function encodeExtensionHandshake(ours: {
  readonly client: string;
  readonly requestQueue: number;
  readonly port?: number | undefined;
  readonly metadataSize?: number | undefined;
  readonly uploadOnly?: boolean | undefined;
  /** 4 or 16 bytes. */
  readonly yourIp?: Uint8Array | undefined;
}): Uint8Array {
  const dict: Record<string, Encodable | undefined> = {
    m: OUR_EXTENSIONS,
    v: ours.client,
    reqq: ours.requestQueue,
    p: ours.port,
    metadata_size: ours.metadataSize,
    upload_only: ours.uploadOnly === undefined ? undefined : Number(ours.uploadOnly),
    yourip: ours.yourIp,
  };
  return encode(dict);
}

/** Reads an extension handshake; undefined when it is no dictionary (libtorrent ignores such a one too). */
export function parseExtensionHandshake(payload: Uint8Array): ExtensionHandshake | undefined {
  let dict: BDict;
  try {
    dict = decodeDict(payload, SMALL_DICT);
  } catch (error) {
    if (error instanceof BencodeFault) return undefined;
    throw error;
  }
  const wanted = dict.dict("m");
  const ids: Partial<Record<ExtensionName, number>> = {};
  for (const name of Object.keys(OUR_EXTENSIONS) as ExtensionName[]) {
    const id = inRange(wanted?.int(name), 0, 255);
    if (id !== undefined) ids[name] = id;
  }
  const uploadOnly = dict.int("upload_only");
  const yourIp = dict.bytes("yourip");
  return {
    ids,
    metadataSize: inRange(dict.int("metadata_size"), 1, MAX_METADATA_BYTES),
    port: inRange(dict.int("p"), 1, 65_535),
    requestQueue: inRange(dict.int("reqq"), 1, 1_000_000),
    client: printable(dict.bytes("v")),
    uploadOnly: uploadOnly === undefined ? undefined : uploadOnly !== 0,
    yourIp: yourIp?.length === 4 || yourIp?.length === 16 ? formatIp(yourIp) : undefined,
  };
}

/** A message of ut_metadata. `data` is a view of the info dictionary's bytes in the message. */
export type MetadataMessage =
  | { readonly kind: "request"; readonly piece: number }
  | { readonly kind: "data"; readonly piece: number; readonly totalSize: number; readonly data: Uint8Array }
  | { readonly kind: "reject"; readonly piece: number }
  | { readonly kind: "unknown" };

export const METADATA_PIECE_BYTES = 16_384;

/** Encodes one ut_metadata message: a request or a refusal, or data when bytes are given. */
export function encodeMetadata(
  message:
    | { readonly kind: "request" | "reject"; readonly piece: number }
    | {
      readonly kind: "data";
      readonly piece: number;
      readonly totalSize: number;
      readonly data: Uint8Array;
    },
): Uint8Array {
  if (message.kind !== "data") {
    return encode({ msg_type: message.kind === "request" ? 0 : 2, piece: message.piece });
  }
  const head = encode({ msg_type: 1, piece: message.piece, total_size: message.totalSize });
  return concatBytes(head, message.data);
}

/** Reads one ut_metadata message; the dictionary's end is found by decoding it. @throws {WireFault} */
export function parseMetadata(payload: Uint8Array): MetadataMessage {
  const { value: dict, length } = decodePrefix(payload, SMALL_DICT);
  if (!(dict instanceof BDict)) throw new WireFault("BEP 9", "a message that is no dictionary");
  const type = dict.int("msg_type");
  const piece = inRange(dict.int("piece"), 0, MAX_METADATA_BYTES / METADATA_PIECE_BYTES - 1);
  if (type === undefined || piece === undefined) throw new WireFault("BEP 9", "no msg_type or no piece");
  if (type === 0) return { kind: "request", piece };
  if (type === 2) return { kind: "reject", piece };
  if (type !== 1) return { kind: "unknown" };
  const totalSize = inRange(dict.int("total_size"), 1, MAX_METADATA_BYTES);
  if (totalSize === undefined) throw new WireFault("BEP 9", "data without a sane total_size");
  const data = payload.subarray(length);
  if (data.length > METADATA_PIECE_BYTES) throw new WireFault("BEP 9", `${data.length} bytes in one piece`);
  return { kind: "data", piece, totalSize, data };
}

/** A peer as PEX tells of it. */
export interface PexPeer extends Endpoint {
  readonly isSeed: boolean;
}

/** The peers that a PEX message adds, at most MAX_PEX_PEERS; what it drops is of no use to us. @throws {WireFault} */
export function parsePex(payload: Uint8Array): PexPeer[] {
  const dict = decodeDict(payload, SMALL_DICT);
  const peers: PexPeer[] = [];
  for (const [key, ipBytes] of [["added", 4], ["added6", 16]] as const) {
    const flags = dict.bytes(`${key}.f`);
    for (const [i, peer] of parseCompactPeers(dict.bytes(key) ?? NO_BYTES, ipBytes).entries()) {
      if (peers.length >= MAX_PEX_PEERS) return peers;
      if (peer !== undefined) peers.push({ ...peer, isSeed: ((flags?.[i] ?? 0) & PEX_SEED) !== 0 });
    }
  }
  return peers;
}

/** Encodes a PEX message, with all six keys, as libtorrent does: it ignores peers that have no flags. */
export function encodePex(changes: {
  readonly added: readonly (Endpoint & { readonly isSeed: boolean; readonly isReachable: boolean })[];
  readonly dropped: readonly Endpoint[];
}): Uint8Array {
  const peers = { 6: [] as Uint8Array[], 18: [] as Uint8Array[] };
  const flags = { 6: [] as number[], 18: [] as number[] };
  const gone = { 6: [] as Uint8Array[], 18: [] as Uint8Array[] };
  for (const peer of changes.added) {
    const compact = encodeCompactPeer(peer);
    if (compact === undefined) continue;
    const family = compact.length === 6 ? 6 : 18;
    peers[family].push(compact);
    flags[family].push((peer.isSeed ? PEX_SEED : 0) | (peer.isReachable ? PEX_REACHABLE : 0));
  }
  for (const peer of changes.dropped) {
    const compact = encodeCompactPeer(peer);
    if (compact !== undefined) gone[compact.length === 6 ? 6 : 18].push(compact);
  }
  return encode({
    added: concatBytes(...peers[6]),
    "added.f": Uint8Array.from(flags[6]),
    added6: concatBytes(...peers[18]),
    "added6.f": Uint8Array.from(flags[18]),
    dropped: concatBytes(...gone[6]),
    dropped6: concatBytes(...gone[18]),
  });
}

/** Reads an upload_only message. @throws {WireFault} */
export function parseUploadOnly(payload: Uint8Array): boolean {
  if (payload.length !== 1) throw new WireFault("BEP 21", `upload_only with ${payload.length} bytes`);
  return payload[0] !== 0;
}

/** Reads an lt_donthave message. @throws {WireFault} */
export function parseDontHave(payload: Uint8Array): number {
  if (payload.length !== 4) throw new WireFault("BEP 54", `lt_donthave with ${payload.length} bytes`);
  return new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0);
}

function inRange(value: number | undefined, least: number, most: number): number | undefined {
  return value !== undefined && value >= least && value <= most ? value : undefined;
}

function printable(bytes: Uint8Array | undefined): string | undefined {
  const text = bytes && parseUtf8(bytes);
  return text?.slice(0, MAX_CLIENT_LENGTH).replace(/[^\x20-\x7e]/g, "?");
}

/** Flags of a peer (BEP 11). */
const PEX_SEED = 0x02;
const PEX_REACHABLE = 0x10;

const MAX_CLIENT_LENGTH = 64;
/** Nothing in these messages nests deeper or holds more. */
const SMALL_DICT = { mode: "lenient", maxDepth: 10, maxTokens: 2000 } as const;
const NO_BYTES = new Uint8Array(0);
