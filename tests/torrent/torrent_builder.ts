// Info dictionaries built from file contents with our own encoder, trees and hashes, key by key as BEP 3, 47 and 52
// say. Whether that is right, the hashes in metainfo_test.ts decide: they are libtorrent's.

import { type Encodable, encode } from "../../lib/bencode.ts";
import { concatBytes, toBinaryString, toHex, utf8 } from "../../lib/bytes.ts";
import { sha1 } from "../../lib/hash.ts";
import { BLOCK_BYTES } from "../../lib/torrent/layout.ts";
import { blockHashes, ceil2, HASH_BYTES, log2Exact, rootOf, zeroHash } from "../../lib/torrent/merkle.ts";

export interface BuiltFile {
  readonly path: readonly string[];
  readonly data: Uint8Array;
}

export interface TorrentPlan {
  readonly kind: "v1" | "v2" | "hybrid";
  readonly name: string;
  readonly pieceLength: number;
  /** One file without a path stands for a single-file torrent. */
  readonly files: readonly BuiltFile[];
  /**
   * Default true: padding stands behind each file of a multi-file hybrid, the last one too. Otherwise it stands before
   * each file but the first, as older versions of libtorrent put it.
   */
  readonly tailPadding?: boolean;
  readonly extra?: Readonly<Record<string, Encodable>>;
}

/** The info dictionary as bytes, and the piece layers by root in hex. */
export function buildTorrent(
  plan: TorrentPlan,
): { infoBytes: Uint8Array; pieceLayers: Map<string, Uint8Array> } {
  const pieceLayers = new Map<string, Uint8Array>();
  const info: Record<string, Encodable> = {
    name: plan.name,
    "piece length": plan.pieceLength,
    ...plan.extra,
  };
  if (plan.kind !== "v1") {
    info["meta version"] = 2;
    info["file tree"] = fileTree(plan, pieceLayers);
  }
  if (plan.kind !== "v2") Object.assign(info, v1Part(plan));
  return { infoBytes: encode(info), pieceLayers };
}

/** A file's root and, when it has more than one piece, its layer. */
export function hashFile(
  data: Uint8Array,
  pieceLength: number,
): { root: Uint8Array; layer: Uint8Array | undefined } {
  const leaves = blockHashes(data);
  const blocks = leaves.length / HASH_BYTES;
  const perPiece = pieceLength / BLOCK_BYTES;
  if (data.length <= pieceLength) {
    return { root: rootOf(leaves, ceil2(blocks), zeroHash(0)), layer: undefined };
  }
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < leaves.length; at += perPiece * HASH_BYTES) {
    pieces.push(rootOf(leaves.subarray(at, at + perPiece * HASH_BYTES), perPiece, zeroHash(0)));
  }
  const layer = concatBytes(...pieces);
  return { root: rootOf(layer, ceil2(pieces.length), zeroHash(log2Exact(perPiece))), layer };
}

type Tree = { [name: string]: Tree | Encodable };

function fileTree(plan: TorrentPlan, pieceLayers: Map<string, Uint8Array>): Encodable {
  const tree: Tree = {};
  for (const { path, data } of plan.files) {
    const parts = (path.length === 0 ? [plan.name] : path).map((part) => toBinaryString(utf8(part)));
    let folder = tree;
    for (const part of parts) folder = (folder[part] ??= {}) as Tree;
    if (data.length === 0) {
      folder[""] = { length: 0 };
      continue;
    }
    const { root, layer } = hashFile(data, plan.pieceLength);
    folder[""] = { length: data.length, "pieces root": root };
    if (layer !== undefined) pieceLayers.set(toHex(root), layer);
  }
  return tree as Encodable;
}

function v1Part(plan: TorrentPlan): Record<string, Encodable> {
  const isSingle = plan.files.length === 1 && plan.files[0]!.path.length === 0;
  const { pieceLength, tailPadding = true } = plan;
  const contents: Uint8Array[] = [];
  const files: Encodable[] = [];
  let end = 0;
  const add = (data: Uint8Array, entry: Encodable) => {
    contents.push(data);
    files.push(entry);
    end += data.length;
  };
  const align = () => {
    const length = Math.ceil(end / pieceLength) * pieceLength - end;
    if (plan.kind === "v1" || isSingle || length === 0) return;
    add(new Uint8Array(length), { attr: "p", length, path: [".pad", `${length}`] });
  };
  for (const { path, data } of plan.files) {
    if (!tailPadding && data.length > 0) align();
    add(data, { length: data.length, path });
    if (tailPadding && data.length > 0) align();
  }
  const bytes = concatBytes(...contents);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += pieceLength) {
    pieces.push(sha1(bytes.subarray(at, at + pieceLength)));
  }
  const shape = isSingle ? { length: bytes.length } : { files };
  return { ...shape, pieces: concatBytes(...pieces) };
}
