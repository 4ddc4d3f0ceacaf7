// File names out of a torrent made into paths that stay inside their folder on every system we run on, each file's
// its own. Names are hostile input: separators go, `.` and `..` go, what a terminal or Windows would take for
// something else is replaced. On Linux that is mostly what libtorrent does, so that its files can be adopted.
//
// Two files whose paths become equal, or differ in case only, are told apart by a number.

import { fromBinaryString } from "../bytes.ts";

/**
 * One name that is safe as a single path part.
 *
 * @param name Any bytes, as a binary string; UTF-8 where it is well-formed.
 * @returns At most 255 bytes of UTF-8; undefined when nothing is left (`.`, `..`, `/`).
 */
export function safeName(name: string): string | undefined {
  if (name === "") return "_";
  const kept = DECODER.decode(fromBinaryString(name))
    .replace(SEPARATORS_AND_DIRECTION, "")
    .replace(UNSAFE, "_")
    .replace(TRAILING, "");
  const part = shortened(RESERVED.test(kept) ? `_${kept}` : kept).replace(TRAILING, "");
  return part === "" ? undefined : part;
}

/** Gives each file of one torrent a path of its own. */
export class SafePaths {
  readonly #top = new Folder();

  /**
   * @param parts The file's path in the torrent, names as binary strings.
   * @returns At least one part, each safe, together unlike every path returned before.
   */
  place(parts: readonly string[]): string[] {
    const names: string[] = [];
    for (const part of parts) {
      const name = safeName(part);
      if (name !== undefined) names.push(name);
    }
    const last = names.pop() ?? "_";
    let folder = this.#top;
    const path: string[] = [];
    for (const name of names) {
      const inner = folder.enter(name);
      path.push(inner.name);
      folder = inner.folder;
    }
    path.push(folder.claim(last));
    return path;
  }
}

class Folder {
  /** Names in use, folded; with the last number that was tried after each. */
  readonly #taken = new Map<string, number>();
  readonly #folders = new Map<string, { name: string; folder: Folder }>();

  /** The folder of that name, made when it is new. A file has the name: the folder gets another. */
  enter(name: string): { name: string; folder: Folder } {
    const key = folded(name);
    let inner = this.#folders.get(key);
    if (inner === undefined) {
      inner = { name: this.claim(name), folder: new Folder() };
      this.#folders.set(key, inner);
    }
    return inner;
  }

  /** The name, or with a number before its extension if it is in use. */
  claim(name: string): string {
    const key = folded(name);
    let tried = this.#taken.get(key);
    if (tried === undefined) {
      this.#taken.set(key, 0);
      return name;
    }
    let free: string;
    do free = numbered(name, ++tried); while (this.#taken.has(folded(free)));
    this.#taken.set(key, tried);
    this.#taken.set(folded(free), 0);
    return free;
  }
}

/** Equal for names that one of the usual filesystems takes for the same. */
function folded(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

function numbered(name: string, number: number): string {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? `${name.slice(0, dot)}.${number}${name.slice(dot)}` : `${name}.${number}`;
}

/** At most `MAX_NAME_BYTES` of UTF-8, a short extension kept. */
function shortened(name: string): string {
  const bytes = ENCODER.encode(name);
  if (bytes.length <= MAX_NAME_BYTES) return name;
  const dot = name.lastIndexOf(".");
  const extension = dot > 0 && name.length - dot <= MAX_EXTENSION ? name.slice(dot) : "";
  const room = MAX_NAME_BYTES - ENCODER.encode(extension).length;
  return DECODER.decode(bytes.subarray(0, room)).replace(/\ufffd+$/, "") + extension;
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });
/** Either slash, and what turns the writing direction (an `exe` that reads like an `avi`). */
const SEPARATORS_AND_DIRECTION = /[/\\\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** Controls, line ends, what is not UTF-8, and what Windows forbids. */
const UNSAFE = /[\p{Cc}\u2028\u2029\ufffd<>:"|?*]/gu;
/** Windows drops them: two names would be one. */
const TRAILING = /[. ]+$/;
/** Devices on Windows, with any extension. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d|clock\$|conin\$|conout\$) *(\.|$)/i;
/** Filesystems take 255 bytes; a prefix and a number still fit. */
const MAX_NAME_BYTES = 240;
/** Characters of an extension, its dot included, that survive the shortening: as libtorrent. */
const MAX_EXTENSION = 10;
