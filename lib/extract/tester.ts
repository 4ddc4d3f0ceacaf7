// The contract of trying an archive: it is unpacked as it would be for good, against its own checksums, and what comes
// out is thrown away. lib/io/archive_test_client.ts implements it with a Worker.

import type { ArchiveFormat, Progress } from "./archive.ts";

/** An archive that unpacks. */
export interface TestedArchive {
  readonly format: ArchiveFormat;
  /** Bytes of the ledger in it. */
  readonly size: number;
}

/** Tries archives. */
export interface ArchiveTester {
  /**
   * @throws {VerificationFailed} The archive is damaged, of no known kind, or holds anything but one `data.ldb`.
   * @throws {PathUnusable | OperationFailed} @throws The signal's reason.
   */
  test(request: {
    readonly archive: string;
    readonly signal: AbortSignal;
    /** As an extraction's. */
    readonly onProgress: Progress;
  }): Promise<TestedArchive>;
}
