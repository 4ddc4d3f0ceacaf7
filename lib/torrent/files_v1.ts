// The files of a v1 info dictionary (BEP 3): one `length`, or a list in which padding (BEP 47) stands between files.
// Padding takes part in the byte space, and in the SHA-1 of its pieces as zeros, but is no file of ours.

import { BDict, type Bencoded } from "../bencode.ts";
import { toBinaryString } from "../bytes.ts";
import { MAX_FILES, MAX_PATH_PARTS } from "./limits.ts";
import { type FileList, type ListedFile, readAttributes, readLength, refuse } from "./listed_file.ts";

/**
 * Reads `files`, or else `length`.
 *
 * @param name The torrent's name, which a single file goes by.
 * @returns undefined when the dictionary has neither: it is v2-only, or broken.
 * @throws {MetainfoInvalid}
 * @see BEP 3, "info dictionary"
 */
export function readFilesV1(info: BDict, name: string): FileList | undefined {
  const list = info.list("files");
  if (list !== undefined) return readList(list);
  if (!info.has("length")) return undefined;
  const length = readLength(info);
  return { files: [{ parts: [name], length, offset: 0, piecesRoot: undefined }], end: length };
}

function readList(list: readonly Bencoded[]): FileList {
  // Padding counts too: it doubles the entries of a hybrid at most.
  if (list.length > 2 * MAX_FILES) refuse(`it has more than ${MAX_FILES} files`);
  const files: ListedFile[] = [];
  let end = 0;
  for (const entry of list) {
    if (!(entry instanceof BDict)) refuse("an entry of its file list is not a dictionary");
    const { isLink, isPadding } = readAttributes(entry);
    const parts = isPadding ? [] : readPath(entry);
    if (isLink) continue;
    const length = readLength(entry);
    if (!isPadding && !parts.some((part) => part.includes(BITCOMET_PADDING))) {
      files.push({ parts, length, offset: end, piecesRoot: undefined });
    }
    end += length;
    if (end > Number.MAX_SAFE_INTEGER) refuse("its files are longer than 2^53 - 1 bytes together");
  }
  if (files.length > MAX_FILES) refuse(`it has more than ${MAX_FILES} files`);
  return { files, end };
}

function readPath(entry: BDict): readonly string[] {
  // Where a creator wrote both, `path` is in its own, unknown encoding.
  const path = entry.list("path.utf-8") ?? entry.list("path");
  if (path === undefined || path.length === 0) refuse("a file of its file list has no path");
  if (path.length > MAX_PATH_PARTS) refuse(`a path has more than ${MAX_PATH_PARTS} parts`);
  return path.map((part) =>
    part instanceof Uint8Array ? toBinaryString(part) : refuse("a part of a path is not a byte string")
  );
}

/** BitComet named its padding before there was an attribute for it. */
const BITCOMET_PADDING = "_____padding_file_";
