// One leech among peers of any character, until it has everything: what every such run must hold is asserted here.

import assert from "node:assert/strict";
import type { FixtureTorrent } from "../torrent/fixture_torrent.ts";
import { Leech } from "./leech.ts";
import { type Character, ScriptedPeer } from "./scripted_peer.ts";
import { World } from "./world.ts";

/** Some 16 MB: 64 pieces of 16 blocks, the last one short. */
export const LARGE_BYTES = 16_600_000;
/** A peer that does all that it should. */
export const GOOD: Character = { latencyMs: 30, bytesPerSec: 1_000_000 };

export interface LeechRun {
  readonly leech: Leech;
  readonly peers: readonly ScriptedPeer[];
  /** From the first dial to the last piece. */
  readonly tookMs: number;
  /** Of content, by all peers. */
  readonly sentBytes: number;
}

/** @param options As `Leech` takes them; `seed` is the number by which a world that goes wrong is found again. */
export async function runLeech(
  torrent: FixtureTorrent,
  characters: readonly Character[],
  { limitMs, ...options }: ConstructorParameters<typeof Leech>[2] & { readonly limitMs: number },
): Promise<LeechRun> {
  const { seed } = options;
  const world = new World();
  const peers = characters.map((character) => new ScriptedPeer(world, torrent, character));
  await using leech = new Leech(world, torrent, options);
  for (const { endpoint } of peers) leech.learn(endpoint);
  try {
    await world.run(() => leech.isComplete, limitMs);
  } catch (error) {
    throw new Error(`world ${seed} went wrong`, { cause: error });
  }
  const tookMs = world.clock.nowMs();
  const { layout } = torrent;
  assert.equal(leech.pieces.length, layout.pieceCount, `world ${seed}: each piece once`);
  assert.equal(new Set(leech.pieces).size, layout.pieceCount);
  for (const piece of layout.pieces()) {
    assert.deepEqual(leech.storage.piece(piece), torrent.bytes(piece, 0, layout.pieceSize(piece)));
  }
  const sentBytes = peers.reduce((sum, { deeds }) => sum + deeds.sentBytes, 0);
  return { leech, peers, tookMs, sentBytes };
}
