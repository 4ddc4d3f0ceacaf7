// The 68 bytes that open a connection (BEP 3), what its reserved bits mean, and which of a torrent's hashes each
// side speaks with (BEP 52's upgrade from v1 to v2).
//
//   they dial with      we answer          the connection is
//   v2, short           v2, short          v2
//   v1 + upgrade bit    v2, short          v2
//   v1                  v1 + upgrade bit   v1
//
// libtorrent as a dialer upgrades only on the second row's answer, and closes on a v2 answer to a plain v1.

import { ByteReader, equalBytes, utf8 } from "../bytes.ts";
import { WireFault } from "../errors.ts";
import type { Info } from "./metainfo.ts";

export const HANDSHAKE_BYTES = 68;
export const PROTOCOL_NAME = utf8("\x13BitTorrent protocol");

export interface Handshake {
  readonly extended: boolean;
  readonly fast: boolean;
  readonly dht: boolean;
  /** "This torrent has a v2 side too, and I would rather speak that." */
  readonly upgrade: boolean;
  /** 20 bytes: v1, or v2 cut short. */
  readonly infoHash: Uint8Array;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
}

/** Names of one torrent on the wire. At least one is known. */
export interface SwarmHashes {
  /** 20 bytes. */
  readonly v1: Uint8Array | undefined;
  /** 20 bytes: SHA-256 cut short. */
  readonly v2Short: Uint8Array | undefined;
}

/** The names that a checked info dictionary goes by. */
export function hashesOf(info: Info): SwarmHashes {
  return { v1: info.infoHashV1, v2Short: info.infoHashV2?.subarray(0, 20) };
}

/** Encodes a handshake. @returns 68 fresh bytes. */
export function encodeHandshake(handshake: Handshake): Uint8Array {
  const bytes = new Uint8Array(HANDSHAKE_BYTES);
  bytes.set(PROTOCOL_NAME, 0);
  if (handshake.extended) bytes[25]! |= 0x10;
  if (handshake.dht) bytes[27]! |= 0x01;
  if (handshake.fast) bytes[27]! |= 0x04;
  if (handshake.upgrade) bytes[27]! |= 0x10;
  bytes.set(handshake.infoHash, 28);
  bytes.set(handshake.peerId, 48);
  return bytes;
}

/**
 * Reads a handshake.
 *
 * @param bytes At least 68; the hash and the peer id are copied out.
 * @throws {WireFault} When it is another protocol (an encrypted peer among them: it dials again in plain text).
 */
export function parseHandshake(bytes: Uint8Array): Handshake {
  const r = new ByteReader(bytes.subarray(0, HANDSHAKE_BYTES), "BEP 3");
  if (!equalBytes(r.bytes(20), PROTOCOL_NAME)) throw new WireFault("BEP 3", "not a BitTorrent handshake");
  const reserved = r.bytes(8);
  return {
    extended: (reserved[5]! & 0x10) !== 0,
    dht: (reserved[7]! & 0x01) !== 0,
    fast: (reserved[7]! & 0x04) !== 0,
    upgrade: (reserved[7]! & 0x10) !== 0,
    infoHash: r.bytes(20).slice(),
    peerId: r.bytes(20).slice(),
  };
}

/** What to open a connection with. A peer from a v1 source may know nothing else, so it gets v1 and the bit. */
export function dialWith(
  hashes: SwarmHashes,
  source: "v1" | "v2" | "any",
): { infoHash: Uint8Array; upgrade: boolean } {
  const { v1, v2Short } = hashes;
  if (v2Short !== undefined && (v1 === undefined || source !== "v1")) {
    return { infoHash: v2Short, upgrade: false };
  }
  if (v1 === undefined) throw new RangeError("a torrent without a hash cannot be dialed for");
  return { infoHash: v1, upgrade: v2Short !== undefined };
}

/** How to answer a stranger's handshake; undefined when it is not this torrent. */
export function answerTo(
  hashes: SwarmHashes,
  theirs: Pick<Handshake, "infoHash" | "upgrade">,
): { infoHash: Uint8Array; upgrade: boolean } | undefined {
  const { v1, v2Short } = hashes;
  if (v2Short !== undefined && equalBytes(theirs.infoHash, v2Short)) {
    return { infoHash: v2Short, upgrade: false };
  }
  if (v1 === undefined || !equalBytes(theirs.infoHash, v1)) return undefined;
  if (v2Short !== undefined && theirs.upgrade) return { infoHash: v2Short, upgrade: false };
  return { infoHash: v1, upgrade: v2Short !== undefined };
}

/** Whether a connection whose answer carried this hash speaks v2: only then may hash requests be sent on it. */
export function speaksV2(hashes: SwarmHashes, answered: Uint8Array): boolean {
  return hashes.v2Short !== undefined && equalBytes(answered, hashes.v2Short);
}
