import assert from "node:assert/strict";
import { NotEnoughSpace, VerificationFailed } from "../../lib/errors.ts";
import type { FileFacts, Files, OpenFile } from "../../lib/ports.ts";
import type { Layout, PieceIndex } from "../../lib/torrent/layout.ts";
import { MAX_OPEN_FILES } from "../../lib/torrent/limits.ts";
import { FileStorage } from "../../lib/torrent/storage.ts";
import { fixtureBytes, layoutOf } from "./fixtures.ts";

/** Files in memory, read and written at positions; and which of them are open. */
class Disk {
  readonly files = new Map<string, Uint8Array>();
  readonly folders = new Set<string>();
  readonly open = new Map<string, number>();
  readonly synced: string[] = [];
  /** A path that cannot be opened. */
  forbidden = "";

  /** As much of the port as storage needs. */
  readonly port = {
    open: (path: string, how: string) => this.#open(path, how),
    stat: (path: string) => this.files.has(path) ? this.#facts(path) : undefined,
    makeDir: (path: string) => void this.folders.add(path),
  } as Partial<Files> as Files;

  #open(path: string, how: string): OpenFile {
    if (path === this.forbidden) throw new NotEnoughSpace(`Cannot open ${path}`);
    if (!this.files.has(path)) {
      assert.equal(how, "create", `${path} is not there`);
      this.files.set(path, new Uint8Array(0));
    }
    this.open.set(path, (this.open.get(path) ?? 0) + 1);
    return {
      path,
      readAt: (into, at) => {
        const part = this.files.get(path)!.subarray(at, at + into.length);
        into.set(part);
        return part.length;
      },
      writeAt: (bytes, at) => {
        const old = this.files.get(path)!;
        const grown = new Uint8Array(Math.max(old.length, at + bytes.length));
        grown.set(old);
        grown.set(bytes, at);
        this.files.set(path, grown);
      },
      truncate: (size) => void this.files.set(path, this.files.get(path)!.slice(0, size)),
      facts: () => this.#facts(path),
      sync: () => {
        this.synced.push(path);
        return Promise.resolve();
      },
      close: () => void this.open.set(path, this.open.get(path)! - 1),
    };
  }

  #facts(path: string): FileFacts {
    const size = this.files.get(path)!.length;
    return {
      kind: "file",
      size,
      allocated: size,
      mtimeMs: 1,
      device: 1,
      inode: [...this.files.keys()].indexOf(path),
    };
  }

  get openCount(): number {
    return [...this.open.values()].reduce((sum, count) => sum + count, 0);
  }
}

function opened(layout: Layout, disk = new Disk()) {
  const paths = layout.files.map((_, i) => `/in/${i % 2 === 0 ? "" : "sub/"}f${i}`);
  return { disk, paths, storage: FileStorage.open({ files: disk.port, layout, paths }) };
}

Deno.test("FileStorage makes every file and its folder, empty ones too", () => {
  const { disk, paths } = opened(layoutOf("v2", 32_768, [5, 0, 40_000]));
  assert.deepEqual([...disk.files.keys()], paths);
  assert.deepEqual(disk.folders, new Set(["/in", "/in/sub"]));
});

Deno.test("FileStorage opens a file that lies where we are, or in the root", () => {
  const disk = new Disk();
  const layout = layoutOf("v2", 32_768, [5]);
  FileStorage.open({ files: disk.port, layout, paths: ["data.ldb"] });
  FileStorage.open({ files: disk.port, layout, paths: ["/data.ldb"] });
  assert.deepEqual([...disk.files.keys()], ["data.ldb", "/data.ldb"]);
  assert.equal(disk.folders.has("d"), false);
});

Deno.test("FileStorage cuts off what is longer than the torrent's file, and keeps what is shorter", () => {
  const disk = new Disk();
  disk.files.set("/in/f0", fixtureBytes(20));
  disk.files.set("/in/sub/f1", fixtureBytes(20));
  const { storage } = opened(layoutOf("v2", 32_768, [5, 40_000]), disk);
  assert.deepEqual(disk.files.get("/in/f0"), fixtureBytes(5));
  assert.deepEqual(disk.files.get("/in/sub/f1"), fixtureBytes(20));
  assert.deepEqual(storage.facts().map(({ size }) => size), [5, 20]);
});

Deno.test("FileStorage closes what it opened when a later file cannot be opened", () => {
  const disk = new Disk();
  disk.forbidden = "/in/f2";
  assert.throws(() => opened(layoutOf("v2", 32_768, [5, 5, 5]), disk), NotEnoughSpace);
  assert.equal(disk.openCount, 0);
});

Deno.test("FileStorage joins the pieces of one file, and writes over several of them in one call", () => {
  const { disk, storage } = opened(layoutOf("v2", 16_384, [70_000]));
  assert.equal(storage.joinsPieces, true);
  storage.write(1 as PieceIndex, 0, fixtureBytes(50_000));
  assert.deepEqual(disk.files.get("/in/f0")!.subarray(16_384), fixtureBytes(50_000));
  assert.equal(opened(layoutOf("v2", 16_384, [70_000, 5])).storage.joinsPieces, false);
});

const SHAPES = [
  ["v1", 20_000, [30_000, 0, 7, 70_000, 5]],
  ["v1", 32_768, [100_000]],
  ["v2", 32_768, [16_384, 40_000, 0, 70_000]],
  ["hybrid", 16_384, [1, 16_384, 16_385]],
  ["v2", 65_536, [200_000]],
] as const;

