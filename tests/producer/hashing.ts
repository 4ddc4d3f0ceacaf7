// Hashing a file that lies in memory: what the tests of hashing share.

import { sha256 } from "../../lib/hash.ts";
import type { FileHashes, HashJob, PieceHashes } from "../../lib/producer/file_hasher.ts";
import { type FileReader, hashShares } from "../../lib/producer/hash_file.ts";

/** Reads an array as a file is read: fewer bytes only at its end. */
export function memoryReader(bytes: Uint8Array): FileReader {
  return {
    read: (into, at) => {
      const part = bytes.subarray(at, at + into.length);
      into.set(part);
      return Promise.resolve(part.length);
    },
  };
}

/** Room for the hashes of a job. */
export function roomFor(
  { size, pieceLength, kind }: Pick<HashJob, "size" | "pieceLength" | "kind">,
): PieceHashes {
  const pieces = Math.ceil(size / pieceLength);
  return {
    pieceRoots: new Uint8Array(32 * pieces),
    piecesV1: kind === "hybrid" ? new Uint8Array(20 * pieces) : undefined,
  };
}

/** The hashes of bytes, the whole's too if it is wanted, by so many takers of shares at once. */
export async function hashBytes(
  bytes: Uint8Array,
  options: { pieceLength: number; kind?: "hybrid" | "v2"; takers?: number; whole?: boolean },
): Promise<FileHashes> {
  const job = {
    path: "file",
    size: bytes.length,
    pieceLength: options.pieceLength,
    kind: options.kind ?? "hybrid",
  };
  const hashes = roomFor(job);
  let share = 0;
  const task = { ...job, reader: memoryReader(bytes), hashes, take: () => share++, onRead: () => {} };
  await Promise.all(Array.from({ length: options.takers ?? 1 }, () => hashShares(task)));
  return { ...hashes, whole: options.whole === true ? sha256(bytes) : undefined };
}
