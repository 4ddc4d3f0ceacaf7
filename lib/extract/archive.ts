// What every kind of archive is read through and written into, and the one error for an archive that must not be
// taken. The unpackers in this folder know nothing of files: they pull bytes from an ArchiveSource, whose reads may
// wait until the bytes are verified, and push the one member into a LedgerSink.

import type { OpenFile } from "../ports.ts";

/** The kinds of archive we take, by what is in them, never by their name. */
export type ArchiveFormat = "7z" | "tar" | "tar.gz" | "tar.zst" | "ldb.gz" | "ldb.zst" | "ldb";

/** The archive's bytes. Synchronous, because the 7z decoder calls it from inside WebAssembly. */
export interface ArchiveSource {
  /** Bytes of the whole archive, also while not all of them have come. */
  readonly size: number;
  /** Reads up to `into.length` bytes at a position, 0 only at the end. May wait; the buffer stays the caller's. */
  readAt(into: Uint8Array, at: number): number;
}

/** Takes the ledger's bytes in order. Bytes given to `write` are the caller's again when it returns. */
export interface LedgerSink {
  /**
   * Called once, before the first `write`.
   *
   * @param exactBytes What the archive declares; more or fewer than that is a fault.
   * @throws {NotEnoughSpace} When they do not fit.
   */
  begin(exactBytes: number): void;
  /** Called instead of `begin` when nothing declares the size: only free space bounds what is written. */
  beginUnsized(): void;
  /** What is known to come, while the exact size is not: lets space be refused before it is used. */
  expect(atLeastBytes: number): void;
  write(bytes: Uint8Array): void;
  /** Instead of `write`, after `begin`, where parts of the ledger come out of turn. */
  writeAt(bytes: Uint8Array, at: number): void;
  /** Others have written so many bytes of it. Once, after the last `writeAt`. */
  addOthers(bytes: number): void;
}

/** Told, in bytes, how far a job is. */
export type Progress = (done: number, total: number) => void;

/** An archive that must not be taken. `message` completes the sentence "Cannot unpack X: …". */
export class BadArchive extends Error {
  override readonly name = "BadArchive";
}

/** An open file as a source. Its size is read once. */
export function sourceOf(file: OpenFile): ArchiveSource {
  return { size: file.facts().size, readAt: (into, at) => file.readAt(into, at) };
}

/** The first bytes of the archive, at most `length`: fewer when it is shorter. A fresh buffer. */
export function headOf(source: ArchiveSource, length: number): Uint8Array {
  const head = new Uint8Array(Math.min(length, source.size));
  let got = 0;
  while (got < head.length) {
    const n = source.readAt(head.subarray(got), got);
    if (n === 0) throw new BadArchive(endsEarly(got, source.size));
    got += n;
  }
  return head;
}

/** Feeds the archive in order, in one reused buffer. Awaits what `take` returns before the buffer is filled again. */
export async function readThrough(
  source: ArchiveSource,
  take: (bytes: Uint8Array, at: number) => Promise<void> | void,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(READ_BYTES, source.size));
  for (let at = 0; at < source.size;) {
    const n = source.readAt(buffer.subarray(0, Math.min(buffer.length, source.size - at)), at);
    if (n === 0) throw new BadArchive(endsEarly(at, source.size));
    const pending = take(buffer.subarray(0, n), at);
    if (pending !== undefined) await pending;
    at += n;
  }
}

function endsEarly(at: number, size: number): string {
  return `it ends after ${at} of ${size} bytes`;
}

/** One read of the archive: big enough that the calls do not count, small enough to stay in the cache. */
const READ_BYTES = 1 << 20;
