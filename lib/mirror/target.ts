// Which torrent is meant, in the engine's words, from whatever named it: the authority's pointer, a magnet, a .torrent
// file, a bare info-hash, or what an earlier run saved of it.

import { equalBytes, toHex } from "../bytes.ts";
import { MetainfoInvalid, PathUnusable } from "../errors.ts";
import type { Endpoint, Files } from "../ports.ts";
import type { Pointer } from "../snapshot/pointer.ts";
import type { SwarmHashes } from "../torrent/handshake.ts";
import { MAX_TORRENT_BYTES } from "../torrent/limits.ts";
import { type Magnet, parseMagnet } from "../torrent/magnet.ts";
import { isWanted, type WantedInfo } from "../torrent/metadata_fetch.ts";
import { type Metainfo, parseTorrent } from "../torrent/metainfo.ts";
import type { DataPaths } from "./data_dir.ts";
import type { Source } from "./options.ts";

export interface Target {
  /** Hex: 64 digits, or 40 where only a short hash is known. Names the target in files and logs. */
  readonly name: string;
  /** What the metadata must hash to. */
  readonly wanted: WantedInfo;
  /** The metadata, when it is here already. */
  readonly metainfo: Metainfo | undefined;
  /** Peers that were named with it. */
  readonly peers: readonly Endpoint[];
  /** Trackers that were named with it, in tiers; undefined for a pointer, which has no room for any. */
  readonly trackers: readonly (readonly string[])[] | undefined;
  /** Web seeds that were named with it. */
  readonly webSeeds?: readonly string[];
}

/** What the user's own words name: a torrent, or another authority to ask. */
export type Named = { readonly kind: "target"; readonly target: Target } | {
  readonly kind: "authority";
  readonly publicKey: Uint8Array;
  readonly salt: Uint8Array;
};

/** @throws {UsageError | PathUnusable | MetainfoInvalid} */
export function readSource(source: Source, files: Files): Named {
  switch (source.kind) {
    case "magnet":
      return fromMagnet(parseMagnet(source.text));
    case "torrent": {
      const size = files.stat(source.path)?.size ?? 0;
      if (size > MAX_TORRENT_BYTES) {
        throw new MetainfoInvalid(`the file has ${size} bytes, more than ${MAX_TORRENT_BYTES}`);
      }
      const bytes = files.read(source.path, MAX_TORRENT_BYTES);
      if (bytes === undefined) throw new PathUnusable(`Cannot read ${source.path}: there is no such file`);
      return { kind: "target", target: ofMetainfo(parseTorrent(bytes)) };
    }
    case "infoHash": {
      const hash = source.bytes;
      const wanted = hash.length === 32 ? { infoHashV2: hash } : { either: hash };
      const target = { name: toHex(hash), wanted, metainfo: undefined, peers: [], trackers: [] };
      return { kind: "target", target };
    }
  }
}

/** What a verified pointer names. */
export function ofPointer(pointer: Pointer): Target {
  const hash = pointer.kind === "v2" ? pointer.infoHashV2 : pointer.infoHash;
  const wanted = pointer.kind === "v2" ? { infoHashV2: hash } : { either: hash };
  return { name: toHex(hash), wanted, metainfo: undefined, peers: [], trackers: undefined };
}

/** The same target with the metadata that an earlier run saved, if it did and if it still fits. */
export function withSaved(target: Target, files: Files, paths: DataPaths): Target {
  if (target.metainfo !== undefined) return target;
  const metainfo = readSavedTorrent(files, paths, target.name);
  return metainfo !== undefined && isWanted(target.wanted, metainfo.info.bytes)
    ? { ...target, metainfo }
    : target;
}

/** What an earlier run saved under that name, whatever it is of. */
export function readSavedTorrent(files: Files, paths: DataPaths, name: string): Metainfo | undefined {
  try {
    const bytes = files.read(paths.torrent(name), MAX_TORRENT_BYTES);
    return bytes && parseTorrent(bytes);
  } catch {
    // Torn or foreign: it is only a shortcut, and is written anew.
    return undefined;
  }
}

/** The names under which peers are found before the metadata is here. */
export function hashesOfTarget({ wanted }: Target): SwarmHashes {
  const v2Short = wanted.infoHashV2?.subarray(0, 20);
  if (wanted.either === undefined) return { v1: wanted.infoHashV1, v2Short };
  // Of an unknown kind: it is dialed as it is, and the metadata tells.
  return { v1: wanted.either, v2Short: undefined };
}

function ofMetainfo(metainfo: Metainfo): Target {
  const { info: { infoHashV1, infoHashV2 }, trackers, webSeeds } = metainfo;
  const wanted = { infoHashV1, infoHashV2 };
  return { name: toHex(infoHashV2 ?? infoHashV1!), wanted, metainfo, peers: [], trackers, webSeeds };
}

function fromMagnet(magnet: Magnet): Named {
  const { infoHashV1, infoHashV2, publicKey, salt, peers, webSeeds } = magnet;
  // A magnet has no tiers: one for each, as libtorrent does.
  const rest = { metainfo: undefined, peers, trackers: magnet.trackers.map((url) => [url]), webSeeds };
  if (infoHashV2 !== undefined) {
    // A btih beside it may be the v2 hash cut short (libtorrent writes such magnets): then it says nothing new.
    const isShort = infoHashV1 !== undefined && equalBytes(infoHashV1, infoHashV2.subarray(0, 20));
    const wanted = isShort ? { infoHashV2 } : { infoHashV1, infoHashV2 };
    return { kind: "target", target: { name: toHex(infoHashV2), wanted, ...rest } };
  }
  if (infoHashV1 !== undefined) {
    return { kind: "target", target: { name: toHex(infoHashV1), wanted: { either: infoHashV1 }, ...rest } };
  }
  return { kind: "authority", publicKey: publicKey!, salt: salt ?? new Uint8Array(0) };
}
