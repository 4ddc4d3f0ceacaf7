// The contract of extraction: an archive in, one file `data.ldb.partial` out, whole and on stable storage, or an
// error and nothing left behind. lib/io/extract_client.ts implements it with a Worker, so that the event loop goes
// on serving peers; lib/mirror checks the ledger and then calls placeLedger.

import type { ArchiveFormat, Progress } from "./archive.ts";
import type { PieceGate } from "./gate.ts";

/** One archive to unpack. */
export interface ExtractRequest {
  /** The archive's path. Its kind is told by content. */
  readonly archive: string;
  /** An existing folder on the final file's filesystem: `data.ldb.partial` is made there, replacing an old one. */
  readonly into: string;
  /** The archive is still coming: reads wait until its pieces are opened. Made for this one job. */
  readonly gate?: PieceGate;
  /** With a gate: `archive` is a folder of segments of so many bytes, which go while it is read. */
  readonly segmentBytes?: number;
  /** With a gate: the reader has come to another piece. Comes each MiB or so, and before each wait. */
  readonly onMoved?: () => void;
  /** Ends the work soon; the partial file is removed and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Bytes done, and of how many; comes a few times a second. Bytes of the ledger where the archive says how many
   * they are (7z, tar, ldb), otherwise bytes of the archive.
   */
  readonly onProgress?: Progress;
}

/** A ledger that was unpacked, checked against the archive's own checksums, and synced; not yet looked into. */
export interface Extracted {
  /** `<into>/data.ldb.partial`. */
  readonly path: string;
  /** Bytes of the ledger. */
  readonly size: number;
  readonly format: ArchiveFormat;
}

/** Unpacks archives. */
export interface Extractor {
  /**
   * @throws {VerificationFailed} The archive is damaged, of no known kind, or holds anything but one `data.ldb`.
   * @throws {NotEnoughSpace} Before the first byte where the archive declares a size, else when space runs out. What
   *   an archive that is still coming will take counts too.
   * @throws {PathUnusable} The archive cannot be read or the folder not written.
   * @throws {OperationFailed} This runtime or the decoder's memory is not enough for this archive.
   */
  extract(request: ExtractRequest): Promise<Extracted>;
}
