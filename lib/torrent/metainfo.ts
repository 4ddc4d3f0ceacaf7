// The info dictionary and the .torrent file around it (BEP 3, BEP 52), checked once and then trusted. Both come from
// strangers: every refusal is one MetainfoInvalid, and no path leaves the torrent's folder.
//
// What is accepted and what is refused is libtorrent's judgement, down to its tolerance: a v1 dictionary may be out of
// order, one with a `meta version` may not; links are left out; strange names are made safe instead of refused.

import {
  BDict,
  type Bencoded,
  BencodeFault,
  decode,
  decodeDict,
  decodePrefix,
  encode,
  isList,
  Verbatim,
} from "../bencode.ts";
import { fromBinaryString, parseHex, parseUtf8, toBinaryString, toHex } from "../bytes.ts";
import { MetainfoInvalid } from "../errors.ts";
import { sha1, sha256 } from "../hash.ts";
import { readFilesV1 } from "./files_v1.ts";
import { readFileTree } from "./file_tree.ts";
import {
  MAX_METADATA_BYTES,
  MAX_PIECE_BYTES,
  MAX_PIECES,
  MAX_TORRENT_BYTES,
  MAX_TRACKERS,
} from "./limits.ts";
import type { Info, Metainfo, TorrentFile } from "./info.ts";
import { type FileList, type ListedFile, refuse } from "./listed_file.ts";
import { BLOCK_BYTES } from "./layout.ts";
import { readPieceLayers } from "./metainfo_layers.ts";
import { safeName, SafePaths } from "./safe_paths.ts";
import { trackerUrls, webSeedUrls } from "./urls.ts";

export type { Info, Metainfo, TorrentFile };

/**
 * Checks an info dictionary.
 *
 * @param bytes The dictionary alone. Kept, and views of it too.
 * @throws {MetainfoInvalid}
 */
export function parseInfo(bytes: Uint8Array): Info {
  if (bytes.length > MAX_METADATA_BYTES) {
    refuse(`its info dictionary has ${bytes.length} bytes, more than ${MAX_METADATA_BYTES}`);
  }
  const info = decodeInfo(bytes);
  const version = readVersion(info);
  const pieceLength = readPieceLength(info, version);
  const rawName = toBinaryString(
    info.bytes("name.utf-8") ?? info.bytes("name") ?? refuse("its info dictionary has no name"),
  );
  const tree = version === 2 ? readFileTree(info.dict("file tree")!, pieceLength) : undefined;
  const listed = readFilesV1(info, rawName);
  const list = tree ?? listed ?? refuse("its info dictionary has neither a length nor files");
  if (list.files.length === 0) refuse("it has no files");
  const totalLength = list.files.reduce((sum, file) => sum + file.length, 0);
  if (totalLength === 0) refuse("its files are all empty");
  if (tree !== undefined && listed !== undefined) checkHybrid(tree, listed, pieceLength);

  const paddedLength = (listed ?? list).end;
  const pieceCount = tree?.pieceCount ?? Math.ceil(paddedLength / pieceLength);
  const piecesV1 = listed === undefined ? undefined : readPieces(info, pieceCount);
  const infoHashV1 = listed === undefined ? undefined : plain(sha1(bytes));
  const infoHashV2 = tree === undefined ? undefined : plain(sha256(bytes));
  const isSingleFile = isOneFile(info, list.files);
  const ownName = isSingleFile ? list.files[0]!.parts[0]! : rawName;
  const name = safeName(ownName) ?? toHex(infoHashV1 ?? infoHashV2!);
  return {
    kind: tree === undefined ? "v1" : listed === undefined ? "v2" : "hybrid",
    bytes,
    infoHashV1,
    infoHashV2,
    name,
    rawName: parseUtf8(fromBinaryString(ownName)) ?? ownName,
    isSingleFile,
    pieceLength,
    pieceCount,
    files: isSingleFile ? [placed(list.files[0]!, [name])] : placeAll(list.files),
    totalLength,
    paddedLength,
    piecesV1,
    xSnapshot: info.get("x-snapshot"),
  };
}

