// An older copy of a fixture torrent in which some blocks are the same, without a disk: what lib/io/match_client.ts is to
// the program. Like that, it only believes a block that has the hash which it is to have.

import { equalBytes } from "../../lib/bytes.ts";
import { sha256 } from "../../lib/hash.ts";
import type { BlockMatcher } from "../../lib/torrent/block_matcher.ts";
import type { OldBlocks, ReuseSums } from "../../lib/torrent/block_reuse.ts";
import { BLOCK_BYTES, type PieceIndex } from "../../lib/torrent/layout.ts";
import type { FixtureTorrent, MemoryStorage } from "./fixture_torrent.ts";

export class OldCopy implements BlockMatcher {
  /** Pieces that were looked at, in order. */
  readonly looked: PieceIndex[] = [];
  isEnded = false;
  /** What came of it, once it is over. */
  sums: ReuseSums | undefined;
  readonly #torrent: FixtureTorrent;
  readonly #storage: MemoryStorage;
  readonly #has: (piece: number, block: number) => boolean;
  readonly #later: (task: () => void) => void;

  /** @param options.later Does something soon, never at once. */
  constructor(options: {
    readonly torrent: FixtureTorrent;
    readonly storage: MemoryStorage;
    readonly has: (piece: number, block: number) => boolean;
    readonly later: (task: () => void) => void;
  }) {
    this.#torrent = options.torrent;
    this.#storage = options.storage;
    this.#has = options.has;
    this.#later = options.later;
  }

  /** What a download is to know of it. */
  blocks(isLikely = true): OldBlocks {
    const pieces = [...this.#torrent.layout.pieces()];
    return { pieces, isLikely, matcher: this, onOver: (sums) => this.sums = sums };
  }

  match(piece: PieceIndex, leaves: Uint8Array, onDone: (found: Uint8Array) => void): void {
    this.looked.push(piece);
    this.#later(() => {
      if (this.isEnded) return;
      const found = new Uint8Array(this.#torrent.layout.blockCount(piece));
      for (const block of found.keys()) {
        const data = this.#torrent.block(piece, block);
        const isTrue = equalBytes(sha256(data), leaves.subarray(32 * block, 32 * (block + 1)));
        if (!this.#has(piece, block) || !isTrue) continue;
        this.#storage.write(piece, block * BLOCK_BYTES, data);
        found[block] = 1;
      }
      onDone(found);
    });
  }

  end(): Promise<void> {
    this.isEnded = true;
    return Promise.resolve();
  }
}
