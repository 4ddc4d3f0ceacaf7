// Which parts of which files hold some blocks, and those blocks again out of what comes: blocks that lie side by side are
// asked for together. Padding is asked of nobody.

import type { Info } from "./info.ts";
import { BLOCK_BYTES, type Layout, type PieceIndex } from "./layout.ts";

export interface PickedBlock {
  readonly piece: PieceIndex;
  readonly block: number;
}

/** Some bytes of one file, or zeros that are in none. */
export interface Part {
  readonly file: number | undefined;
  readonly at: number;
  length: number;
}

/** Blocks that lie side by side, and what is to be fetched for them, in order. */
export interface Stretch {
  readonly blocks: PickedBlock[];
  readonly parts: Part[];
}

/** Blocks in the order of the torrent, as few stretches as they make. */
export function stretchesOf(layout: Layout, picked: readonly PickedBlock[]): Stretch[] {
  const sorted = picked.toSorted((a, b) => a.piece - b.piece || a.block - b.block);
  const stretches: Stretch[] = [];
  let end: number | undefined;
  for (const one of sorted) {
    const { piece, block } = one;
    const at = layout.offset(piece, block * BLOCK_BYTES);
    if (at !== end) stretches.push({ blocks: [], parts: [] });
    const { blocks, parts } = stretches.at(-1)!;
    const size = layout.blockSize(piece, block);
    blocks.push(one);
    for (const { file, at, length } of layout.spans(piece, block * BLOCK_BYTES, size)) {
      const last = parts.at(-1);
      const follows = last !== undefined && last.file === file &&
        (file === undefined || last.at + last.length === at);
      if (follows) last.length += length;
      else parts.push({ file, at, length });
    }
    end = at + size;
  }
  return stretches;
}

/**
 * Where a web seed has a file. A URL that ends in a slash is a folder, and a torrent of several files is always below one.
 *
 * @see BEP 19, "Metadata Extension"
 */
export function fileUrl(
  base: string,
  info: Pick<Info, "rawName" | "isSingleFile" | "files">,
  file: number,
): string {
  const url = new URL(base);
  const isFolder = url.pathname.endsWith("/");
  if (info.isSingleFile && !isFolder) return base;
  const names = info.isSingleFile ? [info.rawName] : [info.rawName, ...info.files[file]!.path];
  const path = names.map((name) => encodeURIComponent(name.toWellFormed())).join("/");
  url.pathname += `${isFolder ? "" : "/"}${path}`;
  return url.href;
}

/** Cuts what comes into blocks. Views into what came, or into its own buffer, live until the next call. */
export class BlockCutter {
  readonly #layout: Layout;
  readonly #blocks: readonly PickedBlock[];
  readonly #take: (at: PickedBlock, data: Uint8Array) => void;
  readonly #buffer = new Uint8Array(BLOCK_BYTES);
  #next = 0;
  #held = 0;

  /** @param stretch Whose parts will be pushed, in order. */
  constructor(layout: Layout, stretch: Stretch, take: (at: PickedBlock, data: Uint8Array) => void) {
    this.#layout = layout;
    this.#blocks = stretch.blocks;
    this.#take = take;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const block = this.#blocks[this.#next];
      if (block === undefined) throw new RangeError("more was pushed than the stretch has");
      const size = this.#layout.blockSize(block.piece, block.block);
      if (this.#held === 0 && bytes.length - at >= size) {
        this.#give(block, bytes.subarray(at, at + size));
        at += size;
        continue;
      }
      const taken = Math.min(size - this.#held, bytes.length - at);
      this.#buffer.set(bytes.subarray(at, at + taken), this.#held);
      this.#held += taken;
      at += taken;
      if (this.#held < size) return;
      this.#held = 0;
      this.#give(block, this.#buffer.subarray(0, size));
    }
  }

  #give(block: PickedBlock, data: Uint8Array): void {
    this.#next++;
    this.#take(block, data);
  }
}
