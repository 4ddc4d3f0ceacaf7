// The contract of packing: a ledger in, one archive out, whole and on stable storage. lib/io/pack_client.ts implements it
// with a Worker: compressing takes hours of processor time.

import type { Container } from "../extract/sniff.ts";

/** How a ledger is published: packed by 7-Zip, as a tar in zstd, or as it is. */
export type PackFormat = "7z" | "tar.zst" | "ldb";

/** What a ledger is called inside of an archive, and as a torrent of its own. */
export const LEDGER_NAME = "data.ldb";

const STEM = "nano-ledger-snapshot";

/** What each kind of archive is called in the output directory, and so in its torrent. */
export const ARCHIVE_NAMES: Readonly<Record<PackFormat, string>> = {
  "7z": `${STEM}.7z`,
  "tar.zst": `${STEM}.tar.zst`,
  ldb: LEDGER_NAME,
};

/**
 * What an archive that was fetched is called there: by what it is, whatever its source calls it.
 *
 * @param kind Of its outermost layer, by content. @param given Its source's name: that alone says what a compressed
 *   stream holds, as long as nothing was unpacked.
 */
export function fetchedName(kind: Container, given: string): string {
  if (kind === "7z" || kind === "ldb") return ARCHIVE_NAMES[kind];
  if (kind === "tar") return `${STEM}.tar`;
  const inner = /\.(tar|ldb)\.[a-z]+$/i.exec(given)?.[1] ?? (/\.t(gz|zst)$/i.test(given) ? "tar" : undefined);
  return [STEM, inner?.toLowerCase(), kind].filter((part) => part !== undefined).join(".");
}

/** Whether this file name is one that a producer's archive has. */
export function isArchiveName(name: string): boolean {
  return name === LEDGER_NAME || /^nano-ledger-snapshot\.(7z|tar|((tar|ldb)\.)?(zst|gz))$/.test(name);
}

/** One ledger to pack. */
export interface PackRequest {
  /** The ledger's path. It must not change meanwhile. */
  readonly ledger: string;
  /** The archive's path; nothing is there yet. */
  readonly into: string;
  readonly format: "7z" | "tar.zst";
  /** Ends the work soon; the promise rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** Bytes of the ledger that were read, a few times a second. */
  readonly onProgress: (doneBytes: number) => void;
}

/** Packs ledgers. */
export interface Packer {
  /**
   * @throws {OperationFailed} When this runtime cannot, or the ledger gets shorter meanwhile. @throws {NotEnoughSpace}
   * @throws {PathUnusable} @throws The signal's reason. The file is then not whole, and the caller's to remove.
   */
  pack(request: PackRequest): Promise<void>;
}
