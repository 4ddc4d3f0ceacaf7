// Where a torrent's bytes lie. One interface for every use (a file, an incoming snapshot, a kept copy, segments), in
// the torrent's words: a piece and a position in it. Reads and writes are synchronous: the page cache answers in
// microseconds, a promise per block would cost more, and a slow disk slows the reader as it should.

import { invariant, VerificationFailed } from "../errors.ts";
import type { FileFacts, Files, OpenFile } from "../ports.ts";
import type { Layout, PieceIndex } from "./layout.ts";

export interface Storage {
  /** Writes part of a piece. @throws {NotEnoughSpace} When the disk is full: nothing written before is lost. */
  write(piece: PieceIndex, begin: number, bytes: Uint8Array): void;
  /** Fills `into` from part of a piece. @throws {VerificationFailed} When the file is shorter than that. */
  read(piece: PieceIndex, begin: number, into: Uint8Array): void;
  /** The files as they are now, in torrent order; all zeros for one that is not there. */
  facts(): FileFacts[];
  /** Resolves when everything written so far is on stable storage. */
  sync(): Promise<void>;
  close(): void;
}

/** A torrent's files below a folder, sparse until written. */
export class FileStorage implements Storage {
  readonly #layout: Layout;
  /** undefined where a file to read is not there. */
  readonly #files: readonly (OpenFile | undefined)[];
  readonly #paths: readonly string[];

  private constructor(layout: Layout, paths: readonly string[], files: readonly (OpenFile | undefined)[]) {
    this.#paths = paths;
    this.#layout = layout;
    this.#files = files;
  }

  /**
   * Opens the files at the given paths.
   *
   * @param options.paths One per file of the layout, in its order.
   * @param options.mode "create", the default, makes the files that are missing (and their folders, and empty files)
   * and cuts off what is too long. "write" wants them to be there. "read" changes nothing: a file that is not there
   * holds nothing.
   */
  static open(
    options: {
      files: Files;
      layout: Layout;
      paths: readonly string[];
      mode?: "create" | "write" | "read";
    },
  ): FileStorage {
    const { files, layout, paths, mode = "create" } = options;
    invariant(paths.length === layout.files.length, "a path for each file");
    const opened: (OpenFile | undefined)[] = [];
    try {
      for (const [i, path] of paths.entries()) {
        if (mode === "read") {
          opened.push(files.stat(path)?.kind === "file" ? files.open(path, "read") : undefined);
          continue;
        }
        const slash = path.lastIndexOf("/");
        if (mode === "create" && slash > 0) files.makeDir(path.slice(0, slash));
        const file = files.open(path, mode);
        opened.push(file);
        const length = layout.files[i]!.length;
        if (mode === "create" && file.facts().size > length) file.truncate(length);
      }
    } catch (error) {
      for (const file of opened) file?.close();
      throw error;
    }
    return new FileStorage(layout, paths, opened);
  }

  write(piece: PieceIndex, begin: number, bytes: Uint8Array): void {
    if (this.#layout.single) {
      this.#fileAt(this.#layout.singleFile).writeAt(bytes, this.#layout.offset(piece, begin));
      return;
    }
    let done = 0;
    for (const span of this.#layout.spans(piece, begin, bytes.length)) {
      const part = bytes.subarray(done, done + span.length);
      if (span.file !== undefined) this.#fileAt(span.file).writeAt(part, span.at);
      done += span.length;
    }
  }

  read(piece: PieceIndex, begin: number, into: Uint8Array): void {
    if (this.#layout.single) {
      this.#readFrom(this.#layout.singleFile, this.#layout.offset(piece, begin), into);
      return;
    }
    let done = 0;
    for (const span of this.#layout.spans(piece, begin, into.length)) {
      const part = into.subarray(done, done + span.length);
      if (span.file === undefined) part.fill(0);
      else this.#readFrom(span.file, span.at, part);
      done += span.length;
    }
  }

  facts(): FileFacts[] {
    return this.#files.map((file) => file?.facts() ?? NOT_THERE);
  }

  async sync(): Promise<void> {
    for (const file of this.#files) await file?.sync();
  }

  close(): void {
    for (const file of this.#files) file?.close();
  }

  #fileAt(index: number): OpenFile {
    const file = this.#files[index];
    invariant(file !== undefined, `${this.#paths[index]} was opened`);
    return file;
  }

  #readFrom(index: number, at: number, into: Uint8Array): void {
    const file = this.#files[index];
    if (file === undefined) {
      throw new VerificationFailed(`Cannot read ${this.#paths[index]}: it is not there`);
    }
    if (file.readAt(into, at) !== into.length) {
      throw new VerificationFailed(`Cannot read ${file.path}: it ends before byte ${at + into.length}`);
    }
  }
}

const NOT_THERE: FileFacts = { kind: "other", size: 0, allocated: 0, mtimeMs: 0, device: 0, inode: 0 };
