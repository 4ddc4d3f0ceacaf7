// Looks at content that is on disk already: which pieces are good. Used for what a journal cannot vouch for, and for
// files that somebody else left. One buffer, one piece after the other; the event loop gets its turn in between.

import { equalBytes } from "../bytes.ts";
import { VerificationFailed } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { pieceMatchesV1, pieceRoot } from "./download.ts";
import { BLOCK_BYTES, type Layout, type PieceIndex } from "./layout.ts";
import { HASH_BYTES } from "./merkle.ts";
import type { Info } from "./metainfo.ts";
import type { PieceLayers } from "./piece_layers.ts";
import type { Storage } from "./storage.ts";

export interface CheckOptions {
  readonly info: Info;
  readonly layout: Layout;
  /** undefined for a v1 torrent. */
  readonly layers: PieceLayers | undefined;
  readonly storage: Storage;
  readonly pieces: Iterable<PieceIndex>;
  readonly signal: AbortSignal;
}

/**
 * Checks pieces against their hashes, in the order given. One whose hash is not known yet counts as not good.
 *
 * @throws The signal's reason when it aborts.
 */
export async function* checkPieces(
  options: CheckOptions,
): AsyncGenerator<{ piece: PieceIndex; isGood: boolean }> {
  const { info, layout, layers, storage, signal } = options;
  for (const piece of options.pieces) {
    signal.throwIfAborted();
    const isGood = layers === undefined
      ? pieceMatchesV1(info, layout, storage, piece)
      : pieceMatchesV2(layout, layers, storage, piece);
    yield { piece, isGood };
    await nextTurn();
  }
}

/** Reads a piece back and checks it by its merkle root (BEP 52). A piece that is not all there is not good. */
export function pieceMatchesV2(
  layout: Layout,
  layers: PieceLayers,
  storage: Storage,
  piece: PieceIndex,
): boolean {
  const expected = layers.hashOf(piece);
  const hashes = expected && blockHashesOnDisk(layout, storage, piece);
  return hashes !== undefined && equalBytes(pieceRoot(layout, piece, hashes), expected!);
}

/** SHA-256 of each block of a piece as it lies on disk, 32 bytes each; undefined when it is not all there. */
export function blockHashesOnDisk(
  layout: Layout,
  storage: Storage,
  piece: PieceIndex,
): Uint8Array | undefined {
  const size = layout.pieceSize(piece);
  const hashes = new Uint8Array(HASH_BYTES * layout.blockCount(piece));
  const buffer = new Uint8Array(Math.min(size, READ_BYTES));
  try {
    for (let at = 0; at < size; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, size - at));
      storage.read(piece, at, part);
      for (let from = 0; from < part.length; from += BLOCK_BYTES) {
        const block = (at + from) / BLOCK_BYTES;
        hashes.set(sha256(part.subarray(from, from + BLOCK_BYTES)), HASH_BYTES * block);
      }
    }
  } catch (error) {
    if (error instanceof VerificationFailed) return undefined;
    throw error;
  }
  return hashes;
}

/** A macrotask, so that sockets and timers are served between two pieces. */
function nextTurn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      port2.close();
      resolve();
    };
    port2.postMessage(0);
  });
}

/** A multiple of the block, large enough for a disk to read ahead. */
const READ_BYTES = 1 << 20;
