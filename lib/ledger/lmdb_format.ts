// How LMDB lays a file out (64-bit, little-endian, format version 1): sizes, places and flags, for whoever reads pages.
// The names of LMDB's own source stand beside them.

/** Of every page: pgno u64, pad u16, flags u16, lower u16, upper u16 (overflow: page count u32). */
export const HEADER_BYTES = 16;
/** lo u16, hi u16, flags u16, key size u16. */
export const NODE_BYTES = 8;
/** A table's record (MDB_db). */
export const RECORD_BYTES = 48;

/** Kinds of pages (P_BRANCH, P_LEAF, P_OVERFLOW, P_META). On disk a page of a tree has no other flag. */
export const BRANCH = 1;
export const LEAF = 2;
export const OVERFLOW = 4;
export const META = 8;

/** The value is an 8-byte number of an overflow page (F_BIGDATA). */
export const VALUE_ON_OVERFLOW = 1;
/** The value is a table's record (F_SUBDATA). */
export const VALUE_IS_TABLE = 2;

/** Keys are compared from their end (MDB_REVERSEKEY). */
export const REVERSE_KEYS = 2;
/** Keys are 4- or 8-byte numbers (MDB_INTEGERKEY). */
export const INTEGER_KEYS = 8;
/** Several values for each key, and how those are kept (MDB_DUPSORT and its kin): no Nano ledger has such a table. */
export const DUPLICATE_FLAGS = 4 | 0x10 | 0x20 | 0x40;

/** LMDB's limits for a page. With pages of 64 KiB, `upper` of an empty one would not fit its u16. */
export const MIN_PAGE_BYTES = 512;
export const MAX_PAGE_BYTES = 32 << 10;
/** LMDB's own limit for a tree (CURSOR_STACK). */
export const MAX_DEPTH = 32;

/** How many pages a value of that many bytes takes: a header on the first, then the bytes. */
export function overflowPages(bytes: number, pageSize: number): number {
  return Math.floor((HEADER_BYTES - 1 + bytes) / pageSize) + 1;
}
