// Decodes one LZMA2 stream with several threads. Each takes a part that begins where a decoder can begin, has 7-Zip
// decode it as an archive of its own, and writes what comes out where it belongs; block_share.ts says who takes what. A
// stream without such places is decoded by the first thread alone, as if there were no others.
//
// Nothing here is trusted: a part's bytes must be all there, and the checksum of the whole must be the archive's.

import { crc32 } from "node:zlib";
import { invariant } from "../errors.ts";
import { type ArchiveSource, BadArchive, type LedgerSink, type Progress } from "./archive.ts";
import { BlockShare, type BlockShareMemory } from "./block_share.ts";
import { MAX_READERS } from "./gate.ts";
import { dictionaryProperty, findReset, LZMA2_END, type Lzma2Place, type Lzma2Stream } from "./lzma2.ts";
import { faultOf, runSevenZip } from "./seven_zip_run.ts";
import { partAsArchive } from "./seven_zip_wrap.ts";

/** Threads that may decode with the first one. */
export interface BlockCrew {
  /** All of them, the first included. */
  readonly threads: number;
  /** Parts are at least so long; `LEAST_PART_BYTES` outside of tests. */
  readonly leastBytes: number;
  /** The archive, as `source` gives it, for who only looks ahead. */
  readonly look: ArchiveSource;
  /** Starts the others, who call `decodeParts`. Does not wait for them. */
  start(memory: BlockShareMemory): void;
  /** The first thread takes no more parts. */
  onLeft(): void;
  /** Asks all to end soon. */
  stop(): void;
  /** Ends the work by throwing. */
  readonly checkStopped: () => void;
  /** Told what all threads have decoded. */
  readonly onProgress: Progress;
}

/** What a thread does its parts with. */
export interface Bench {
  readonly source: ArchiveSource;
  readonly look: ArchiveSource;
  /** The buffer stays the decoder's. */
  readonly write: (bytes: Uint8Array, at: number) => void;
  readonly checkStopped: () => void;
  readonly onProgress: Progress;
}

/** A part costs a decoder, some 10 ms and its dictionary's memory anew: shorter ones are taken together. */
export const LEAST_PART_BYTES = 16 << 20;
/** Of all dictionaries. 8 of 7-Zip's default, 32 MiB, take a quarter of a GiB. */
const MAX_MEMORY_BYTES = 512 << 20;
/** Where no decoder can begin within so much, the stream is taken to be one block: 7-Zip's are four dictionaries long. */
const MAX_BLOCK_BYTES = 2 ** 31;

/** How many threads are of use for this stream, of those there are. */
export function threadsFor(
  { bytes, dictionaryBytes }: Pick<Lzma2Stream, "bytes" | "dictionaryBytes">,
  { threads, leastBytes }: Pick<BlockCrew, "threads" | "leastBytes">,
): number {
  const forMemory = Math.floor(MAX_MEMORY_BYTES / dictionaryBytes);
  return Math.max(1, Math.min(threads, MAX_READERS, forMemory, Math.ceil(bytes / leastBytes)));
}

/**
 * The first thread's work: all of the stream into a sink that was begun.
 *
 * @throws {BadArchive} What comes out is not what the archive declares. What the sink, the source and `checkStopped` throw.
 */
export async function unpackBlocks(
  stream: Lzma2Stream,
  { source, sink, crew, threads }: {
    readonly source: ArchiveSource;
    readonly sink: LedgerSink;
    readonly crew: BlockCrew;
    readonly threads: number;
  },
): Promise<void> {
  const { look, checkStopped, onProgress, leastBytes } = crew;
  const share = BlockShare.make({ stream, threads, leastBytes });
  let own = 0;
  const write = (bytes: Uint8Array, at: number) => {
    sink.writeAt(bytes, at);
    own += bytes.length;
  };
  crew.start(share.memory);
  try {
    await decodeParts(share, 0, { source, look, write, checkStopped, onProgress });
    crew.onLeft();
  } catch (error) {
    crew.stop();
    throw error;
  } finally {
    share.close();
  }
  checkStopped();
  sink.addOthers(share.decoded - own);
  if (share.crc !== stream.crc) throw new BadArchive("its data.ldb does not match the checksum in it (CRC)");
}

/** Any thread's work, until no part is left. @throws As `unpackBlocks`. */
export async function decodeParts(share: BlockShare, thread: number, bench: Bench): Promise<void> {
  const { stream } = share.memory;
  const look = (last: Lzma2Place, leastAt: number) => {
    return findReset(bench.look, stream, { from: last, leastAt, mostAt: leastAt + MAX_BLOCK_BYTES });
  };
  let part: Lzma2Place | undefined = { packedAt: stream.packedAt, at: 0 };
  if (thread > 0) part = share.takePart(thread, look);
  for (; part !== undefined; part = share.takePart(thread, look)) {
    await decodePart(share, thread, { part, bench });
  }
}

/** The part is there; nothing of what comes after is wanted. */
class PartIsWhole extends Error {}

async function decodePart(
  share: BlockShare,
  thread: number,
  { part, bench }: { readonly part: Lzma2Place; readonly bench: Bench },
): Promise<void> {
  const { stream } = share.memory;
  const property = dictionaryProperty(stream.dictionaryBytes);
  invariant(property !== undefined, "such a dictionary has no place in memory");
  let crc = 0;
  const onOutput = (decoded: Uint8Array) => {
    bench.checkStopped();
    const { at, length, isCut } = share.reserve(thread, decoded.length);
    if (length > 0) {
      const bytes = decoded.subarray(0, length);
      bench.write(bytes, at);
      crc = crc32(bytes, crc);
      bench.onProgress(share.decoded, stream.bytes);
    }
    if (isCut) throw new PartIsWhole();
  };
  const archive = partAsArchive(readerOf(share, thread, { part, source: bench.source }), {
    packedBytes: stream.packedEnd - part.packedAt,
    bytes: stream.bytes - part.at,
    property,
  });
  let why = "its compressed data is damaged";
  try {
    const { code, complaints } = await runSevenZip(["x", "-so"], archive, onOutput);
    if (code !== 0) why = faultOf(complaints);
    // The stream's end must be where the archive says that it is.
    if (code !== 0 && share.packedEnd(thread) === stream.packedEnd) throw new BadArchive(why);
  } catch (error) {
    if (!(error instanceof PartIsWhole)) throw error;
  }
  share.finishPart(thread, crc, why);
}

/** The stream from a part on. Where the part ends, it tells the decoder that all ends: then what is decoded comes out. */
function readerOf(
  share: BlockShare,
  thread: number,
  { part, source }: { readonly part: Lzma2Place; readonly source: ArchiveSource },
): ArchiveSource["readAt"] {
  return (into, offset) => {
    const at = part.packedAt + offset;
    const left = share.packedEnd(thread) - at;
    if (left > 0) return source.readAt(left < into.length ? into.subarray(0, left) : into, at);
    into.fill(LZMA2_END);
    return into.length;
  };
}
