// Files in memory, as far as a journal needs them: contents, identities, boots, and a disk that fills up.

import { NotEnoughSpace, PathUnusable } from "../../lib/errors.ts";
import type { FileFacts, Files, OpenFile } from "../../lib/ports.ts";

interface MemoryFile {
  bytes: Uint8Array;
  inode: number;
  mtimeMs: number;
}

export class MemoryFiles implements Files {
  readonly all = new Map<string, MemoryFile>();
  boot: string | undefined = "boot 1";
  /** How many bytes may still be written; a write above it fails half done. */
  room = Infinity;
  /** Calls of writeAt and of sync, in order. */
  readonly calls: string[] = [];
  #inodes = 0;
  #mtime = 1000.5;

  put(path: string, bytes: Uint8Array): void {
    const inode = this.all.get(path)?.inode ?? ++this.#inodes;
    this.all.set(path, { bytes: bytes.slice(), inode, mtimeMs: ++this.#mtime });
  }

  get(path: string): Uint8Array {
    return this.#file(path).bytes;
  }

  open(path: string): OpenFile {
    const file = this.#file(path);
    let isOpen = true;
    return {
      path,
      readAt: () => unused(),
      writeAt: (bytes, at) => {
        if (!isOpen) throw new Error(`${path} is closed`);
        this.calls.push("write");
        const fits = bytes.subarray(0, Math.min(bytes.length, this.room));
        const grown = new Uint8Array(Math.max(file.bytes.length, at + fits.length));
        grown.set(file.bytes);
        grown.set(fits, at);
        file.bytes = grown;
        if (fits.length < bytes.length) throw new NotEnoughSpace(`Cannot write ${path}: the disk is full`);
      },
      truncate: () => unused(),
      facts: () => this.stat(path)!,
      sync: () => {
        if (!isOpen) throw new Error(`${path} is closed`);
        this.calls.push("sync");
        return Promise.resolve();
      },
      close: () => {
        isOpen = false;
      },
    };
  }

  stat(path: string): FileFacts | undefined {
    const file = this.all.get(path);
    if (file === undefined) return undefined;
    const { bytes: { length: size }, inode, mtimeMs } = file;
    return { kind: "file", size, allocated: size, mtimeMs, device: 7, inode };
  }

  read(path: string): Uint8Array | undefined {
    return this.all.get(path)?.bytes.slice();
  }

  writeAtomic(path: string, bytes: Uint8Array): void {
    this.all.delete(path);
    this.put(path, bytes);
  }

  replace(path: string, bytes: Uint8Array): void {
    this.writeAtomic(path, bytes);
  }

  link(): void {
    unused();
  }

  writeNew(path: string, bytes: Uint8Array): void {
    if (this.all.has(path)) throw new PathUnusable(`Cannot create ${path}: something else is there`);
    this.put(path, bytes);
  }

  realPath(path: string): string | undefined {
    return this.all.has(path) ? path : undefined;
  }

  rename(from: string, to: string): void {
    this.all.set(to, this.#file(from));
    this.all.delete(from);
  }

  bootId(): string | undefined {
    return this.boot;
  }

  remove = unused;
  removeAll = unused;
  makeDir = unused;
  list = unused;
  freeBytes = unused;
  lock = unused;

  #file(path: string): MemoryFile {
    const file = this.all.get(path);
    if (file === undefined) throw new Error(`${path} is not there`);
    return file;
  }
}

function unused(): never {
  throw new Error("a journal does not need this");
}
