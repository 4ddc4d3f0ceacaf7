// What tests here share: the deterministic file that the vectors are computed over with libtorrent, and layouts.

import { Layout } from "../../lib/torrent/layout.ts";
import type { Info, TorrentFile } from "../../lib/torrent/metainfo.ts";

/** `length` bytes: byte i is (i*7 + (i>>8)*13 + (i>>16)*29) & 0xff. */
export function fixtureBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 7 + (i >> 8) * 13 + (i >> 16) * 29;
  return bytes;
}

/** A layout with files of these lengths, aligned unless it is v1. Roots are made up. */
export function layoutOf(kind: Info["kind"], pieceLength: number, lengths: readonly number[]): Layout {
  let end = 0;
  const files = lengths.map((length, i): TorrentFile => {
    if (kind !== "v1" && length > 0) end = Math.ceil(end / pieceLength) * pieceLength;
    const offset = end;
    end += length;
    const piecesRoot = kind === "v1" || length === 0 ? undefined : new Uint8Array(32).fill(i + 1);
    return { path: [`f${i}`], length, offset, piecesRoot };
  });
  return Layout.of({ kind, pieceLength, pieceCount: Math.ceil(end / pieceLength), files });
}
