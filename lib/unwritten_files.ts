// Files that can be read and not written: what a rehearsal works with. What it would write is dropped without a word, so
// that code which keeps its records as it goes can be run to see where it leads.

import { invariant } from "./errors.ts";
import type { Files } from "./ports.ts";

/** The same files, none of which is ever changed. Locks are not taken, and always had. */
export function unwritten(files: Files): Files {
  return {
    open(path, how) {
      invariant(how === "read", `a rehearsal opens ${path} only to read it`);
      return files.open(path, how);
    },
    stat: (path) => files.stat(path),
    read: (path, maxBytes) => files.read(path, maxBytes),
    realPath: (path) => files.realPath(path),
    list: (path) => files.list(path),
    freeBytes: (path) => files.freeBytes(path),
    bootId: () => files.bootId(),
    lock: () => ({ release: () => {} }),
    writeAtomic: () => {},
    replace: () => {},
    writeNew: () => {},
    rename: () => {},
    link: () => {},
    remove: () => {},
    removeAll: () => {},
    makeDir: () => {},
  };
}
