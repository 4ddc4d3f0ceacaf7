// The contract of packing: a ledger in, one archive out, whole and on stable storage. lib/io/pack_client.ts implements it
// with a Worker: compressing takes hours of processor time.

/** How a ledger is published: packed by 7-Zip, as a tar in zstd, or as it is. */
export type PackFormat = "7z" | "tar.zst" | "ldb";

/** What a ledger is called inside of an archive, and as a torrent of its own. */
export const LEDGER_NAME = "data.ldb";

/** What each kind of archive is called in the output directory, and so in its torrent. */
export const ARCHIVE_NAMES: Readonly<Record<PackFormat, string>> = {
  "7z": "nano-ledger-snapshot.7z",
  "tar.zst": "nano-ledger-snapshot.tar.zst",
  ldb: LEDGER_NAME,
};

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
