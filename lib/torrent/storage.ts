// Where a torrent's bytes lie. One interface for every use (a file, an incoming snapshot, a kept copy, segments), in
// the torrent's words: a piece and a position in it. Reads and writes are synchronous: the page cache answers in
// microseconds, a promise per block would cost more, and a slow disk slows the reader as it should.

import { invariant, VerificationFailed } from "../errors.ts";
import type { FileFacts, Files, OpenFile } from "../ports.ts";
import type { Layout, PieceIndex } from "./layout.ts";
import { OpenFiles, type OpenMode } from "./open_files.ts";

export interface Storage {
  /** Whether a write may go on into the pieces that follow, because all lie behind one another in one file. */
  readonly joinsPieces?: boolean;
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
  readonly #files: OpenFiles;
  readonly #paths: readonly string[];

  private constructor(layout: Layout, paths: readonly string[], files: OpenFiles) {
    this.#paths = paths;
    this.#layout = layout;
    this.#files = files;
  }

  /**
   * Opens the files at the given paths.
   *
   * @param options.paths One per file of the layout, in its order.
   * @param options.mode "create" when it is not given.
   */
  static open(
    options: { files: Files; layout: Layout; paths: readonly string[]; mode?: OpenMode },
  ): FileStorage {
    const { files, layout, paths, mode = "create" } = options;
    invariant(paths.length === layout.files.length, "a path for each file");
    const lengths = layout.files.map(({ length }) => length);
    return new FileStorage(layout, paths, new OpenFiles({ files, paths, lengths, mode }));
  }

  get joinsPieces(): boolean {
    return this.#layout.single;
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
    return this.#files.facts();
  }

  sync(): Promise<void> {
    return this.#files.sync();
  }

  close(): void {
    this.#files.close();
  }

  #fileAt(index: number): OpenFile {
    const file = this.#files.get(index);
    invariant(file !== undefined, `${this.#paths[index]} was opened`);
    return file;
  }

  #readFrom(index: number, at: number, into: Uint8Array): void {
    const file = this.#files.get(index);
    if (file === undefined) {
      throw new VerificationFailed(`Cannot read ${this.#paths[index]}: it is not there`);
    }
    if (file.readAt(into, at) !== into.length) {
      throw new VerificationFailed(`Cannot read ${file.path}: it ends before byte ${at + into.length}`);
    }
  }
}
