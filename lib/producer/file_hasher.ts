// The contract of hashing a file: both hashes of each of its pieces, for a torrent, and the hash of all of it. Who
// implements it decides how many cores work at it; what each of them does is hash_file.ts.

/** What is to be hashed. */
export interface HashJob {
  readonly path: string;
  /** Bytes that the file must have; at least 1. */
  readonly size: number;
  /** A power of two of at least 16 KiB. */
  readonly pieceLength: number;
  /** Without SHA-1 for "v2". */
  readonly kind: "hybrid" | "v2";
  /** Also SHA-256 of the whole file: one core at most can work at that, beside the others and over the same bytes. */
  readonly whole: boolean;
  readonly signal: AbortSignal;
  /** Called soon after, for each byte once. What it throws ends the job. */
  readonly onProgress: (bytes: number) => void;
}

/** The hashes of a file's pieces, in order. */
export interface PieceHashes {
  /** 32 bytes each: the merkle root of its blocks (BEP 52); in a file of one piece that of the file. */
  readonly pieceRoots: Uint8Array;
  /** SHA-1, 20 bytes each; undefined for "v2". */
  readonly piecesV1: Uint8Array | undefined;
}

export interface FileHashes extends PieceHashes {
  /** SHA-256 of the whole file, 32 bytes; undefined unless it was asked for. */
  readonly whole: Uint8Array | undefined;
}

/** Hashes files. */
export interface FileHasher {
  /**
   * Nothing reads the file any more once this has settled.
   *
   * @throws {OperationFailed} When the file is shorter than it was. @throws {PathUnusable} When it cannot be read.
   * @throws The signal's reason when it aborts.
   */
  hash(job: HashJob): Promise<FileHashes>;
  /** SHA-256 of the whole file and nothing else, 32 bytes. Otherwise as `hash`. */
  hashWhole(job: Omit<HashJob, "whole" | "pieceLength" | "kind">): Promise<Uint8Array>;
}
