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
  /** The files as they are now, in torrent order. */
  facts(): FileFacts[];
  /** Resolves when everything written so far is on stable storage. */
  sync(): Promise<void>;
  close(): void;
}

/** A torrent's files below a folder, sparse until written. */
export class FileStorage implements Storage {
  readonly #layout: Layout;
  readonly #files: readonly OpenFile[];

  private constructor(layout: Layout, files: readonly OpenFile[]) {
    this.#layout = layout;
    this.#files = files;
  }

  /**
   * Opens the files at the given paths, making those (and their folders) that are missing. Empty files are made too.
   *
   * @param options.paths One per file of the layout, in its order.
   * @param options.readOnly The files must be there.
   */
  static open(
    options: { files: Files; layout: Layout; paths: readonly string[]; readOnly?: boolean },
  ): FileStorage {
    const { files, layout, paths } = options;
    invariant(paths.length === layout.files.length, "a path for each file");
    const opened: OpenFile[] = [];
    try {
      for (const [i, path] of paths.entries()) {
        if (options.readOnly === true) {
          opened.push(files.open(path, "read"));
          continue;
        }
        files.makeDir(path.slice(0, Math.max(path.lastIndexOf("/"), 1)));
        const file = files.open(path, "create");
        opened.push(file);
        const length = layout.files[i]!.length;
        if (file.facts().size > length) file.truncate(length);
      }
    } catch (error) {
      for (const file of opened) file.close();
      throw error;
    }
    return new FileStorage(layout, opened);
  }

  write(piece: PieceIndex, begin: number, bytes: Uint8Array): void {
    if (this.#layout.single) {
      this.#files[this.#layout.singleFile]!.writeAt(bytes, this.#layout.offset(piece, begin));
      return;
    }
    let done = 0;
    for (const span of this.#layout.spans(piece, begin, bytes.length)) {
      const part = bytes.subarray(done, done + span.length);
      if (span.file !== undefined) this.#files[span.file]!.writeAt(part, span.at);
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
    return this.#files.map((file) => file.facts());
  }

  async sync(): Promise<void> {
    for (const file of this.#files) await file.sync();
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #readFrom(file: number, at: number, into: Uint8Array): void {
    const got = this.#files[file]!.readAt(into, at);
    if (got !== into.length) {
      throw new VerificationFailed(
        `Cannot read ${this.#files[file]!.path}: it ends before byte ${at + into.length}`,
      );
    }
  }
}
