// A torrent of one file in files of some pieces each, which go one by one once their pieces were used: for a disk that
// has no room for all of it. What is written here does not outlive the run. A segment begins with a piece and holds whole
// pieces, so that no block lies in two.

import { join } from "node:path";
import { invariant, VerificationFailed } from "../errors.ts";
import type { FileFacts, Files, OpenFile } from "../ports.ts";
import type { Layout, PieceIndex } from "./layout.ts";
import type { Storage } from "./storage.ts";

/** Plain data: where segments lie, for another thread too. */
export interface SegmentPlace {
  readonly folder: string;
  /** Bytes of each but the last. */
  readonly segmentBytes: number;
}

/** The segments of a layout's pieces: a piece each where pieces are long. */
export function segmentBytesOf({ pieceLength }: Layout): number {
  return pieceLength * Math.max(1, Math.floor(SEGMENT_BYTES / pieceLength));
}

export class SegmentStorage implements Storage {
  readonly place: SegmentPlace;
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #open = new Map<number, OpenFile>();
  /** No segment below is there any more. */
  #first = 0;

  /** @param options.folder Is there and empty. */
  constructor(options: { readonly files: Files; readonly layout: Layout; readonly folder: string }) {
    invariant(options.layout.single, "segments hold one file");
    this.#files = options.files;
    this.#layout = options.layout;
    this.place = { folder: options.folder, segmentBytes: segmentBytesOf(options.layout) };
  }

  write(piece: PieceIndex, begin: number, bytes: Uint8Array): void {
    const { segment, at } = this.#placeOf(piece, begin);
    let file = this.#open.get(segment);
    if (file === undefined) {
      invariant(segment >= this.#first, `segment ${segment} is not used up`);
      file = this.#files.open(segmentPath(this.place, segment), "create");
      this.#open.set(segment, file);
    }
    file.writeAt(bytes, at);
  }

  read(piece: PieceIndex, begin: number, into: Uint8Array): void {
    const { segment, at } = this.#placeOf(piece, begin);
    const file = this.#open.get(segment);
    if (file === undefined) {
      throw new VerificationFailed(`Cannot read piece ${piece}: it is not there any more`);
    }
    if (file.readAt(into, at) === into.length) return;
    throw new VerificationFailed(`Cannot read ${file.path}: it ends before byte ${at + into.length}`);
  }

  /** Removes each segment whose pieces all lie below this one. */
  dropBefore(piece: number): void {
    const end = Math.floor(piece * this.#layout.pieceLength / this.place.segmentBytes);
    for (; this.#first < end; this.#first++) {
      this.#open.get(this.#first)?.close();
      this.#open.delete(this.#first);
      this.#files.remove(segmentPath(this.place, this.#first));
    }
  }

  /** None: no record of these files is kept. */
  facts(): FileFacts[] {
    return [];
  }

  /** Nothing here is to outlive a crash. */
  sync(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
  }

  #placeOf(piece: PieceIndex, begin: number): { segment: number; at: number } {
    const offset = this.#layout.offset(piece, begin);
    const segment = Math.floor(offset / this.place.segmentBytes);
    return { segment, at: offset - segment * this.place.segmentBytes };
  }
}

/** The same bytes by their place in the file, read by another thread through handles of its own. */
export class SegmentReader implements Disposable {
  readonly #place: SegmentPlace;
  readonly #files: Pick<Files, "open" | "list" | "stat">;
  #open: { readonly segment: number; readonly file: OpenFile } | undefined;

  constructor(files: Pick<Files, "open" | "list" | "stat">, place: SegmentPlace) {
    this.#files = files;
    this.#place = place;
  }

  /** Reads bytes that are there, up to the end of a segment at most; 0 where nothing is. @throws {PathUnusable} */
  readAt(into: Uint8Array, at: number): number {
    const { segmentBytes } = this.#place;
    const segment = Math.floor(at / segmentBytes);
    if (this.#open?.segment !== segment) {
      this[Symbol.dispose]();
      this.#open = { segment, file: this.#files.open(segmentPath(this.#place, segment), "read") };
    }
    const from = at - segment * segmentBytes;
    return this.#open.file.readAt(into.subarray(0, segmentBytes - from), from);
  }

  /** Bytes that all segments take on the disk now. */
  allocated(): number {
    const { folder } = this.#place;
    return this.#files.list(folder).reduce((sum, name) => {
      return sum + (this.#files.stat(join(folder, name))?.allocated ?? 0);
    }, 0);
  }

  /** Lets go of the last segment: one that was removed takes its space until then. */
  [Symbol.dispose](): void {
    this.#open?.file.close();
    this.#open = undefined;
  }
}

function segmentPath({ folder }: SegmentPlace, segment: number): string {
  return join(folder, `seg-${String(segment).padStart(6, "0")}`);
}

/** Removed at a time: small beside the window, large beside a file's cost. */
const SEGMENT_BYTES = 4 << 20;
