// Whether a file is mounted by itself, as containers do it with a file that they are given: then nothing can be put in its
// place by a rename, and a swap would fail when all is fetched. Told by the kernel's list of mounts alone: a device that
// differs from the folder's says nothing where file systems lie one over the other.

import { parseUtf8 } from "../bytes.ts";
import { SnapError } from "../errors.ts";
import type { Files } from "../ports.ts";

/** @param path Without links. @returns false, too, where the system has no such list. */
export function isMountPoint(files: Files, path: string): boolean {
  let text: string;
  try {
    text = parseUtf8(files.read(MOUNTS, MAX_MOUNTS_BYTES) ?? new Uint8Array()) ?? "";
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    return false; // not ours to read: the rename will tell
  }
  const points = text.split("\n").map((line) => line.split(" ")[MOUNT_POINT]);
  return points.some((point) => point !== undefined && unescaped(point) === path);
}

/** Blanks, tabs, newlines and backslashes are written as "\040" (proc(5)). */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

const MOUNTS = "/proc/self/mountinfo";
/** The fifth field of a line. */
const MOUNT_POINT = 4;
/** Thousands of mounts: a machine full of containers has hundreds. */
const MAX_MOUNTS_BYTES = 4 << 20;
