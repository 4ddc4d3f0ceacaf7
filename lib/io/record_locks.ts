// Who holds a record lock (fcntl) on a file. The kernel's list, /proc/locks, leaves out processes of other containers;
// asking for the lock itself does not: it is refused whoever has it. Deno has no call for that, so the C library's is
// used. Nothing is locked by asking.

import { constants } from "node:fs";

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
    // Not node:fs: what older runtimes call a descriptor there is a number of their own.
    const name = new TextEncoder().encode(`${path}\0`);
    const fd = library.symbols.open(name, constants.O_RDWR | constants.O_NONBLOCK);
    if (fd < 0) return undefined;
    try {
      const lock = new Uint8Array(FLOCK_BYTES);
      new DataView(lock.buffer).setInt16(0, F_WRLCK, true);
      if (library.symbols.fcntl(fd, F_GETLK, lock) !== 0) return undefined;
      return new DataView(lock.buffer).getInt16(0, true) !== F_UNLCK;
    } finally {
      library.symbols.close(fd);
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
      return Deno.dlopen(name, {
        open: { parameters: ["buffer", "i32"], result: "i32" },
        fcntl: { parameters: ["i32", "i32", "buffer"], result: "i32" },
        close: { parameters: ["i32"], result: "i32" },
      });
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
