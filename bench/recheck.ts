// Row "recheck": how fast `nano-snap get` finds out that a file it knows nothing of is whole, over libtorrent's check of
// the same file when it adds the torrent. The file, twice the content of other rows, is in memory: disks are not
// compared. Ours hashes by v2 only, libtorrent a hybrid's both halves: what each does to believe a file.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { sha256OfFile } from "../tests/interop/support.ts";
import { writeRandomFile } from "./data.ts";
import {
  ALONE,
  type Cage,
  type Effort,
  inTurns,
  measureOurs,
  measureTheirs,
  type Row,
  type Sample,
  timeOf,
} from "./harness.ts";
import { compared, type Outcome } from "./report.ts";

export const recheck: Row = {
  names: ["recheck"],
  async *run(effort) {
    const folder = join(effort.folder, "recheck");
    await Deno.mkdir(folder);
    try {
      const task = await prepareRecheck(folder, 2 * effort.size);
      yield await row("recheck", task, effort, []);
      if (effort.full) yield await row("recheck, libtorrent with 2 hashing threads", task, effort, ["2"]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};

/** A file of chance in the folder, and its torrent. */
export async function prepareRecheck(folder: string, size: number): Promise<RecheckTask> {
  const file = join(folder, "recheck.bin");
  await writeRandomFile(file, size, "nano-snap bench recheck");
  const words = ["produce", "torrent", file, "--piece-size", `${PIECE_LENGTH}`];
  const { stdout } = await measureOurs([...words, "--json"], folder);
  const { info_hash } = JSON.parse(stdout) as { info_hash: string };
  return { file, size, infoHash: info_hash, sha256: sha256OfFile(file) };
}

export interface RecheckTask {
  readonly file: string;
  readonly size: number;
  readonly infoHash: string;
  readonly sha256: string;
}

async function row(name: string, task: RecheckTask, effort: Effort, threads: string[]): Promise<Outcome> {
  const samples = await inTurns(effort.pairs, {
    ours: (turn) => ourCheck(task, turn),
    theirs: () => theirCheck(task, threads),
  });
  const bars = { rss: 200e6, ...(threads.length === 0 ? { rate: 1.6 } : {}) };
  return compared({ row: name, size: task.size, ...samples, bars });
}

/** With nobody to fetch from: it ends well only when every piece is found good. */
export async function ourCheck(
  { file, infoHash, sha256 }: RecheckTask,
  turn: number,
  cage?: Cage,
): Promise<Sample> {
  const folder = dirname(file);
  const data = join(folder, "data");
  const incoming = join(data, ".nano-snap", "incoming", infoHash);
  await Deno.mkdir(incoming, { recursive: true });
  try {
    await Deno.link(file, join(incoming, "recheck.bin"));
    const words = ["get", "--torrent", `${file}.torrent`, "--data-dir", data, "--json", ...ALONE];
    const more = ["--stall-timeout", "60s", "--log-format", "json"];
    const { stdout, stderr, cost } = await measureOurs([...words, ...more], folder, cage);
    const { path } = JSON.parse(stdout) as { path: string };
    if (turn === 0) assert.equal(sha256OfFile(path), sha256);
    const workMs = timeOf(stderr, / → downloading$/) - timeOf(stderr, /^Checking what is in /);
    return { ...cost, workMs };
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

/** @param threads How many hash, when that is not libtorrent's own one. */
export async function theirCheck({ file }: RecheckTask, threads: string[], cage?: Cage): Promise<Sample> {
  const folder = dirname(file);
  const words = [`${file}.torrent`, folder, ...threads];
  const { stdout, cost } = await measureTheirs("recheck.py", words, folder, cage);
  const { checkMs } = JSON.parse(stdout) as { checkMs: number };
  return { ...cost, workMs: checkMs };
}

const PIECE_LENGTH = 32 << 20;
