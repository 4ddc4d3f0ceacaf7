// Row "create": how fast `nano-snap produce torrent` hashes a file for a hybrid torrent, over libtorrent's
// set_piece_hashes. Both are whole processes; the rate is that of the hashing, ours with the start of its Workers and the
// writing of the .torrent. The file, twice the content of other rows, is in memory: disks are not compared.

import assert from "node:assert/strict";
import { join } from "node:path";
import { PYTHON } from "../tests/interop/support.ts";
import { writeRandomFile } from "./data.ts";
import { type Effort, inTurns, measure, type Row, type Sample } from "./harness.ts";

export const create: Row = {
  name: "create",
  bar: 1.6,
  maxRssBytes: 200e6,
  async run(effort) {
    const size = 2 * effort.size;
    const file = join(effort.folder, "create.bin");
    await writeRandomFile(file, size, "nano-snap bench create");
    await Deno.chmod(file, 0o644); // libtorrent records whether a file may be executed
    const hashes = new Set<string>();
    const samples = await inTurns(effort.pairs, {
      ours: async () => keep(hashes, await ourTorrent(file, effort)),
      theirs: async () => keep(hashes, await theirTorrent(file, effort)),
    });
    // What was measured has to be the same work.
    assert.equal(hashes.size, 1);
    await Deno.remove(file);
    return [{ row: "create", size, ...samples, counts: true }];
  },
};

interface Made {
  readonly sample: Sample;
  /** Both info-hashes. */
  readonly hashes: string;
}

function keep(seen: Set<string>, { sample, hashes }: Made): Sample {
  seen.add(hashes);
  return sample;
}

async function ourTorrent(file: string, effort: Effort): Promise<Made> {
  const words = ["produce", "torrent", file, "--piece-size", `${PIECE_LENGTH}`, "--original-filename", ""];
  const { stdout, stderr, cost } = await measure(
    Deno.execPath(),
    ["run", "--quiet", "-A", "main.ts", ...words, "--json", "--log-format", "json"],
    { scratch: effort.folder, deadlineMs: DEADLINE_MS, cwd: join(import.meta.dirname ?? ".", "..") },
  );
  const workMs = timeOf(stderr, /^Wrote /) - timeOf(stderr, /^Hashing: 0\.0%/);
  return { sample: { ...cost, workMs }, hashes: hashesIn(stdout) };
}

async function theirTorrent(file: string, effort: Effort): Promise<Made> {
  const script = join(import.meta.dirname ?? ".", "py", "create.py");
  const { stdout, cost } = await measure(PYTHON, ["-B", script, file, `${PIECE_LENGTH}`], {
    scratch: effort.folder,
    deadlineMs: DEADLINE_MS,
  });
  const { hashMs } = JSON.parse(stdout) as { hashMs: number };
  return { sample: { ...cost, workMs: hashMs }, hashes: hashesIn(stdout) };
}

function hashesIn(json: string): string {
  const { info_hash, info_hash_v1 } = JSON.parse(json) as { info_hash: string; info_hash_v1: string };
  return `${info_hash} ${info_hash_v1}`;
}

/** When the program said so, in milliseconds since 1970. */
function timeOf(log: string, message: RegExp): number {
  for (const line of log.split("\n")) {
    if (!line.startsWith("{")) continue;
    const said = JSON.parse(line) as { time: string; message: string };
    if (message.test(said.message)) return Date.parse(said.time);
  }
  throw new Error(`the log has no line ${message}:\n${log}`);
}

const PIECE_LENGTH = 32 << 20;
const DEADLINE_MS = 300_000;
