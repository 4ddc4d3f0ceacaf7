// The orders in which LMDB keeps keys, and two small stand-ins for a key: a prefix that never contradicts the order of
// bytes, and a hash that tells almost every other key apart.

import { compareBytes } from "../bytes.ts";
import { INTEGER_KEYS, REVERSE_KEYS } from "./lmdb_format.ts";

/** By memcmp; the same from the keys' ends; as little-endian numbers. */
export type KeyOrder = "bytes" | "reverse" | "integer";

/** A table's order, by its record's flags. */
export function orderOf(flags: number): KeyOrder {
  if ((flags & REVERSE_KEYS) !== 0) return "reverse";
  return (flags & INTEGER_KEYS) !== 0 ? "integer" : "bytes";
}

/** Negative, zero or positive. */
export function compareKeys(order: KeyOrder, a: Uint8Array, b: Uint8Array): number {
  if (order === "bytes") return compareBytes(a, b);
  if (order === "integer" && a.length !== b.length) return a.length - b.length;
  const shared = Math.min(a.length, b.length);
  for (let i = 1; i <= shared; i++) {
    const difference = a[a.length - i]! - b[b.length - i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/**
 * The first four bytes as a number, zeros after the key's end: 0 less 2^31, so that it is one of 32 bits with a sign, as
 * the machine computes. A smaller prefix is a smaller key; equal ones say nothing.
 */
export function prefixOf(view: DataView, at: number, length: number): number {
  if (length >= 4) return view.getInt32(at) ^ SIGN;
  let prefix = 0;
  for (let i = 0; i < 4; i++) prefix = (prefix << 8) | (i < length ? view.getUint8(at + i) : 0);
  return prefix ^ SIGN;
}

/** The fifth byte; 0 when there is none. */
export function fifthByteOf(view: DataView, at: number, length: number): number {
  return length > 4 ? view.getUint8(at + 4) : 0;
}

/** FNV-1a over words and then single bytes, 32 bits: two keys that differ in one word only never share it. */
export function hashOf(view: DataView, at: number, length: number): number {
  let hash = 0x811c9dc5 ^ length;
  let i = at;
  for (const end = at + length - 3; i < end; i += 4) {
    hash = Math.imul(hash ^ view.getInt32(i, true), 0x01000193);
  }
  for (; i < at + length; i++) hash = Math.imul(hash ^ view.getUint8(i), 0x01000193);
  return hash;
}

const SIGN = 1 << 31;
/** The prefixes of a key of zeros, or of none, and of the highest key. */
export const LOWEST_PREFIX = SIGN;
export const HIGHEST_PREFIX = ~SIGN;
