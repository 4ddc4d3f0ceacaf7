// Finds blocks of a torrent in older copies of similar content, at the same place, and copies them. A block that has the
// hash which it must have is the block, wherever it comes from: what is written are the very bytes that were hashed. The
// contract, and what one thread does of it; the threads are lib/io/match_client.ts.

import { equalBytes } from "../bytes.ts";
import type { Files, OpenFile } from "../ports.ts";
import { leavesInto, PART_BYTES } from "./content_sums.ts";
import { BLOCK_BYTES, type Layout, type PieceIndex } from "./layout.ts";
import { HASH_BYTES } from "./merkle.ts";
import { FileStorage } from "./storage.ts";

/** Older copies, and what is to be made of them. */
export interface MatchFiles {
  /** Of a torrent of one file. */
  readonly layout: Layout;
  /** Looked at in this order. One that is not there, or ends sooner, holds nothing. */
  readonly from: readonly string[];
  /** The torrent's own file, which is there. It may be among the others: what is good in it stays where it is. */
  readonly to: string;
}

/** Looks at pieces. */
export interface BlockMatcher {
  /**
   * Copies what it finds of a piece.
   *
   * @param leaves The piece's true block hashes, 32 bytes each; not written to from now on.
   * @param onDone Told, never from inside the call, of each block whether it is in the torrent's file now (1) or not (0).
   * Where a file cannot be read or written, nothing is.
   */
  match(piece: PieceIndex, leaves: Uint8Array, onDone: (found: Uint8Array) => void): void;
  /** Resolves when no file is in use any more. Nobody is told of anything after this was called. */
  end(): Promise<void>;
}

/** Makes them. */
export interface BlockMatchers {
  start(files: MatchFiles): BlockMatcher;
}

/** One thread's part of it. It opens the files when it is made. */
export class BlockFinder implements Disposable {
  readonly #layout: Layout;
  readonly #to: FileStorage;
  readonly #from: { readonly file: OpenFile; readonly isOwn: boolean }[] = [];
  readonly #bytes = new Uint8Array(PART_BYTES);
  readonly #hashes = new Uint8Array(PART_BYTES / BLOCK_BYTES * HASH_BYTES);

  /** @throws {PathUnusable} */
  constructor(files: Files, { layout, from, to }: MatchFiles) {
    this.#layout = layout;
    using opening = new DisposableStack();
    this.#to = FileStorage.open({ files, layout, paths: [to], mode: "write" });
    opening.defer(() => this.#to.close());
    for (const path of from) {
      if (files.stat(path)?.kind !== "file") continue;
      const file = files.open(path, "read");
      opening.defer(() => file.close());
      this.#from.push({ file, isOwn: path === to });
    }
    opening.move();
  }

  /**
   * Copies what is there of a piece. Of a file only the blocks are read that those before it did not have.
   *
   * @returns 1 for each block that is in the torrent's file now.
   * @throws {SnapError}
   */
  find(piece: PieceIndex, leaves: Uint8Array): Uint8Array {
    const size = this.#layout.pieceSize(piece);
    const found = new Uint8Array(this.#layout.blockCount(piece));
    for (const { file, isOwn } of this.#from) {
      for (let first = 0, end; first < found.length; first = end) {
        end = first + 1;
        if (found[first] === 1) continue;
        while (end < found.length && found[end] === 0 && end - first < PART_BYTES / BLOCK_BYTES) end++;
        const begin = first * BLOCK_BYTES;
        const part = this.#bytes.subarray(0, Math.min(end * BLOCK_BYTES, size) - begin);
        const count = file.readAt(part, this.#layout.offset(piece, begin));
        leavesInto(part.subarray(0, count), this.#hashes, 0);
        const blocks = found.subarray(first, end);
        this.#compare(blocks, leaves.subarray(first * HASH_BYTES), count, part.length);
        if (!isOwn) this.#write(piece, begin, part, blocks);
      }
    }
    return found;
  }

  /** A block that the file does not have to its end is another one. */
  #compare(blocks: Uint8Array, leaves: Uint8Array, count: number, size: number): void {
    for (let block = 0; block < blocks.length; block++) {
      if (Math.min((block + 1) * BLOCK_BYTES, size) > count) return;
      const [at, end] = [block * HASH_BYTES, (block + 1) * HASH_BYTES];
      if (equalBytes(this.#hashes.subarray(at, end), leaves.subarray(at, end))) blocks[block] = 1;
    }
  }

  /** What was found, blocks that follow one another in one call. */
  #write(piece: PieceIndex, begin: number, part: Uint8Array, blocks: Uint8Array): void {
    for (let first = 0; first < blocks.length;) {
      let end = first;
      while (end < blocks.length && blocks[end] === 1) end++;
      if (end > first) {
        const found = part.subarray(first * BLOCK_BYTES, end * BLOCK_BYTES);
        this.#to.write(piece, begin + first * BLOCK_BYTES, found);
      }
      first = Math.max(end, first + 1);
    }
  }

  [Symbol.dispose](): void {
    this.#to.close();
    for (const { file } of this.#from) file.close();
  }
}
