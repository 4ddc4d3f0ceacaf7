// Real Workers over real files.

import assert from "node:assert/strict";
import { join } from "node:path";
import { WorkerMatchers } from "../../lib/io/match_client.ts";
import type { PieceIndex } from "../../lib/torrent/layout.ts";
import { blockHashes } from "../../lib/torrent/merkle.ts";
import { fixtureBytes, layoutOf } from "../torrent/fixtures.ts";

const BLOCK = 16_384;
const PIECE = 4 * BLOCK;
const PIECES = 20;

Deno.test("WorkerMatchers look at pieces on two cores, and end with no file in use", async () => {
  const root = Deno.makeTempDirSync({ prefix: "nano-snap-match-" });
  try {
    const layout = layoutOf("v2", PIECE, [PIECES * PIECE]);
    const content = fixtureBytes(PIECES * PIECE);
    const old = content.slice();
    for (let piece = 0; piece < PIECES; piece++) old[piece * PIECE + BLOCK]! ^= 1;
    const [from, to] = [join(root, "old"), join(root, "new")];
    Deno.writeFileSync(from, old);
    Deno.writeFileSync(to, new Uint8Array(0));
    const matcher = new WorkerMatchers(2).start({ layout, from: [from], to });
    const found = await Promise.all(Array.from({ length: PIECES }, (_, piece) => {
      const leaves = blockHashes(content.subarray(piece * PIECE, (piece + 1) * PIECE));
      return new Promise<Uint8Array>((resolve) => matcher.match(piece as PieceIndex, leaves, resolve));
    }));
    assert.deepEqual(found, found.map(() => Uint8Array.of(1, 0, 1, 1)));
    await matcher.end();
    const written = Deno.readFileSync(to);
    for (let piece = 0; piece < PIECES; piece++) {
      for (const block of [0, 2, 3]) {
        const at = piece * PIECE + block * BLOCK;
        assert.deepEqual(written.subarray(at, at + BLOCK), content.subarray(at, at + BLOCK));
      }
    }
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("WorkerMatchers find nothing where the new file cannot be written", async () => {
  const layout = layoutOf("v2", PIECE, [PIECE]);
  const matcher = new WorkerMatchers(1).start({ layout, from: [], to: "/nowhere/at/all" });
  const leaves = new Uint8Array(4 * 32);
  const found = await new Promise((resolve) => matcher.match(0 as PieceIndex, leaves, resolve));
  assert.deepEqual(found, new Uint8Array(4));
  await matcher.end();
});

Deno.test("WorkerMatchers end in the middle of a piece, and tell of nothing any more", async () => {
  const root = Deno.makeTempDirSync({ prefix: "nano-snap-match-" });
  try {
    const layout = layoutOf("v2", PIECE, [PIECES * PIECE]);
    const path = join(root, "file");
    Deno.writeFileSync(path, fixtureBytes(PIECES * PIECE));
    const matcher = new WorkerMatchers(2).start({ layout, from: [path], to: path });
    let told = 0;
    for (const piece of layout.pieces()) matcher.match(piece, new Uint8Array(4 * 32), () => told++);
    await matcher.end();
    assert.equal(told, 0);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
