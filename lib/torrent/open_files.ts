// A torrent's files as far as they are open: all of them while they are few, else those used last, as a process may have
// only so many descriptors. One that was closed for another is opened again where it is needed.

import { dirname } from "node:path";
import { invariant } from "../errors.ts";
import type { FileFacts, Files, OpenFile } from "../ports.ts";
import { MAX_OPEN_FILES } from "./limits.ts";

/**
 * "create" makes the files that are missing (and their folders, and empty files) and cuts off what is too long. "write"
 * wants them to be there. "read" changes nothing: a file that is not there holds nothing.
 */
export type OpenMode = "create" | "write" | "read";

export class OpenFiles {
  readonly #files: Files;
  readonly #paths: readonly string[];
  readonly #mode: OpenMode;
  /** By index; the one used last is the last. */
  readonly #open = new Map<number, OpenFile>();
  /** Files to be read that are not there. */
  readonly #missing = new Set<number>();
  /** Closed ones that were written and are not on stable storage yet. */
  readonly #unsynced = new Set<number>();
  /** The one being synced stays open. */
  #held: number | undefined;
  #last: { readonly index: number; readonly file: OpenFile } | undefined;

  /**
   * Opens each file once.
   *
   * @param lengths What they are cut to in mode "create".
   */
  constructor(options: {
    readonly files: Files;
    readonly paths: readonly string[];
    readonly lengths: readonly number[];
    readonly mode: OpenMode;
  }) {
    const { files, paths, lengths, mode } = options;
    this.#files = files;
    this.#paths = paths;
    this.#mode = mode;
    try {
      for (const [i, path] of paths.entries()) this.#begin(i, path, lengths[i]!);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The file, open; undefined where one to read is not there. */
  get(index: number): OpenFile | undefined {
    if (this.#last?.index === index) return this.#last.file;
    if (this.#missing.has(index)) return undefined;
    const path = this.#paths[index];
    invariant(path !== undefined, `there is a file ${index}`);
    const file = this.#open.get(index) ?? this.#files.open(path, this.#mode === "read" ? "read" : "write");
    this.#keep(index, file);
    return file;
  }

  /** As they are now; all zeros for one that is not there. */
  facts(): FileFacts[] {
    return this.#paths.map((path, i) => {
      const file = this.#open.get(i);
      if (file !== undefined) return file.facts();
      return (this.#missing.has(i) ? undefined : this.#files.stat(path)) ?? NOT_THERE;
    });
  }

  /** Resolves when everything written so far is on stable storage. */
  async sync(): Promise<void> {
    for (const index of new Set([...this.#open.keys(), ...this.#unsynced])) {
      this.#held = index;
      try {
        await this.get(index)?.sync();
        this.#unsynced.delete(index);
      } finally {
        this.#held = undefined;
      }
    }
  }

  close(): void {
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
    this.#last = undefined;
  }

  #begin(index: number, path: string, length: number): void {
    const files = this.#files;
    if (this.#mode === "read") {
      if (files.stat(path)?.kind === "file") this.#keep(index, files.open(path, "read"));
      else this.#missing.add(index);
      return;
    }
    if (this.#mode === "create") files.makeDir(dirname(path));
    const file = files.open(path, this.#mode);
    this.#keep(index, file);
    if (this.#mode === "create" && file.facts().size > length) file.truncate(length);
  }

  #keep(index: number, file: OpenFile): void {
    this.#open.delete(index);
    this.#open.set(index, file);
    this.#last = { index, file };
    if (this.#open.size <= MAX_OPEN_FILES) return;
    for (const [oldest, old] of this.#open) {
      if (oldest === this.#held) continue;
      this.#open.delete(oldest);
      old.close();
      if (this.#mode !== "read") this.#unsynced.add(oldest);
      return;
    }
  }
}

const NOT_THERE: FileFacts = { kind: "other", size: 0, allocated: 0, mtimeMs: 0, device: 0, inode: 0 };
