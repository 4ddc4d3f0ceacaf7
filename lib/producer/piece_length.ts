// How long a torrent's pieces are. The stream's are 32 MiB. What is avoided is a number of pieces that is one more than
// a multiple of 512: libtorrent asks for hashes 512 at a time, its versions up to 2.0.12 answer a request for a single
// one wrong, and so a new peer would get the last piece's hash from nobody but us.

import { MAX_PIECES } from "../torrent/limits.ts";

/** Bytes: what upstream's torrents have. */
export const DEFAULT_PIECE_LENGTH: number = 32 << 20;
/** Bytes: a block (BEP 52), and the most for which libtorrent makes torrents and block hashes can be asked for. */
export const MIN_PIECE_LENGTH: number = 16 << 10;
export const MAX_PIECE_LENGTH: number = 128 << 20;

/** Most pieces of a torrent that we make: half of what is read, so that SHA-1s fit the 30 MiB that libtorrent takes. */
export const MAX_MADE_PIECES: number = MAX_PIECES / 2;

/** How many pieces a file has. */
export function pieceCountOf(size: number, pieceLength: number): number {
  return Math.ceil(size / pieceLength);
}

/** Whether libtorrent would ask for the last piece's hash alone. A file of one piece has no hash to ask for. */
export function hasLonePiece(size: number, pieceLength: number): boolean {
  const pieces = pieceCountOf(size, pieceLength);
  return pieces > 1 && pieces % HASHES_PER_REQUEST === 1;
}

/**
 * The piece length of a file when nobody asks for one: the first of those from `first` upwards without a lone piece,
 * then of those downwards; `first` itself when every one has it (a file a few bytes longer than a power of two).
 *
 * @param first Where to begin, in bytes: a power of two.
 */
export function choosePieceLength(size: number, first: number = DEFAULT_PIECE_LENGTH): number {
  for (let length = first; length <= MAX_PIECE_LENGTH; length *= 2) {
    if (!hasLonePiece(size, length)) return length;
  }
  for (let length = first / 2; length >= MIN_PIECE_LENGTH; length /= 2) {
    if (!hasLonePiece(size, length) && pieceCountOf(size, length) <= MAX_MADE_PIECES) return length;
  }
  return first;
}

/** libtorrent's hash_picker, and BEP 52's "should". */
const HASHES_PER_REQUEST = 512;
