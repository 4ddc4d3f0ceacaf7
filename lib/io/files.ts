// Files over node:fs, synchronously and at positions: against the page cache a promise per block would cost more
// than the call. Every failure leaves here as a SnapError that names the path. Folders are fsynced after a rename
// where the system allows it, so that a file named by its final name is whole after a power loss.

import * as fs from "node:fs";
import { dirname } from "node:path";
import { invariant, PathUnusable, SnapError } from "../errors.ts";
import type { FileFacts, FileLock, FileNumber, Files, OpenFile } from "../ports.ts";
import { inodeOf, inodeOfOpen } from "./file_identity.ts";
import { errnoOf, pathError } from "./os_error.ts";

export const systemFiles: Files = {
  open(path, how) {
    const flags = { read: fs.constants.O_RDONLY, write: fs.constants.O_RDWR, create: CREATE_FLAGS }[how];
    const doing = { read: "read", write: "write", create: "create" }[how];
    return new PositionalFile(path, attempt(doing, path, () => fs.openSync(path, flags, 0o644)));
  },

  stat(path) {
    return attempt("look at", path, () =>
      ifThere(() => {
        const stats = fs.statSync(path);
        return factsOf(stats, inodeOf(stats, path));
      }));
  },

  read(path, maxBytes) {
    return attempt("read", path, () => ifThere(() => readWhole(path, maxBytes)));
  },

  writeAtomic(path, bytes, mode = 0o644) {
    const temporary = `${path}.tmp`;
    attempt("write", path, () => {
      // Whatever is left there by a run that was killed, or is a link to somewhere else, is not written into.
      fs.rmSync(temporary, { force: true });
      writeFresh(temporary, bytes, mode);
      fs.renameSync(temporary, path);
      syncFolder(dirname(path));
    });
  },

  replace(path, bytes) {
    const temporary = `${path}.tmp`;
    attempt("write", path, () => {
      fs.rmSync(temporary, { force: true });
      fs.writeFileSync(temporary, bytes, { flag: "wx" });
      fs.renameSync(temporary, path);
    });
  },

  writeNew(path, bytes, mode = 0o644) {
    attempt("create", path, () => {
      writeFresh(path, bytes, mode);
      syncFolder(dirname(path));
    });
  },

  realPath(path) {
    return attempt("look at", path, () => ifThere(() => fs.realpathSync(path)));
  },

  rename(from, to) {
    attempt(`rename ${from} to`, to, () => {
      fs.renameSync(from, to);
      syncFolder(dirname(to));
    });
  },

  link(from, to) {
    attempt(`link ${from} to`, to, () => {
      fs.linkSync(from, to);
      syncFolder(dirname(to));
    });
  },

  remove(path) {
    attempt("remove", path, () => ifThere(() => fs.unlinkSync(path)));
  },

  removeAll(path) {
    attempt("remove", path, () => fs.rmSync(path, { recursive: true, force: true }));
  },

  makeDir(path) {
    attempt("make the folder", path, () => {
      fs.mkdirSync(path, { recursive: true, mode: 0o755 });
    });
  },

  list(path) {
    return attempt("list", path, () => ifMissing(() => fs.readdirSync(path), [])).sort();
  },

  freeBytes(path) {
    // What is asked about often does not exist yet: its nearest folder that does lies on the same filesystem.
    let there = path;
    while (!fs.existsSync(there) && dirname(there) !== there) there = dirname(there);
    const { bavail, bsize } = attempt("ask for the free space at", there, () => fs.statfsSync(there));
    return bavail * bsize;
  },

  lock(path, note) {
    return attempt("lock", path, () => takeLock(path, note));
  },

  bootId() {
    try {
      return fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    } catch {
      return undefined;
    }
  },
};

