import assert from "node:assert/strict";
import { sha1 } from "../../lib/hash.ts";
import { type FileReader, passOver, type PieceSums, STRETCH_BYTES } from "../../lib/torrent/piece_pass.ts";
import { Layout } from "../../lib/torrent/layout.ts";
import { nextTurn } from "../../lib/turn.ts";
import { fixtureBytes } from "./fixtures.ts";
import { hashFile } from "./torrent_builder.ts";

const MIB = 1 << 20;
const BLOCK = 16_384;

/** An array as a file, some stretches of which are holes; it notes what is read. */
class Memory implements FileReader {
  readonly reads: [at: number, length: number][] = [];
  constructor(readonly bytes: Uint8Array, readonly holes: readonly (readonly [number, number])[] = []) {}

  read(into: Uint8Array, at: number): Promise<number> {
    this.reads.push([at, into.length]);
    const part = this.bytes.subarray(at, at + into.length);
    into.set(part);
    return Promise.resolve(part.length);
  }

  isHole(at: number, length: number): boolean {
    return this.holes.some(([from, to]) => from <= at && at + length <= to);
  }
}

function layoutOf(kind: "v1" | "v2", pieceLength: number, lengths: readonly number[]): Layout {
  let end = 0;
  const files = lengths.map((length, i) => {
    const offset = kind === "v1" ? end : Math.ceil(end / pieceLength) * pieceLength;
    end = offset + length;
    return { path: [`f${i}`], length, offset, piecesRoot: undefined };
  });
  return Layout.of({ kind, pieceLength, pieceCount: Math.ceil(end / pieceLength), files });
}

/** The sums by place, of all pieces in order unless others are named. */
async function sumsOf(
  layout: Layout,
  readers: readonly (FileReader | undefined)[],
  more: { pieces?: readonly number[]; tee?: (bytes: Uint8Array) => void } = {},
): Promise<(PieceSums | undefined)[]> {
  const numbers = more.pieces ?? [...layout.pieces()];
  const sums: (PieceSums | undefined)[] = [];
  let told = 0;
  await passOver({
    layout,
    readers,
    pieces: numbers.map((n, place) => ({ piece: layout.piece(n)!, place })),
    v1: layout.kind === "v1",
    v2: layout.kind !== "v1",
    onRead: (bytes) => void (told += bytes),
    onPiece: (place, found) => {
      assert.equal(place, sums.length, "in order");
      sums.push(found);
    },
    ...(more.tee === undefined ? {} : { tee: more.tee }),
  });
  assert.equal(
    told,
    numbers.reduce((sum, n) => sum + layout.pieceSize(layout.piece(n)!), 0),
    "each byte is told of",
  );
  return sums;
}

/** 32 bytes per piece of a v2 file. */
function rootsOf(bytes: Uint8Array, pieceLength: number): Uint8Array {
  const { root, layer } = hashFile(bytes, pieceLength);
  return layer ?? root;
}

Deno.test("passOver() gives roots of pieces large and small, whichever are wanted, in their order", async () => {
  for (const pieceLength of [BLOCK, MIB, 8 * MIB]) {
    const bytes = fixtureBytes(17 * MIB + 5);
    const layout = layoutOf("v2", pieceLength, [bytes.length]);
    const roots = rootsOf(bytes, pieceLength);
    const pieces = [...layout.pieces()].filter((n) => n % 3 !== 1).reverse();
    const sums = await sumsOf(layout, [new Memory(bytes)], { pieces });
    for (const [place, n] of pieces.entries()) {
      assert.deepEqual(sums[place]!.root, roots.subarray(32 * n, 32 * n + 32), `${pieceLength}: ${n}`);
    }
  }
});

Deno.test("passOver() reads small pieces that lie side by side in one go", async () => {
  const memory = new Memory(fixtureBytes(9 * MIB));
  await sumsOf(layoutOf("v2", BLOCK, [9 * MIB]), [memory]);
  const whole = Array.from(
    { length: 9 * MIB / STRETCH_BYTES | 0 },
    (_, n) => [n * STRETCH_BYTES, STRETCH_BYTES],
  );
  assert.deepEqual(memory.reads, [...whole, [8 * MIB, MIB]]);
});

Deno.test("passOver() joins files and padding for SHA-1", async () => {
  const lengths = [40_000, 0, 3, 70_000];
  const all = fixtureBytes(110_003);
  const layout = layoutOf("v1", 32_768, lengths);
  let at = 0;
  const readers = lengths.map((length) => new Memory(all.slice(at, at += length)));
  const sums = await sumsOf(layout, readers);
  sums.forEach((found, n) => {
    assert.deepEqual(
      new Uint8Array(found!.sha1!),
      new Uint8Array(sha1(all.subarray(n * 32_768, (n + 1) * 32_768))),
    );
  });
});

