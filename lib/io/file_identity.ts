// Which file an inode number means, exactly. The runtime tells it as a float, its bigints too: above 2^53 (NTFS, CIFS,
// overlays of several file systems) a thousand neighbours have one number. On Linux such a number is asked for again, in
// full, by the C library's statx; elsewhere the time of the file's birth is told besides.

import * as fs from "node:fs";
import type { FileNumber } from "../ports.ts";

type Stats = Pick<fs.Stats, "ino" | "dev" | "birthtimeMs">;

/**
 * The inode of the file that a path leads to.
 *
 * @param stats What the runtime has just told of it.
 * @returns The number while it is exact; else a text that no other file has.
 */
export function inodeOf(stats: Stats, path: string): FileNumber {
  if (isExact(stats.ino)) return stats.ino;
  const exact = askInode(path);
  // Another file may have the name by now.
  if (exact !== undefined && Number(exact) === stats.ino) return String(exact);
  return inexact(stats);
}

/**
 * The inode of a file that is open.
 *
 * @param path What it was opened by: as long as that leads to it, its number can be had in full.
 */
export function inodeOfOpen(stats: Stats, path: string): FileNumber {
  if (isExact(stats.ino)) return stats.ino;
  try {
    const named = fs.statSync(path);
    const isSame = (["ino", "dev", "birthtimeMs"] as const).every((field) => named[field] === stats[field]);
    if (isSame) return inodeOf(stats, path);
  } catch {
    // It has lost that name.
  }
  return inexact(stats);
}

/** Device and inode of the file that a path leads to, whatever its name; undefined when it cannot be looked at. */
export function identityOf(path: string): string | undefined {
  try {
    const stats = fs.statSync(path);
    return `${stats.dev}:${inodeOf(stats, path)}`;
  } catch {
    return undefined;
  }
}

/** Where there are no numbers it is 0 of every file. */
function isExact(inode: number): boolean {
  return Number.isSafeInteger(inode) && inode > 0;
}

function inexact({ ino, birthtimeMs }: Stats): string {
  return `${ino}, born ${birthtimeMs}`;
}

/** undefined where it cannot be asked: another system than Linux, no C library to call, nothing there. */
function askInode(path: string): bigint | undefined {
  const library = openLibrary();
  if (library === undefined) return undefined;
  try {
    const name = new TextEncoder().encode(`${path}\0`);
    const answer = new Uint8Array(STATX_BYTES);
    if (library.symbols.statx(AT_FDCWD, name, 0, STATX_INO, answer) !== 0) return undefined;
    return new DataView(answer.buffer).getBigUint64(STATX_INO_AT, true);
  } catch {
    return undefined;
  } finally {
    library.close();
  }
}

function openLibrary() {
  if (Deno.build.os !== "linux") return undefined;
  for (const name of LIBRARIES) {
    try {
      return Deno.dlopen(name, {
        statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
      });
    } catch {
      // Another C library, or no permission to call one.
    }
  }
  return undefined;
}

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
/** `struct statx` of Linux, the same on every processor. */
const STATX_BYTES = 256;
const STATX_INO_AT = 32;
const STATX_INO = 0x100;
const AT_FDCWD = -100;
