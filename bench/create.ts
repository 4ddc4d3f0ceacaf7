// Row "create": how fast `nano-snap produce torrent` hashes a file for a hybrid torrent, over libtorrent's
// set_piece_hashes. Both are whole processes; the rate is that of the hashing, ours with the start of its Workers and the
// writing of the .torrent. The file, twice the content of other rows, is in memory: disks are not compared.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { writeRandomFile } from "./data.ts";
import { type Cage, inTurns, measureOurs, measureTheirs, type Row, type Sample, timeOf } from "./harness.ts";
import { compared } from "./report.ts";

export const create: Row = {
  names: ["create"],
  async run(effort) {
    const size = 2 * effort.size;
    const file = join(effort.folder, "create.bin");
    await writeRandomFile(file, size, "nano-snap bench create");
    await Deno.chmod(file, 0o644); // libtorrent records whether a file may be executed
    const hashes = new Set<string>();
    const samples = await inTurns(effort.pairs, {
      ours: async () => keep(hashes, await ourTorrent(file)),
      theirs: async () => keep(hashes, await theirTorrent(file)),
    });
    // What was measured has to be the same work.
    assert.equal(hashes.size, 1);
    await Deno.remove(file);
    return [compared({ row: "create", size, ...samples, bars: { rate: 1.6, rss: 200e6 } })];
  },
};

/** A torrent that was made. */
export interface Made {
  readonly sample: Sample;
  /** Both info-hashes. */
  readonly hashes: string;
}

function keep(seen: Set<string>, { sample, hashes }: Made): Sample {
  seen.add(hashes);
  return sample;
}

export async function ourTorrent(file: string, cage?: Cage): Promise<Made> {
  const words = ["produce", "torrent", file, "--piece-size", `${PIECE_LENGTH}`, "--original-filename", ""];
  const { stdout, stderr, cost } = await measureOurs(
    [...words, "--json", "--log-format", "json"],
    dirname(file),
    cage,
  );
  const workMs = timeOf(stderr, /^Wrote /) - timeOf(stderr, /^Hashing: 0\.0%/);
  return { sample: { ...cost, workMs }, hashes: hashesIn(stdout) };
}

export async function theirTorrent(file: string, cage?: Cage): Promise<Made> {
  const { stdout, cost } = await measureTheirs("create.py", [file, `${PIECE_LENGTH}`], dirname(file), cage);
  const { hashMs } = JSON.parse(stdout) as { hashMs: number };
  return { sample: { ...cost, workMs: hashMs }, hashes: hashesIn(stdout) };
}

function hashesIn(json: string): string {
  const { info_hash, info_hash_v1 } = JSON.parse(json) as { info_hash: string; info_hash_v1: string };
  return `${info_hash} ${info_hash_v1}`;
}

const PIECE_LENGTH = 32 << 20;
