// From one ledger to the next, by LMDB itself, and what that changes in the file.

import { join } from "node:path";
import { mustRun, PYTHON } from "./support.ts";

/** @param share New blocks over old ones: 0.001 for 0.1 %. */
export async function nextLedger(old: string, fresh: string, share: number): Promise<void> {
  const script = join(import.meta.dirname!, "py", "next_ledger.py");
  await mustRun(PYTHON, ["-B", script, old, fresh, `${share}`], { deadlineMs: 600_000 });
}

/** What two files do not share, place by place. */
export interface Difference {
  /** Of 16 KiB, and how many there are. */
  readonly changedBlocks: number;
  readonly blocks: number;
  /** Bytes of the changed ones: the last one may be short. */
  readonly changedBytes: number;
  /** Pieces that hold one. */
  readonly changedPieces: number;
}

export async function difference(old: string, fresh: string, pieceLength: number): Promise<Difference> {
  using a = await Deno.open(old);
  using b = await Deno.open(fresh);
  const [one, other] = [new Uint8Array(BLOCK), new Uint8Array(BLOCK)];
  const pieces = new Set<number>();
  let [blocks, changedBlocks, changedBytes] = [0, 0, 0];
  for (;; blocks++) {
    const [inOld, inNew] = [fill(a, one), fill(b, other)];
    if (inNew === 0) return { changedBlocks, blocks, changedBytes, changedPieces: pieces.size };
    if (inOld >= inNew && one.subarray(0, inNew).every((byte, i) => byte === other[i])) continue;
    changedBlocks++;
    changedBytes += inNew;
    pieces.add(Math.floor(blocks * BLOCK / pieceLength));
  }
}

function fill(file: Deno.FsFile, into: Uint8Array): number {
  let done = 0;
  while (done < into.length) {
    const count = file.readSync(into.subarray(done));
    if (count === null) break;
    done += count;
  }
  return done;
}

const BLOCK = 16_384;