/** One descriptor. After `close` it is never used again: the number may by then be another file's. */
class PositionalFile implements OpenFile {
  readonly path: string;
  #fd: number;
  /** Once it is known: it never changes, and the path may lead elsewhere later. */
  #inode: FileNumber | undefined;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  readAt(into: Uint8Array, at: number): number {
    const fd = this.#open();
    try {
      let done = 0;
      while (done < into.length) {
        const count = fs.readSync(fd, into, done, into.length - done, at + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    } catch (error) {
      throw pathError("read", this.path, error);
    }
  }

  writeAt(bytes: Uint8Array, at: number): void {
    const fd = this.#open();
    try {
      // A write comes back short when the disk fills up in its middle; the next one then says so.
      let done = 0;
      while (done < bytes.length) {
        done += fs.writeSync(fd, bytes, done, bytes.length - done, at + done);
      }
    } catch (error) {
      throw pathError("write", this.path, error);
    }
  }

  truncate(size: number): void {
    const fd = this.#open();
    attempt("set the size of", this.path, () => fs.ftruncateSync(fd, size));
  }

  facts(): FileFacts {
    const fd = this.#open();
    return attempt("look at", this.path, () => {
      const stats = fs.fstatSync(fd);
      this.#inode ??= inodeOfOpen(stats, this.path);
      return factsOf(stats, this.#inode);
    });
  }

  sync(): Promise<void> {
    const fd = this.#open();
    return new Promise((resolve, reject) => {
      fs.fdatasync(fd, (error) => error ? reject(pathError("flush", this.path, error)) : resolve());
    });
  }

  close(): void {
    if (this.#fd === CLOSED) return;
    const fd = this.#fd;
    this.#fd = CLOSED;
    attempt("close", this.path, () => fs.closeSync(fd));
  }

  #open(): number {
    invariant(this.#fd !== CLOSED, `${this.path} is open`);
    return this.#fd;
  }
}

/** Makes a file that was not there and brings it to the disk; what cannot be finished is taken away again. */
function writeFresh(path: string, bytes: Uint8Array, mode: number): void {
  const fd = fs.openSync(path, "wx", mode);
  try {
    for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at, bytes.length - at, at);
    fs.fsyncSync(fd);
  } catch (error) {
    fs.rmSync(path, { force: true });
    throw error;
  } finally {
    fs.closeSync(fd);
  }
}

/** flock on a file that stays: removing it would let two processes lock two files of one name. */
function takeLock(path: string, note: string): FileLock | undefined {
  refuseLink(path);
  const file = Deno.openSync(path, { read: true, write: true, create: true });
  let taken = false;
  try {
    refuseLink(path, file);
    taken = tryLock(file, path);
    if (!taken) return undefined;
    const bytes = new TextEncoder().encode(note);
    file.truncateSync(0);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    return { release: () => file.close() };
  } catch (error) {
    taken = false;
    throw error;
  } finally {
    if (!taken) file.close();
  }
}

/**
 * Whoever may write into the folder could have put a link there to a file that we may write and they may not.
 *
 * @param opened Must be what has that name: there may have been a link when it was opened.
 */
function refuseLink(path: string, opened?: Deno.FsFile): void {
  const named = ifThere(() => fs.lstatSync(path));
  const file = HAS_MODES ? opened?.statSync() : undefined;
  const isOther = file !== undefined && (named?.ino !== file.ino || named?.dev !== file.dev);
  if (isOther || named?.isSymbolicLink() === true) {
    throw new PathUnusable(`Cannot lock ${path}: it is a link, or was replaced meanwhile`);
  }
}

/** Runtimes before 2.7 can only wait for a lock: there the kernel's own list tells whether one would have to. */
function tryLock(file: Deno.FsFile, path: string): boolean {
  if (typeof file.tryLockSync === "function") return file.tryLockSync(true);
  const ofThisFile = new RegExp(`FLOCK .*:${inodeOf(fs.statSync(path), path)} `);
  if (ofThisFile.test(fs.readFileSync("/proc/locks", "utf8"))) return false;
  file.lockSync(true);
  return true;
}

/** Of a file that says it is empty: a machine's list of mounts may be long, and each read has its price. */
const LEAST_READ_BYTES = 0xffff;

/** Reads to the end whatever the size says: files of /proc say 0. */
function readWhole(path: string, maxBytes: number): Uint8Array {
  // Opening a pipe or a device may wait for ever.
  if (!fs.statSync(path).isFile()) throw new PathUnusable(`Cannot read ${path}: it is not a regular file`);
  const file = new PositionalFile(path, fs.openSync(path, "r"));
  try {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const left = Math.max(file.facts().size - size, LEAST_READ_BYTES);
      const chunk = new Uint8Array(Math.min(left, maxBytes) + 1);
      const count = file.readAt(chunk, size);
      chunks.push(chunk.subarray(0, count));
      size += count;
      if (size > maxBytes) {
        throw new PathUnusable(`Cannot read ${path}: it is longer than ${maxBytes} bytes`);
      }
      if (count < chunk.length) break;
    }
    if (chunks.length === 1) return chunks[0]!;
    const whole = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  } finally {
    file.close();
  }
}

function factsOf(stats: fs.Stats, inode: FileNumber): FileFacts {
  return {
    kind: stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other",
    size: stats.size,
    allocated: stats.blocks * STAT_BLOCK_BYTES,
    mtimeMs: stats.mtimeMs,
    device: stats.dev,
    inode,
    mode: HAS_MODES ? stats.mode & 0o777 : undefined,
  };
}

/** Windows cannot flush a folder, and some network filesystems refuse to: the rename itself still holds. */
function syncFolder(path: string): void {
  try {
    const fd = fs.openSync(path, "r");
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    if (errnoOf(error) === "EIO") throw error;
  }
}

function attempt<T>(doing: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof SnapError) throw error;
    throw pathError(doing, path, error);
  }
}

/** undefined when nothing has that name, also when a parent is a file. */
function ifThere<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
    throw error;
  }
}

function ifMissing<T>(call: () => T, otherwise: T): T {
  try {
    return call();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return otherwise;
    throw error;
  }
}

/** Windows makes the bits up. */
const HAS_MODES = Deno.build.os !== "windows";
const CREATE_FLAGS = fs.constants.O_RDWR | fs.constants.O_CREAT;
const CLOSED = -1;
/** `st_blocks` counts these, whatever the filesystem's own block is (POSIX). */
const STAT_BLOCK_BYTES = 512;
