// A part of an LZMA2 stream as a .7z of its own, in memory, for 7-Zip to decode: its 32 bytes, the part where it lies,
// and a directory that tells of one stream and one file, without a checksum (7-Zip's 7zFormat.txt).

import { crc32 } from "node:zlib";
import { invariant } from "../errors.ts";
import type { ArchiveSource } from "./archive.ts";

/** From a block's first chunk on. In bytes. */
export interface PackedPart {
  readonly packedBytes: number;
  /** What comes out of it. */
  readonly bytes: number;
  /** LZMA2's byte for the size of its dictionary. */
  readonly property: number;
}

/** @param read Reads up to `into.length` bytes of the part, at least one while `at` is below `packedBytes`. */
export function partAsArchive(read: ArchiveSource["readAt"], part: PackedPart): ArchiveSource {
  const directory = directoryOf(part);
  const head = startHeader(part.packedBytes, directory);
  const dataEnd = head.length + part.packedBytes;
  return {
    size: dataEnd + directory.length,
    readAt(into, at) {
      if (at < head.length) return copy(head, at, into);
      if (at >= dataEnd) return copy(directory, at - dataEnd, into);
      const length = Math.min(into.length, dataEnd - at);
      return read(length === into.length ? into : into.subarray(0, length), at - head.length);
    },
  };
}

function copy(from: Uint8Array, at: number, into: Uint8Array): number {
  const part = from.subarray(at, at + into.length);
  into.set(part);
  return part.length;
}

/** Ids in the order in which they must come; each list of properties ends with a zero. */
function directoryOf({ packedBytes, bytes, property }: PackedPart): Uint8Array {
  const packed = [PACK_INFO, ...number7z(0), 1, SIZE, ...number7z(packedBytes), END];
  const coder = [1, SIMPLE_CODER_OF_ONE_BYTE_WITH_PROPERTIES, LZMA2, 1, property];
  const folder = [UNPACK_INFO, FOLDER, 1, 0, ...coder, UNPACK_SIZE, ...number7z(bytes), END];
  const name = [NAME, 5, 0, 0x62, 0, 0, 0]; // "b" in UTF-16, and its zero
  return Uint8Array.of(HEADER, MAIN_STREAMS, ...packed, ...folder, END, FILES, 1, ...name, END, END);
}

const [END, HEADER, MAIN_STREAMS, FILES, PACK_INFO, UNPACK_INFO, SIZE, FOLDER, UNPACK_SIZE, NAME] = [
  0x00,
  0x01,
  0x04,
  0x05,
  0x06,
  0x07,
  0x09,
  0x0b,
  0x0c,
  0x11,
] as const;
const SIMPLE_CODER_OF_ONE_BYTE_WITH_PROPERTIES = 0x21;
const LZMA2 = 0x21;

function startHeader(directoryAt: number, directory: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes.set([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0, 4]);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(12, BigInt(directoryAt), true);
  view.setBigUint64(20, BigInt(directory.length), true);
  view.setUint32(28, crc32(directory), true);
  view.setUint32(8, crc32(bytes.subarray(12)), true);
  return bytes;
}

/** 7-Zip's number in its longest form, which it reads as well as the shorter ones: 0xff, then eight bytes. */
function number7z(value: number): number[] {
  invariant(Number.isSafeInteger(value) && value >= 0, "a size is a whole number");
  const bytes = new Uint8Array(9).fill(0xff, 0, 1);
  new DataView(bytes.buffer).setBigUint64(1, BigInt(value), true);
  return [...bytes];
}
