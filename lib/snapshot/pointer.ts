// What the signed value names: which snapshot is current. Upstream publishes the raw v2 info-hash; BEP 46 and older
// readers have other shapes, all of them taken.

import { BDict, type Bencoded, decode, encode } from "../bencode.ts";
import { toHex } from "../bytes.ts";
import { WireFault } from "../errors.ts";

/** A torrent's identity as the pointer gives it: all of a v2 info-hash, or 20 bytes that are a v1 hash or a cut v2. */
export type Pointer =
  | { readonly kind: "v2"; readonly infoHashV2: Uint8Array }
  | { readonly kind: "short"; readonly infoHash: Uint8Array };

/**
 * Reads an item's value.
 *
 * @param value Bencoded, as it was signed.
 * @returns undefined for a shape that we do not know: such an item is ignored, the last good one stays.
 */
export function parsePointer(value: Uint8Array): Pointer | undefined {
  const decoded = decoding(value);
  if (decoded instanceof Uint8Array) return pointerTo(decoded);
  if (!(decoded instanceof BDict)) return undefined;
  const named = decoded.bytes("ih") ?? decoded.bytes("info_hash");
  return named === undefined ? undefined : pointerTo(named);
}

/** The value that the stream signs: the raw info-hash as a byte string. @param infoHashV2 32 bytes. */
export function pointerValue(infoHashV2: Uint8Array): Uint8Array {
  return encode(infoHashV2);
}

/** The hash in hex: 64 digits, or 40. */
export function pointerHex(pointer: Pointer): string {
  return toHex(pointer.kind === "v2" ? pointer.infoHashV2 : pointer.infoHash);
}

function pointerTo(hash: Uint8Array): Pointer | undefined {
  if (hash.length === 32) return { kind: "v2", infoHashV2: hash.slice() };
  if (hash.length === 20) return { kind: "short", infoHash: hash.slice() };
  return undefined;
}

function decoding(value: Uint8Array): Bencoded | undefined {
  try {
    return decode(value, { maxDepth: 10, maxTokens: 500 });
  } catch (error) {
    if (!(error instanceof WireFault)) throw error;
    return undefined;
  }
}
