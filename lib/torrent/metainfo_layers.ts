// Reading the `piece layers` of a .torrent file (BEP 52). They lie outside the info dictionary, so that nothing vouches
// for them but the files' roots: a layer is kept only when it hashes to its root. The rest comes from peers.

import type { BDict } from "../bencode.ts";
import { equalBytes, toBinaryString, toHex } from "../bytes.ts";
import type { TorrentFile } from "./info.ts";
import { BLOCK_BYTES } from "./layout.ts";
import { refuse } from "./listed_file.ts";
import { ceil2, HASH_BYTES, log2Exact, rootOf, zeroHash } from "./merkle.ts";

/**
 * The layers that are right, by their file's root in hex.
 *
 * A layer that is malformed or of the wrong length for its file ends the reading. One with wrong hashes counts as
 * absent, and one that belongs to no file is passed over: both as libtorrent 2.0.8.
 *
 * @throws {MetainfoInvalid}
 */
export function readPieceLayers(
  layers: BDict,
  files: readonly TorrentFile[],
  pieceLength: number,
): Map<string, Uint8Array> {
  for (const key of layers.keys()) {
    const hashes = layers.bytes(key);
    if (key.length !== HASH_BYTES || hashes === undefined || hashes.length % HASH_BYTES !== 0) {
      refuse("a piece layer is not a row of hashes under a root");
    }
  }
  const good = new Map<string, Uint8Array>();
  const hashed = new Set<string>();
  for (const { length, piecesRoot } of files) {
    if (piecesRoot === undefined || length <= pieceLength) continue;
    const hashes = layers.bytes(toBinaryString(piecesRoot));
    if (hashes === undefined) continue;
    const pieces = Math.ceil(length / pieceLength);
    if (hashes.length !== pieces * HASH_BYTES) {
      refuse(`a piece layer has ${hashes.length} bytes for ${pieces} pieces`);
    }
    const root = toHex(piecesRoot);
    if (hashed.has(root)) continue; // equal files share one layer
    hashed.add(root);
    if (leadsTo(piecesRoot, hashes, pieceLength)) good.set(root, hashes);
  }
  return good;
}

/** Whether a file's piece hashes lead to its root. */
function leadsTo(piecesRoot: Uint8Array, hashes: Uint8Array, pieceLength: number): boolean {
  const width = ceil2(hashes.length / HASH_BYTES);
  const padding = zeroHash(log2Exact(pieceLength / BLOCK_BYTES));
  return equalBytes(rootOf(hashes, width, padding), piecesRoot);
}
