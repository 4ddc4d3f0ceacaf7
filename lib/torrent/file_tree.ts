// BEP 52's `file tree`: nested dictionaries whose leaves say length and root, laid out so that every file begins at
// a piece. What is refused is what libtorrent refuses.

import { BDict } from "../bencode.ts";
import { MAX_FILES, MAX_PATH_PARTS, MAX_PIECES } from "./limits.ts";
import { type FileList, type ListedFile, readAttributes, readLength, refuse } from "./listed_file.ts";
import { HASH_BYTES } from "./merkle.ts";

/**
 * Reads a file tree. Its byte space ends with the last file, whose piece may be short.
 *
 * @param pieceLength A power of two.
 * @throws {MetainfoInvalid}
 * @see BEP 52, "file tree"
 */
export function readFileTree(tree: BDict, pieceLength: number): FileList & { readonly pieceCount: number } {
  const files: ListedFile[] = [];
  let end = 0;
  let pieceCount = 0;

  const addFile = (parts: readonly string[], leaf: BDict): void => {
    const { isLink, isPadding } = readAttributes(leaf);
    if (isPadding) refuse("a file of the file tree is padding");
    if (isLink) return;
    const length = readLength(leaf);
    const offset = pieceCount * pieceLength;
    if (length > 0) end = offset + length;
    pieceCount += Math.ceil(length / pieceLength);
    if (pieceCount > MAX_PIECES) refuse(`it has more than ${MAX_PIECES} pieces`);
    if (files.length === MAX_FILES) refuse(`it has more than ${MAX_FILES} files`);
    files.push({ parts, length, offset, piecesRoot: length > 0 ? readRoot(leaf) : undefined });
  };

  const addFolder = (above: readonly string[], folder: BDict): void => {
    if (above.length >= MAX_PATH_PARTS) refuse(`a path has more than ${MAX_PATH_PARTS} parts`);
    for (const [name, entry] of folder.entries()) {
      if (name === "") refuse("an entry of the file tree has no name");
      if (!(entry instanceof BDict)) refuse("an entry of the file tree is not a dictionary");
      const parts = [...above, name];
      if (entry.size !== 1 || !entry.has("")) addFolder(parts, entry);
      else addFile(parts, entry.dict("") ?? refuse("a file of the file tree is not a dictionary"));
    }
  };

  addFolder([], tree);
  return { files, end, pieceCount };
}

function readRoot(leaf: BDict): Uint8Array {
  const root = leaf.bytes("pieces root");
  if (root?.length !== HASH_BYTES || root.every((byte) => byte === 0)) {
    refuse("a file of the file tree has no root hash");
  }
  return root;
}
