// Record locks (fcntl) of any process. The kernel's list, /proc/locks, leaves out processes of other containers; asking
// for the lock itself does not: it is refused whoever has it. Deno has no call for that, so the C library's is used.
// Nothing is locked by asking.
//
// The kernel takes all of a process's locks on a file away when that process closes any descriptor of it. So nobody here
// opens a file that we have locked ourselves (`start_lock.ts`), and who asks about one is told so.

import { constants } from "node:fs";
import { identityOf } from "./file_identity.ts";

/**
 * Whether any other process of this kernel has a record lock on the file, wherever it runs.
 *
 * @returns undefined where that cannot be asked: another system than Linux on a 64-bit processor, no C library to
 *   call, or a file that may not be opened for writing.
 */
export function isRecordLocked(path: string): boolean | undefined {
  // Ours is exclusive.
  if (isHeld(path)) return false;
  const library = openLibrary();
  if (library === undefined) return undefined;
  try {
    const fd = openFile(library, path);
    if (fd === undefined) return undefined;
    try {
      return isLockedFor(library, fd);
    } finally {
      library.symbols.close(fd);
    }
  } catch {
    return undefined;
  } finally {
    library.close();
  }
}

/** The calls that locks need. */
export type LockLibrary = NonNullable<ReturnType<typeof openLibrary>>;

/** undefined where there is none. To be closed. */
export function openLibrary() {
  if (Deno.build.os !== "linux") return undefined;
  for (const name of LIBRARIES) {
    try {
      return Deno.dlopen(name, {
        open: { parameters: ["buffer", "i32"], result: "i32" },
        fcntl: { parameters: ["i32", "i32", "buffer"], result: "i32" },
        ftruncate: { parameters: ["i32", "i64"], result: "i32" },
        close: { parameters: ["i32"], result: "i32" },
      });
    } catch {
      // Another C library, or no permission to call one.
    }
  }
  return undefined;
}

/**
 * Opens it for reading and writing.
 *
 * @param flags Further ones of open(2).
 * @returns The C library's descriptor; undefined when it cannot be opened.
 */
export function openFile(library: LockLibrary, path: string, flags = 0): number | undefined {
  // Not node:fs: what older runtimes call a descriptor there is a number of their own.
  const name = new TextEncoder().encode(`${path}\0`);
  const fd = library.symbols.open(name, constants.O_RDWR | constants.O_NONBLOCK | O_CLOEXEC | flags);
  return fd < 0 ? undefined : fd;
}

/** Whether somebody else keeps us from an exclusive lock on all of it. */
export function isLockedFor(library: LockLibrary, fd: number): boolean | undefined {
  const lock = exclusive(0n);
  if (library.symbols.fcntl(fd, F_GETLK, lock) !== 0) return undefined;
  return new DataView(lock.buffer).getInt16(0, true) !== F_UNLCK;
}

/** Takes an exclusive lock on the first bytes, without waiting. @returns Whether we have it. */
export function tryLockStart(library: LockLibrary, fd: number, bytes: bigint): boolean {
  return library.symbols.fcntl(fd, F_SETLK, exclusive(bytes)) === 0;
}

/** The file that a path leads to is locked by us, from now on or not any more. */
export function markHeld(path: string, isNowHeld: boolean): void {
  const identity = identityOf(path);
  if (identity === undefined) return;
  if (isNowHeld) held.add(identity);
  else held.delete(identity);
}

function isHeld(path: string): boolean {
  if (held.size === 0) return false;
  const identity = identityOf(path);
  return identity !== undefined && held.has(identity);
}

/** A `struct flock`; a length of zero means "to the end, however long". */
function exclusive(bytes: bigint): Uint8Array<ArrayBuffer> {
  const lock = new Uint8Array(FLOCK_BYTES);
  const view = new DataView(lock.buffer);
  view.setInt16(0, F_WRLCK, true);
  view.setBigInt64(FLOCK_LENGTH_AT, bytes, true);
  return lock;
}

/** Files that we have locked: device and inode. */
const held = new Set<string>();

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
/** Of Linux on 64-bit processors. */
const F_GETLK = 5;
const F_SETLK = 6;
const F_WRLCK = 1;
const F_UNLCK = 2;
const O_CLOEXEC = 0x80000;
/** Type and whence, 2 bytes each; start and length, 8 bytes each; the process. */
const FLOCK_BYTES = 32;
const FLOCK_LENGTH_AT = 16;
