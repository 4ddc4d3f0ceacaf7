// The orders in which LMDB keeps keys.

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
