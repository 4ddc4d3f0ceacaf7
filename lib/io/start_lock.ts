// Keeps LMDB environments from being opened, by the lock that LMDB itself takes first of all (mdb_env_excl_lock): an
// exclusive record lock on the first byte of the lock file. Who comes while we have it waits for a shared one, before it
// opens the data. Once it gets that, it would believe what the lock file says of an environment that is open, and of the
// ledger that was there then: so the file is emptied at once, and whoever has waited gives up with EINVAL instead.

import { lstatSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { StartLock } from "../ports.ts";
import { inodeOf } from "./file_identity.ts";
import { findHolders } from "./holders.ts";
import {
  isLockedFor,
  type LockLibrary,
  markHeld,
  openFile,
  openLibrary,
  tryLockStart,
} from "./record_locks.ts";

/**
 * Takes it and empties the file.
 *
 * @returns "taken" while somebody has the environment open; undefined where the system has no such lock, or what lies
 *   there is not a plain file with one name, or is root's in a folder of somebody else's: we may be root, and whoever may
 *   write into the folder may not be.
 */
export function takeStartLock(path: string): StartLock | "taken" | undefined {
  const library = openLibrary();
  if (library === undefined) return undefined;
  const fd = openFile(library, path, O_NOFOLLOW);
  if (fd === undefined) {
    library.close();
    return undefined;
  }
  const taken = take(library, fd, path);
  if (taken === "ours") return new HeldStartLock(library, fd);
  library.symbols.close(fd);
  library.close();
  return taken;
}

class HeldStartLock implements StartLock {
  readonly #library: LockLibrary;
  #fd: number | undefined;

  constructor(library: LockLibrary, fd: number) {
    this.#library = library;
    this.#fd = fd;
    markHeld(pathOf(fd), true);
  }

  waiting() {
    return this.#fd === undefined ? [] : findHolders([pathOf(this.#fd)]) ?? [];
  }

  release() {
    if (this.#fd === undefined) return;
    markHeld(pathOf(this.#fd), false);
    this.#library.symbols.close(this.#fd);
    this.#library.close();
    this.#fd = undefined;
  }
}

function take(library: LockLibrary, fd: number, path: string): "ours" | "taken" | undefined {
  try {
    if (!isPlain(path, fd)) return undefined;
    if (!tryLockStart(library, fd, 1n)) return isLockedFor(library, fd) === true ? "taken" : undefined;
    return library.symbols.ftruncate(fd, 0n) === 0 ? "ours" : undefined;
  } catch {
    return undefined;
  }
}

function isPlain(path: string, fd: number): boolean {
  const [named, opened] = [lstatSync(path), statSync(pathOf(fd))];
  const isSame = named.dev === opened.dev && inodeOf(named, path) === inodeOf(opened, pathOf(fd));
  // A second name can come and go between two looks; whose file it is nobody but root can change.
  const isForeign = opened.uid === ROOT && statSync(dirname(path)).uid !== ROOT;
  return named.isFile() && opened.nlink === 1 && isSame && !isForeign;
}

/** Leads to that file whatever becomes of its name. */
function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

const ROOT = 0;
/** As the kernel numbers it: runtimes have the one processor's number on the other, too. */
const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000 : 0o400000;
