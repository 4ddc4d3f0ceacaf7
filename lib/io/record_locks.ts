// Who holds a record lock (fcntl) on a file. The kernel's list, /proc/locks, leaves out processes of other containers;
// asking for the lock itself does not: it is refused whoever has it. Deno has no call for that, so the C library's is
// used. Nothing is locked by asking.

import { closeSync, constants, openSync } from "node:fs";

/**
 * Whether any process of this kernel has a record lock on the file, wherever it runs.
 *
 * @returns undefined where that cannot be asked: another system than Linux on a 64-bit processor, no C library to
 *   call, or a file that may not be opened for writing.
 */
export function isRecordLocked(path: string): boolean | undefined {
  const library = openLibrary();
  if (library === undefined) return undefined;
  try {
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      const lock = new Uint8Array(FLOCK_BYTES);
      new DataView(lock.buffer).setInt16(0, F_WRLCK, true);
      if (library.symbols.fcntl(fd, F_GETLK, lock) !== 0) return undefined;
      return new DataView(lock.buffer).getInt16(0, true) !== F_UNLCK;
    } finally {
      closeSync(fd);
    }
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
      return Deno.dlopen(name, { fcntl: { parameters: ["i32", "i32", "buffer"], result: "i32" } });
    } catch {
      // Another C library, or no permission to call one.
    }
  }
  return undefined;
}

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
/** Of Linux on 64-bit processors: `struct flock` with its length zero means "to the end, however long". */
const F_GETLK = 5;
const F_WRLCK = 1;
const F_UNLCK = 2;
const FLOCK_BYTES = 32;