for (const [kind, pieceLength, lengths] of SHAPES) {
  Deno.test(`FileStorage puts each byte of ${lengths.join(" + ")} bytes (${kind}) into its file and finds it again`, () => {
    const layout = layoutOf(kind, pieceLength, lengths);
    const { disk, paths, storage } = opened(layout);
    // The byte space, with zeros in its gaps.
    const last = layout.files.at(-1)!;
    const space = new Uint8Array(last.offset + last.length);
    for (const [i, { offset, length }] of layout.files.entries()) {
      space.set(fixtureBytes(length).map((byte) => byte ^ i), offset);
    }
    const blocks = [...layout.pieces()].flatMap((piece) =>
      Array.from({ length: layout.blockCount(piece) }, (_, block) => ({ piece, block }))
    );
    for (const { piece, block } of blocks.reverse()) {
      const at = piece * pieceLength + block * 16_384;
      storage.write(piece, block * 16_384, space.subarray(at, at + layout.blockSize(piece, block)));
    }
    for (const [i, { length }] of layout.files.entries()) {
      assert.deepEqual(disk.files.get(paths[i]!), fixtureBytes(length).map((byte) => byte ^ i), paths[i]);
    }
    for (const piece of layout.pieces()) {
      const size = layout.pieceSize(piece);
      for (const [begin, length] of [[0, size], [size - 1, 1], [size >> 1, size - (size >> 1)]] as const) {
        const got = new Uint8Array(length).fill(0xee);
        storage.read(piece, begin, got);
        const at = piece * pieceLength + begin;
        assert.deepEqual(got, space.slice(at, at + length), `piece ${piece} at ${begin}`);
      }
    }
  });
}

Deno.test("FileStorage writes nothing into padding, and reads zeros from it", () => {
  const layout = layoutOf("hybrid", 32_768, [10, 10]);
  const { disk, storage } = opened(layout);
  const piece = layout.piece(0)!;
  storage.write(piece, 0, new Uint8Array(32_768).fill(7));
  assert.equal(disk.files.get("/in/f0")!.length, 10);
  assert.equal(disk.files.get("/in/sub/f1")!.length, 0);
  const got = new Uint8Array(20).fill(9);
  storage.read(piece, 5, got);
  assert.deepEqual([...got], [...new Array(5).fill(7), ...new Array(15).fill(0)]);
});

Deno.test("FileStorage refuses to read what is not on disk yet", () => {
  const layout = layoutOf("v2", 32_768, [100_000, 40_000]);
  const { storage } = opened(layout);
  storage.write(layout.piece(0)!, 0, new Uint8Array(100));
  assert.throws(() => storage.read(layout.piece(0)!, 0, new Uint8Array(101)), VerificationFailed);
  assert.throws(() => storage.read(layout.piece(4)!, 0, new Uint8Array(1)), VerificationFailed);
  const single = layoutOf("v2", 32_768, [100_000]);
  assert.throws(
    () => opened(single).storage.read(single.piece(1)!, 0, new Uint8Array(1)),
    VerificationFailed,
  );
});

Deno.test("FileStorage syncs and closes every file", async () => {
  const { disk, paths, storage } = opened(layoutOf("v2", 32_768, [5, 0, 40_000]));
  await storage.sync();
  assert.deepEqual(disk.synced, paths);
  storage.close();
  assert.equal(disk.openCount, 0);
});

Deno.test("FileStorage has a bounded number of files open, whatever a torrent's number of files is", async () => {
  const count = 3 * MAX_OPEN_FILES;
  const layout = layoutOf("v2", 16_384, new Array(count).fill(20));
  const { disk, paths, storage } = opened(layout);
  const mostOpen = () => assert.ok(disk.openCount <= MAX_OPEN_FILES, `${disk.openCount} open files`);
  mostOpen();
  const bytesOf = (n: number) => new Uint8Array(20).fill(n);
  // Twice, in an order that makes each wait for the other's place.
  for (let n = 0; n < 2 * count; n++) {
    const index = (n * 7) % count;
    storage.write(layout.piece(index)!, 0, bytesOf(index));
    mostOpen();
  }
  for (let n = 0; n < count; n++) {
    assert.deepEqual(disk.files.get(paths[n]!), bytesOf(n));
    const got = new Uint8Array(20);
    storage.read(layout.piece(n)!, 0, got);
    assert.deepEqual(got, bytesOf(n));
    mostOpen();
  }
  assert.deepEqual(storage.facts().map(({ size }) => size), new Array(count).fill(20));
  await storage.sync();
  assert.deepEqual(
    new Set(disk.synced),
    new Set(paths),
    "those that were closed after they were written too",
  );
  storage.close();
  assert.equal(disk.openCount, 0);
});

Deno.test("FileStorage writes on while it syncs, and closes no file that is being synced", async () => {
  const count = 2 * MAX_OPEN_FILES;
  const layout = layoutOf("v2", 16_384, new Array(count).fill(20));
  const { disk, storage } = opened(layout);
  const syncing = storage.sync();
  for (let n = 0; n < count; n++) storage.write(layout.piece(n)!, 0, new Uint8Array(20));
  const held = disk.synced.at(-1)!;
  assert.equal(disk.open.get(held), 1);
  await syncing;
  await storage.sync();
  assert.equal(new Set(disk.synced).size, count);
});