Deno.test("passOver() has no sums for a piece that is cut off or of a file that is not there, and goes on", async () => {
  const bytes = fixtureBytes(5 * BLOCK);
  const layout = layoutOf("v2", 2 * BLOCK, [bytes.length, 3 * BLOCK, bytes.length]);
  const cut = new Memory(bytes.subarray(0, 4 * BLOCK - 1));
  const sums = await sumsOf(layout, [cut, undefined, new Memory(bytes)]);
  assert.deepEqual(sums.map((found) => found !== undefined), [
    true,
    false,
    false,
    false,
    false,
    true,
    true,
    true,
  ]);
  const roots = rootsOf(bytes, 2 * BLOCK);
  assert.deepEqual(sums[0]!.root, roots.subarray(0, 32));
  assert.deepEqual(sums[7]!.root, roots.subarray(64));
});

Deno.test("passOver() reads no hole, and hashes one as the zeros that it is", async () => {
  for (const kind of ["v1", "v2"] as const) {
    for (const pieceLength of [2 * BLOCK, 8 * MIB]) {
      const bytes = fixtureBytes(33 * MIB + 77);
      // Whole pieces and parts of some, in the middle and at the end.
      const holes = [[3 * MIB, 20 * MIB], [30 * MIB, bytes.length]] as const;
      for (const [from, to] of holes) bytes.fill(0, from, to);
      const layout = layoutOf(kind, pieceLength, [bytes.length]);
      const memory = new Memory(bytes, holes);
      const sums = await sumsOf(layout, [memory]);
      assert.deepEqual(sums, await sumsOf(layout, [new Memory(bytes)]), `${kind} ${pieceLength}`);
      const inHole = memory.reads.filter(([at, length]) => memory.isHole(at, length));
      assert.deepEqual(inHole, []);
      const read = memory.reads.reduce((sum, [, length]) => sum + length, 0);
      assert.ok(read < bytes.length - 12 * MIB, `${read} bytes read`);
    }
  }
});

Deno.test("passOver() gives every byte to a tee, holes as zeros", async () => {
  const bytes = fixtureBytes(19 * MIB).fill(0, MIB, 18 * MIB);
  const memory = new Memory(bytes, [[MIB, 18 * MIB]]);
  const seen = new Uint8Array(bytes.length);
  let at = 0;
  await sumsOf(layoutOf("v2", 4 * MIB, [bytes.length]), [memory], {
    tee: (part) => {
      seen.set(part, at);
      at += part.length;
    },
  });
  assert.deepEqual(sha1(seen), sha1(bytes));
});

Deno.test("passOver() leaves others their turn while a tee gets nothing but a hole", async () => {
  const bytes = new Uint8Array(20 * MIB);
  const turn = Promise.withResolvers<void>();
  let hadTurn = false;
  setTimeout(() => {
    hadTurn = true;
    turn.resolve();
  }, 0);
  const layout = layoutOf("v2", 4 * MIB, [bytes.length]);
  await sumsOf(layout, [new Memory(bytes, [[0, bytes.length]])], { tee: () => {} });
  assert.ok(hadTurn);
  await turn.promise;
});

Deno.test("passOver() ends with what a read fails with while something else is waited for", async () => {
  const layout = layoutOf("v2", MIB, [3 * STRETCH_BYTES]);
  const second = Promise.withResolvers<number>();
  let reads = 0;
  let hashed = 0;
  const pass = passOver({
    layout,
    readers: [{ read: (into) => reads++ === 0 ? Promise.resolve(into.length) : second.promise }],
    pieces: [...layout.pieces()].map((piece) => ({ piece, place: piece })),
    v1: false,
    v2: true,
    onRead: async () => {
      second.reject(new Error("a sector cannot be read"));
      await nextTurn();
    },
    onPiece: () => hashed++,
  });
  await assert.rejects(pass, /sector/);
  assert.deepEqual([reads, hashed], [2, STRETCH_BYTES / MIB]);
});

Deno.test("passOver() ends with what onRead throws, and no read outlives it", async () => {
  let reading = 0;
  const slow: FileReader = {
    read: async (into) => {
      reading++;
      await Promise.resolve();
      reading--;
      return into.length;
    },
  };
  const layout = layoutOf("v2", MIB, [20 * MIB]);
  const pass = passOver({
    layout,
    readers: [slow],
    pieces: [...layout.pieces()].map((piece) => ({ piece, place: piece })),
    v1: false,
    v2: true,
    onRead: () => {
      throw new Error("enough");
    },
    onPiece: () => {},
  });
  await assert.rejects(pass, /enough/);
  assert.equal(reading, 0);
});