/**
 * Checks a .torrent file. What is around the info dictionary may be out of order, and bytes may follow the file: both
 * occur. Trackers and web seeds that we cannot use are left out.
 *
 * @param bytes Kept, and views of it too.
 * @throws {MetainfoInvalid}
 */
export function parseTorrent(bytes: Uint8Array): Metainfo {
  if (bytes.length > MAX_TORRENT_BYTES) {
    refuse(`the file has ${bytes.length} bytes, more than ${MAX_TORRENT_BYTES}`);
  }
  const torrent = decodeLenient(bytes, "the file", "prefix");
  if (torrent.dict("info") === undefined) refuse("the file has no info dictionary");
  const info = parseInfo(torrent.raw("info")!);
  const layers = info.kind === "v1" ? undefined : torrent.dict("piece layers");
  return {
    info,
    pieceLayers: layers === undefined ? new Map() : readPieceLayers(layers, info.files, info.pieceLength),
    trackers: readTrackers(torrent),
    webSeeds: webSeedUrls(texts(torrent.get("url-list"))),
  };
}

/**
 * Writes a .torrent file.
 *
 * @param torrent.infoBytes A checked info dictionary, written as it is.
 * @param torrent.pieceLayers By the file's root in hex. Those at hand; others may be missing.
 * @param torrent.trackers In tiers.
 * @param torrent.comment Left out when undefined.
 * @returns A fresh buffer, the caller's.
 */
export function encodeTorrent(torrent: {
  readonly infoBytes: Uint8Array;
  readonly pieceLayers: ReadonlyMap<string, Uint8Array>;
  readonly trackers: readonly (readonly string[])[];
  readonly webSeeds?: readonly string[];
  readonly comment?: string;
  readonly createdBy?: string;
}): Uint8Array {
  const { infoBytes, pieceLayers, trackers, webSeeds = [] } = torrent;
  const layers = new Map<string, Uint8Array>();
  for (const [root, hashes] of pieceLayers) layers.set(toBinaryString(parseHex(root)!), hashes);
  const hasTree = decodeInfo(infoBytes).has("file tree");
  return encode({
    announce: trackers[0]?.[0],
    "announce-list": trackers.flat().length > 1 ? trackers : undefined,
    comment: torrent.comment,
    "created by": torrent.createdBy,
    info: new Verbatim(infoBytes),
    "piece layers": hasTree ? layers : undefined, // BEP 52 wants it there even when it is empty
    "url-list": webSeeds.length > 0 ? webSeeds : undefined,
  });
}

/** Strictly, or, for what claims to be nothing but v1, as libtorrent does. @throws {MetainfoInvalid} */
function decodeInfo(bytes: Uint8Array): BDict {
  const what = "its info dictionary";
  try {
    return decodeDict(bytes);
  } catch (fault) {
    if (!(fault instanceof BencodeFault)) throw fault;
    const info = decodeLenient(bytes, what, "whole");
    if ((info.int("meta version") ?? 0) > 0) throw notBencoding(what, fault);
    return info;
  }
}

/** @param how Whether bytes may follow the dictionary. @throws {MetainfoInvalid} */
function decodeLenient(bytes: Uint8Array, what: string, how: "whole" | "prefix"): BDict {
  try {
    const value = how === "whole"
      ? decode(bytes, { mode: "lenient" })
      : decodePrefix(bytes, { mode: "lenient" }).value;
    return value instanceof BDict ? value : refuse(`${what} is not a dictionary`);
  } catch (fault) {
    if (!(fault instanceof BencodeFault)) throw fault;
    throw notBencoding(what, fault);
  }
}

function notBencoding(what: string, fault: BencodeFault): MetainfoInvalid {
  return new MetainfoInvalid(`${what} is not ${fault.why}`, { cause: fault });
}

/** 1 or 2. */
function readVersion(info: BDict): 1 | 2 {
  const version = info.int("meta version") ?? 0;
  if (version > 2) refuse(`its meta version is ${version}, newer than this program knows`);
  const hasTree = info.dict("file tree") !== undefined;
  if (version === 2 && !hasTree) refuse("its meta version is 2 but it has no file tree");
  if (version < 2 && hasTree) refuse("it has a file tree but its meta version is not 2");
  return version === 2 ? 2 : 1;
}

