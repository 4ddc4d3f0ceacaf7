// Real files: what is copied, and what is not written though it would be the same.

import assert from "node:assert/strict";
import { join } from "node:path";
import { systemFiles } from "../../lib/io/files.ts";
import type { Files } from "../../lib/ports.ts";
import { BlockFinder } from "../../lib/torrent/block_matcher.ts";
import type { Layout, PieceIndex } from "../../lib/torrent/layout.ts";
import { blockHashes } from "../../lib/torrent/merkle.ts";
import { fixtureBytes, layoutOf } from "./fixtures.ts";

const BLOCK = 16_384;
/** Two pieces of 128 blocks, the second one short: two reads each. */
const PIECE = 128 * BLOCK;
const LENGTH = PIECE + 3 * BLOCK + 100;

class Disk implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "nano-snap-blocks-" });
  readonly layout: Layout = layoutOf("v2", PIECE, [LENGTH]);
  readonly content = fixtureBytes(LENGTH);
  readonly to = join(this.root, "new");

  constructor() {
    using file = Deno.openSync(this.to, { create: true, write: true });
    file.truncateSync(LENGTH);
  }

  /** A copy in which these blocks are others, and which ends there. */
  old(name: string, others: Iterable<number>, length = LENGTH): string {
    const bytes = this.content.slice(0, length);
    for (const block of others) bytes[block * BLOCK + 5]! ^= 1;
    const path = join(this.root, name);
    Deno.writeFileSync(path, bytes);
    return path;
  }

  find(piece: number, from: readonly string[], files: Files = systemFiles): number[] {
    using finder = new BlockFinder(files, { layout: this.layout, from, to: this.to });
    const begin = piece * PIECE;
    const leaves = blockHashes(this.content.subarray(begin, begin + PIECE));
    const found = finder.find(piece as PieceIndex, leaves);
    return [...found.keys()].filter((block) => found[block] === 1);
  }

  /** Blocks of the new file that are as they should be. */
  good(): number[] {
    const bytes = Deno.readFileSync(this.to);
    const blocks = Array.from({ length: Math.ceil(LENGTH / BLOCK) }, (_, block) => block);
    return blocks.filter((block) => {
      const [at, end] = [block * BLOCK, (block + 1) * BLOCK];
      return blockHashes(bytes.subarray(at, end)).join() ===
        blockHashes(this.content.subarray(at, end)).join();
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

const all = (count: number, except: readonly number[] = []) =>
  Array.from({ length: count }, (_, i) => i).filter((i) => !except.includes(i));

Deno.test("BlockFinder.find() copies the blocks that are the same at the same place, and no other", () => {
  using disk = new Disk();
  const old = disk.old("old", [0, 63, 64, 100, 127, 129]);
  const same = all(128, [0, 63, 64, 100, 127]);
  assert.deepEqual(disk.find(0, [old]), same);
  assert.deepEqual(disk.good(), same);
  assert.deepEqual(disk.find(1, [old]), [0, 2, 3], "a short last block too");
});

Deno.test("BlockFinder.find() takes from the second copy what the first one lacks", () => {
  using disk = new Disk();
  const copies = [disk.old("first", [1, 2]), disk.old("second", [2, 3]), join(disk.root, "gone")];
  assert.deepEqual(disk.find(0, copies), all(128, [2]));
  assert.deepEqual(disk.good(), all(128, [2]));
});

Deno.test("BlockFinder.find() reads of the second copy no block that the first one had", () => {
  using disk = new Disk();
  const read: [name: string, block: number, count: number][] = [];
  const open: Files["open"] = (path, mode) => {
    const file = systemFiles.open(path, mode);
    const readAt = file.readAt.bind(file);
    file.readAt = (into, at) => {
      read.push([path.slice(disk.root.length + 1), at / BLOCK, into.length / BLOCK]);
      return readAt(into, at);
    };
    return file;
  };
  const copies = [disk.old("first", [5, 6, 100]), disk.old("second", [6])];
  assert.deepEqual(disk.find(0, copies, { ...systemFiles, open }), all(128, [6]));
  assert.deepEqual(read, [["first", 0, 64], ["first", 64, 64], ["second", 5, 2], ["second", 100, 1]]);
});

Deno.test("BlockFinder.find() has no block that a copy does not hold to its end", () => {
  using disk = new Disk();
  assert.deepEqual(disk.find(0, [disk.old("cut", [], 70 * BLOCK - 1)]), all(69));
  assert.deepEqual(disk.find(1, [disk.old("long", [], PIECE + 3 * BLOCK + 99)]), [0, 1, 2]);
  assert.deepEqual(disk.find(1, [disk.old("short", [], PIECE)]), []);
});

Deno.test("BlockFinder.find() finds what lies in the new file already, and writes none of it again", () => {
  using disk = new Disk();
  assert.deepEqual(disk.find(0, [disk.old("old", [9])]), all(128, [9]));
  const before = Deno.statSync(disk.to).mtime!.getTime();
  assert.deepEqual(disk.find(0, [disk.to]), all(128, [9]));
  assert.equal(Deno.statSync(disk.to).mtime!.getTime(), before);
});
