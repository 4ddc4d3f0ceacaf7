// What a v1 file list and a v2 file tree have in common: a file's entry, its length and its attributes. Names are
// still a stranger's here; safe_paths.ts makes paths of them.

import type { BDict } from "../bencode.ts";
import { MetainfoInvalid } from "../errors.ts";
import { MAX_FILE_BYTES } from "./limits.ts";

/** A file as its torrent has it. */
export interface ListedFile {
  /** Names as binary strings, at least one. Not safe. */
  readonly parts: readonly string[];
  readonly length: number;
  /** Place in the torrent's byte space. */
  readonly offset: number;
  /** 32 bytes; only from a file tree and where the length is not 0. */
  readonly piecesRoot: Uint8Array | undefined;
}

export interface FileList {
  /** In torrent order, without padding and without links: those take no bytes, and we make none. */
  readonly files: readonly ListedFile[];
  /** Where the byte space ends. */
  readonly end: number;
}

/** A file's length. @throws {MetainfoInvalid} */
export function readLength(file: BDict): number {
  const length = file.int("length");
  if (length === undefined || length < 0 || length > MAX_FILE_BYTES) {
    refuse(`the length of a file is not an integer from 0 to ${MAX_FILE_BYTES}`);
  }
  return length;
}

/**
 * BEP 47: whether an entry is a link, or padding. An `attr` that is no byte string says nothing.
 *
 * @throws {MetainfoInvalid} When a link's target is malformed.
 */
export function readAttributes(file: BDict): { readonly isLink: boolean; readonly isPadding: boolean } {
  const letters = file.bytes("attr");
  const isLink = letters?.includes(LINK) ?? false;
  if (isLink && file.list("symlink path")?.some((part) => !(part instanceof Uint8Array))) {
    refuse("a part of a link's path is not a byte string");
  }
  return { isLink, isPadding: letters?.includes(PADDING) ?? false };
}

/** Ends the reading of a torrent. @throws {MetainfoInvalid} Always. */
export function refuse(why: string): never {
  throw new MetainfoInvalid(why);
}

const LINK = "l".charCodeAt(0);
const PADDING = "p".charCodeAt(0);