function readPieceLength(info: BDict, version: 1 | 2): number {
  const length = info.int("piece length");
  if (length === undefined || length < 1 || length > MAX_PIECE_BYTES) {
    refuse(`its piece length is not an integer from 1 to ${MAX_PIECE_BYTES}`);
  }
  if (version === 2 && (length < BLOCK_BYTES || !Number.isInteger(Math.log2(length)))) {
    refuse(`its piece length is ${length}, not a power of two of at least ${BLOCK_BYTES}`);
  }
  return length;
}

function readPieces(info: BDict, pieceCount: number): Uint8Array {
  if (pieceCount > MAX_PIECES) refuse(`it has more than ${MAX_PIECES} pieces`);
  const pieces = info.bytes("pieces") ?? refuse("its info dictionary has no pieces");
  if (pieces.length !== pieceCount * SHA1_BYTES) {
    refuse(`it has ${pieces.length} bytes of SHA-1 hashes for ${pieceCount} pieces`);
  }
  return pieces;
}

/**
 * Both halves must mean the same bytes. Of empty files only the place in the list counts; after the last file there
 * may be padding or not.
 *
 * @see BEP 52, "Upgrade Path"
 */
function checkHybrid(tree: FileList, listed: FileList, pieceLength: number): void {
  const disagree = "its v1 and v2 parts disagree";
  if (tree.files.length !== listed.files.length) {
    refuse(`${disagree}: ${listed.files.length} and ${tree.files.length} files`);
  }
  for (const [i, file] of tree.files.entries()) {
    const other = listed.files[i]!;
    if (file.length !== other.length) refuse(`${disagree} on the length of file ${i + 1}`);
    if (file.length === 0) continue;
    if (file.offset !== other.offset) refuse(`${disagree} on where file ${i + 1} begins`);
    if (!isSamePath(file.parts, other.parts)) refuse(`${disagree} on the name of file ${i + 1}`);
  }
  const padded = Math.ceil(tree.end / pieceLength) * pieceLength;
  if (listed.end !== tree.end && listed.end !== padded) refuse(`${disagree} on where the last file ends`);
}

function isSamePath(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((part, i) => part === b[i]);
}

/** Whether the torrent is a file rather than a folder, as libtorrent decides it: not by comparing names. */
function isOneFile(info: BDict, files: readonly ListedFile[]): boolean {
  if (info.list("files") !== undefined) return false;
  return (info.dict("file tree")?.size ?? 1) === 1 && files.length === 1 && files[0]!.parts.length === 1;
}

function placeAll(files: readonly ListedFile[]): TorrentFile[] {
  const paths = new SafePaths();
  return files.map((file) => placed(file, paths.place(file.parts)));
}

function placed({ length, offset, piecesRoot }: ListedFile, path: readonly string[]): TorrentFile {
  return { path, length, offset, piecesRoot };
}

/** node:crypto gives a Buffer, whose slice() is no copy: not what a Uint8Array promises. */
function plain(hash: Uint8Array): Uint8Array {
  return new Uint8Array(hash);
}

/** `announce-list` where there is something usable in it, otherwise `announce` (BEP 12). */
function readTrackers(torrent: BDict): string[][] {
  const seen = new Set<string>();
  const tiers: string[][] = [];
  for (const tier of torrent.list("announce-list") ?? []) {
    if (seen.size === MAX_TRACKERS) break;
    const urls = trackerUrls(isList(tier) ? texts(tier) : []).filter((url) => !seen.has(url))
      .slice(0, MAX_TRACKERS - seen.size);
    for (const url of urls) seen.add(url);
    if (urls.length > 0) tiers.push(urls);
  }
  if (tiers.length > 0) return tiers;
  const urls = trackerUrls(texts(torrent.get("announce")));
  return urls.length > 0 ? [urls] : [];
}

/** The texts in a byte string or a list of them; what is not UTF-8 is passed over. */
function texts(value: Bencoded | undefined): string[] {
  const items = isList(value) ? value : [value];
  return items.map((item) => item instanceof Uint8Array ? parseUtf8(item) : undefined)
    .filter((text) => text !== undefined);
}

const SHA1_BYTES = 20;
