// What the rest of the program knows of a torrent: data that metainfo.ts has checked, and that is trusted from there on.

import type { Bencoded } from "../bencode.ts";

/** One file of a torrent, padding left out. */
export interface TorrentFile {
  /** Path below the torrent's own folder: one name for a single file, at least one for each of several. Each part is safe. */
  readonly path: readonly string[];
  /** Bytes, 0 to 2^53 - 1. */
  readonly length: number;
  /** Where it starts in the torrent's byte space, alignment gaps and v1 padding counted. */
  readonly offset: number;
  /** 32 bytes; undefined in a v1 torrent and for an empty file. */
  readonly piecesRoot: Uint8Array | undefined;
}

/** A checked info dictionary. Its bytes are kept as they came: both hashes are over them. */
export interface Info {
  readonly kind: "v1" | "v2" | "hybrid";
  /** The bencoded dictionary, exactly as it came. */
  readonly bytes: Uint8Array;
  /** SHA-1 of the bytes, 20 bytes; undefined for v2-only. */
  readonly infoHashV1: Uint8Array | undefined;
  /** SHA-256 of the bytes, 32 bytes; undefined for v1-only. */
  readonly infoHashV2: Uint8Array | undefined;
  /** A safe file name: one path part. */
  readonly name: string;
  /** The same name as the torrent has it, for judging and quoting it only: anything a stranger may write. */
  readonly rawName: string;
  /** Whether the torrent is one file called `name` rather than a folder called `name`. */
  readonly isSingleFile: boolean;
  /** Bytes: in a v2 or hybrid torrent a power of two of at least 16384. */
  readonly pieceLength: number;
  readonly pieceCount: number;
  /** In torrent order; never empty. */
  readonly files: readonly TorrentFile[];
  /** Bytes of all files, without padding. */
  readonly totalLength: number;
  /** Where the byte space ends: behind the last file, or the padding after it, which the last SHA-1 covers. */
  readonly paddedLength: number;
  /** 20 bytes per piece; undefined for v2-only. */
  readonly piecesV1: Uint8Array | undefined;
  /** `x-snapshot` as it came (upstream: JSON in a byte string), if present. */
  readonly xSnapshot: Bencoded | undefined;
}

/** A .torrent file. */
export interface Metainfo {
  readonly info: Info;
  /**
   * Checked piece layers by the file's root in hex, 32 bytes per piece that covers data. Files of one piece have none;
   * other files may lack theirs, which then comes from peers.
   */
  readonly pieceLayers: ReadonlyMap<string, Uint8Array>;
  /** Announce URLs in tiers (BEP 12). */
  readonly trackers: readonly (readonly string[])[];
  /** BEP 19. */
  readonly webSeeds: readonly string[];
}
