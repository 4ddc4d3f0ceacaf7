// What a word on the command line means: a magnet, an info-hash, or a file, told by its content and not by its name.

import { basename } from "node:path";
import { parseHex } from "../bytes.ts";
import { MetainfoInvalid, PathUnusable, UsageError } from "../errors.ts";
import { type Container, sniff, SNIFF_BYTES } from "../extract/sniff.ts";
import type { Files } from "../ports.ts";
import { MAX_TORRENT_BYTES } from "../torrent/limits.ts";
import { type Magnet, parseMagnet } from "../torrent/magnet.ts";
import { type Metainfo, parseTorrent } from "../torrent/metainfo.ts";

export type Subject =
  | { readonly kind: "magnet"; readonly magnet: Magnet }
  | { readonly kind: "infoHash"; readonly bytes: Uint8Array }
  | FileSubject;

/** A file, by what is in it. */
export type FileSubject =
  | { readonly kind: "torrent"; readonly path: string; readonly metainfo: Metainfo }
  | { readonly kind: "ledger"; readonly path: string }
  | { readonly kind: "archive"; readonly path: string; readonly container: Exclude<Container, "ldb"> }
  | { readonly kind: "unknown"; readonly path: string };

/** @throws {UsageError | PathUnusable | MetainfoInvalid} */
export function subjectOf(word: string, files: Files): Subject {
  if (/^magnet:/i.test(word)) return { kind: "magnet", magnet: parseMagnet(word) };
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/i.test(word) && files.stat(word) === undefined) {
    return { kind: "infoHash", bytes: parseHex(word)! };
  }
  return fileSubject(word, files);
}

/**
 * What a file is.
 *
 * @throws {PathUnusable} Also for a folder. @throws {MetainfoInvalid} When it begins as a .torrent and is none.
 * @throws {UsageError} For wallets.ldb: no command has business with it.
 */
export function fileSubject(path: string, files: Files): FileSubject {
  refuseWallets(path, files);
  const facts = files.stat(path);
  if (facts === undefined) throw new PathUnusable(`Cannot read ${path}: there is no such file`);
  if (facts.kind !== "file") throw new PathUnusable(`Cannot read ${path}: it is no regular file`);
  const file = files.open(path, "read");
  let head: Uint8Array;
  try {
    head = new Uint8Array(SNIFF_BYTES);
    head = head.subarray(0, file.readAt(head, 0));
  } finally {
    file.close();
  }
  const container = sniff(head);
  if (container === "ldb") return { kind: "ledger", path };
  if (container !== undefined) return { kind: "archive", path, container };
  // A bencoded dictionary begins with its first key's length.
  if (head[0] === 0x64 && head[1] !== undefined && head[1] >= 0x30 && head[1] <= 0x39) {
    return { kind: "torrent", path, metainfo: readTorrent(path, files) };
  }
  return { kind: "unknown", path };
}

/** @throws {PathUnusable | MetainfoInvalid} @throws {UsageError} For wallets.ldb. */
export function readTorrent(path: string, files: Files): Metainfo {
  refuseWallets(path, files);
  const size = files.stat(path)?.size ?? 0;
  if (size > MAX_TORRENT_BYTES) {
    throw new MetainfoInvalid(`the file has ${size} bytes, more than ${MAX_TORRENT_BYTES}`);
  }
  const bytes = files.read(path, MAX_TORRENT_BYTES);
  if (bytes === undefined) throw new PathUnusable(`Cannot read ${path}: there is no such file`);
  return parseTorrent(bytes);
}

/** By its name, and by where that leads: a link may be called anything. */
function refuseWallets(path: string, files: Files): void {
  const names = [path, files.realPath(path) ?? path].map((one) => basename(one).toLowerCase());
  if (names.includes("wallets.ldb")) throw new UsageError(`${path} holds keys: nano-snap never opens it`);
}
