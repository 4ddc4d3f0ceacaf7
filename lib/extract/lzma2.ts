// Where an LZMA2 stream can be taken apart. It is a row of chunks, each with its sizes before it; a chunk that resets
// the dictionary needs nothing of what came before, so that a decoder can begin there. 7-Zip makes such blocks when it
// packs with several threads, by default of four dictionaries each; packed with one thread a stream is one block.
// Only headers of chunks are read here, never data, and nothing here judges: what cannot be read on is the decoder's to
// name.

import type { ArchiveSource } from "./archive.ts";

/** The one LZMA2 stream of an archive, as its directory tells of it. In bytes. */
export interface Lzma2Stream {
  /** Where it lies in the archive. */
  readonly packedAt: number;
  readonly packedEnd: number;
  /** What comes out of it, and that one's CRC-32. */
  readonly bytes: number;
  readonly crc: number;
  readonly dictionaryBytes: number;
}

/** Between two chunks. */
export interface Lzma2Place {
  /** Where the next chunk lies in the archive. */
  readonly packedAt: number;
  /** Where what comes out of it belongs. */
  readonly at: number;
}

/**
 * The first chunk of `leastAt` or behind it that resets the dictionary.
 *
 * @param source Its reads may wait. @param from Between two chunks, before `leastAt`.
 * @returns undefined when there is none before `mostAt` or the end, or a header makes no sense.
 */
export function findReset(
  source: ArchiveSource,
  { packedEnd }: Pick<Lzma2Stream, "packedEnd">,
  { from, leastAt, mostAt }: { readonly from: Lzma2Place; readonly leastAt: number; readonly mostAt: number },
): Lzma2Place | undefined {
  const headers = new Headers(source, packedEnd);
  let { packedAt, at } = from;
  while (at < mostAt && headers.look(packedAt)) {
    const control = headers.byte(0);
    if ((control === RAW_WITH_RESET || control >= LZMA_WITH_RESET) && at >= leastAt) return { packedAt, at };
    const low = headers.byte(1) << 8 | headers.byte(2);
    if (control >= LZMA) {
      at += ((control & 0x1f) << 16 | low) + 1;
      packedAt += (control >= LZMA_WITH_PROPERTIES ? 6 : 5) + (headers.byte(3) << 8 | headers.byte(4)) + 1;
    } else if (control === RAW || control === RAW_WITH_RESET) {
      at += low + 1;
      packedAt += 3 + low + 1;
    } else {
      return undefined;
    }
  }
  return undefined;
}

/** Control bytes: the end, what is not packed, what is. */
export const LZMA2_END = 0x00;
const RAW_WITH_RESET = 0x01;
const RAW = 0x02;
const LZMA = 0x80;
const LZMA_WITH_PROPERTIES = 0xc0;
const LZMA_WITH_RESET = 0xe0;

/** Control byte and the two sizes. */
const HEADER_BYTES = 5;
/** Chunks of a ledger are some 64 KiB long: more than a page would only be read for nothing. */
const READ_BYTES = 4096;

/** A window onto the stream, which moves forward: tiny chunks cost no read each. */
class Headers {
  readonly #buffer = new Uint8Array(READ_BYTES);
  readonly #source: ArchiveSource;
  readonly #end: number;
  #from = 0;
  #length = 0;
  #offset = 0;

  constructor(source: ArchiveSource, end: number) {
    this.#source = source;
    this.#end = end;
  }

  /** Whether so many bytes as a header may have are there; then `byte` reads them. The shortest stream's end is shorter. */
  look(at: number): boolean {
    if (at + HEADER_BYTES > this.#end) return false;
    if (at + HEADER_BYTES > this.#from + this.#length) {
      this.#from = at;
      this.#length = 0;
      const whole = this.#buffer.subarray(0, Math.min(READ_BYTES, this.#end - at));
      while (this.#length < HEADER_BYTES) {
        const got = this.#source.readAt(whole.subarray(this.#length), at + this.#length);
        if (got === 0) return false;
        this.#length += got;
      }
    }
    this.#offset = at - this.#from;
    return true;
  }

  byte(i: number): number {
    return this.#buffer[this.#offset + i]!;
  }
}

/**
 * LZMA2's one byte of properties for a dictionary of so many bytes, or the next larger one, which decodes the same.
 *
 * @returns undefined for more than the largest, 3 GiB.
 */
export function dictionaryProperty(bytes: number): number | undefined {
  for (let property = 0; property < 40; property++) {
    if ((2 + property % 2) * 2 ** (Math.floor(property / 2) + 11) >= bytes) return property;
  }
  return undefined;
}
