// Hashes made into a torrent of one file (BEP 52; hybrid: BEP 3 too). The info dictionary has no more in it than
// libtorrent's own of the same file, and so the same bytes and the same hashes: name, lengths, roots, SHA-1s, and
// `x-snapshot` where it is given. Nothing of the file's dates, owner or permissions gets in.

import { encode } from "../bencode.ts";
import { equalBytes, toBinaryString, toHex, utf8 } from "../bytes.ts";
import { invariant } from "../errors.ts";
import type { Info } from "../torrent/info.ts";
import { BLOCK_BYTES } from "../torrent/layout.ts";
import { ceil2, HASH_BYTES, log2Exact, rootOf, zeroHash } from "../torrent/merkle.ts";
import { encodeTorrent, parseTorrent } from "../torrent/metainfo.ts";
import type { PieceHashes } from "./file_hasher.ts";

/** What goes into a torrent. */
export interface TorrentParts {
  /** The file's name, one path part. */
  readonly name: string;
  /** Bytes, at least 1. */
  readonly length: number;
  /** A power of two of at least 16 KiB. */
  readonly pieceLength: number;
  /** Without `piecesV1` it becomes v2-only. */
  readonly hashes: PieceHashes;
  /** JSON, as it is to stand there; see snapshot_json.ts. */
  readonly xSnapshot: Uint8Array | undefined;
  /** All in one tier. Outside of what is hashed, as are the next two. */
  readonly trackers: readonly string[];
  readonly comment: string | undefined;
  readonly createdBy: string | undefined;
}

/** A torrent that was read back. */
export interface MadeTorrent {
  /** The .torrent file. */
  readonly bytes: Uint8Array;
  readonly info: Info;
}

/** Writes a .torrent file, and reads it as anybody else will. */
export function makeTorrent(parts: TorrentParts): MadeTorrent {
  const { length, pieceLength, hashes: { pieceRoots }, trackers, comment, createdBy } = parts;
  const piecesRoot = fileRoot(pieceRoots, pieceLength);
  const bytes = encodeTorrent({
    infoBytes: makeInfo(parts, piecesRoot),
    pieceLayers: new Map(length > pieceLength ? [[toHex(piecesRoot), pieceRoots]] : []),
    trackers: trackers.length === 0 ? [] : [trackers],
    ...(comment === undefined ? {} : { comment }),
    ...(createdBy === undefined ? {} : { createdBy }),
  });
  const { info, pieceLayers } = parseTorrent(bytes);
  invariant(
    info.kind === (parts.hashes.piecesV1 === undefined ? "v2" : "hybrid"),
    "a torrent keeps its kind",
  );
  invariant(equalBytes(info.files[0]!.piecesRoot!, piecesRoot), "a torrent keeps its file's root");
  invariant(pieceLayers.size === (length > pieceLength ? 1 : 0), "a file's piece hashes lead to its root");
  return { bytes, info };
}

/** The info dictionary; its keys are sorted by `encode`. */
function makeInfo({ name, length, pieceLength, hashes, xSnapshot }: TorrentParts, piecesRoot: Uint8Array) {
  const isHybrid = hashes.piecesV1 !== undefined;
  return encode({
    "file tree": { [toBinaryString(utf8(name))]: { "": { length, "pieces root": piecesRoot } } },
    length: isHybrid ? length : undefined,
    "meta version": 2,
    name,
    "piece length": pieceLength,
    pieces: hashes.piecesV1,
    "x-snapshot": xSnapshot,
  });
}

/** The root over a file's pieces. A lone piece is the file, and its hash already the root. */
function fileRoot(pieceRoots: Uint8Array, pieceLength: number): Uint8Array {
  const pieces = pieceRoots.length / HASH_BYTES;
  return rootOf(pieceRoots, ceil2(pieces), zeroHash(log2Exact(pieceLength / BLOCK_BYTES)));
}
