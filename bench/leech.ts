// Row "leech": how fast `nano-snap get` fetches a torrent from a libtorrent seed, over how fast libtorrent does, from the
// same seed. Both are whole processes that end with every piece checked and written; the rate is that of the transfer,
// from the torrent being added to its last piece being checked.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { PYTHON, sha256OfFile } from "../tests/interop/support.ts";
import { LibtorrentSwarm, type MadeTorrent, type SwarmSession } from "../tests/interop/swarm.ts";
import { writeRandomFile } from "./data.ts";
import { type Comparison, type Effort, inTurns, measure, type Row, type Sample } from "./harness.ts";

interface Variant {
  readonly name: string;
  readonly pieceSize: number;
  readonly seeds: number;
}

const MAIN: Variant = { name: "leech", pieceSize: 4 << 20, seeds: 1 };
const OTHERS: readonly Variant[] = [
  { name: "leech, 8 seeds", pieceSize: 4 << 20, seeds: 8 },
  { name: "leech, 32 MiB pieces", pieceSize: 32 << 20, seeds: 1 },
  { name: "leech, 16 KiB pieces", pieceSize: 16 << 10, seeds: 1 },
];

export const leech: Row = {
  name: "leech",
  bar: 1.0,
  maxRssBytes: 200e6,
  async run(effort) {
    const content = join(effort.folder, "content.bin");
    await writeRandomFile(content, effort.size, "nano-snap bench leech");
    const sha256 = sha256OfFile(content);
    const results: Comparison[] = [];
    for (const variant of effort.full ? [MAIN, ...OTHERS] : [MAIN]) {
      results.push(await compare(variant, effort, { content, sha256 }));
    }
    return results;
  },
};

async function compare(
  variant: Variant,
  effort: Effort,
  { content, sha256 }: { content: string; sha256: string },
): Promise<Comparison> {
  await using swarm = await LibtorrentSwarm.start();
  const torrent = await swarm.createTorrent({
    path: content,
    torrent: join(effort.folder, "content.torrent"),
    pieceSize: variant.pieceSize,
  });
  const dir = dirname(content);
  const seeds = await Promise.all(
    Array.from({ length: variant.seeds }, () => {
      // Seeds that are checked have the file in the page cache and every leaf hash at hand.
      return swarm.addSeed({ dir, torrent: torrent.torrent, settings: SEED_SETTINGS });
    }),
  );
  const run = async (leech: typeof ourLeech, turn: number): Promise<Sample> => {
    const target = join(effort.folder, "leech");
    await Deno.mkdir(target);
    try {
      const { sample, path } = await leech({ torrent, seeds, target });
      // What was measured has to be a download: once per side is enough to know.
      if (turn === 0) assert.equal(sha256OfFile(path), sha256);
      return sample;
    } finally {
      await Deno.remove(target, { recursive: true });
    }
  };
  const samples = await inTurns(effort.pairs, {
    ours: (turn) => run(ourLeech, turn),
    theirs: (turn) => run(theirLeech, turn),
  });
  return { row: variant.name, size: effort.size, ...samples, counts: variant === MAIN };
}

interface Task {
  readonly torrent: MadeTorrent;
  readonly seeds: readonly SwarmSession[];
  /** An empty folder. */
  readonly target: string;
}

async function ourLeech({ torrent, seeds, target }: Task): Promise<{ sample: Sample; path: string }> {
  const args = ["get", "--torrent", torrent.torrent, "--data-dir", target, "--json"];
  // Its own times are in the log.
  args.push(
    "--no-dht",
    "--no-trackers",
    "--bind",
    "127.0.0.1",
    "--port",
    "0",
    "--log-format",
    "json",
    "--stall-timeout",
    "60s",
  );
  for (const { port } of seeds) args.push("--peer", `127.0.0.1:${port}`);
  const { stdout, stderr, cost } = await measure(
    Deno.execPath(),
    ["run", "--quiet", "-A", "main.ts", ...args],
    { scratch: dirname(torrent.torrent), deadlineMs: DEADLINE_MS, cwd: ROOT },
  );
  const answer = JSON.parse(stdout) as { path: string };
  const workMs = timeOf(stderr, / → finished$/) - timeOf(stderr, / → checking$/);
  return { sample: { ...cost, workMs }, path: answer.path };
}

async function theirLeech({ torrent, seeds, target }: Task): Promise<{ sample: Sample; path: string }> {
  const job = {
    torrent: torrent.torrent,
    dir: target,
    peers: seeds.map(({ port }) => ["127.0.0.1", port]),
  };
  const { stdout, cost } = await measure(
    PYTHON,
    ["-B", join(import.meta.dirname ?? ".", "py", "leech.py"), JSON.stringify(job)],
    { scratch: dirname(torrent.torrent), deadlineMs: DEADLINE_MS },
  );
  const { transferMs } = JSON.parse(stdout) as { transferMs: number };
  return { sample: { ...cost, workMs: transferMs }, path: join(target, torrent.name) };
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

const ROOT = join(import.meta.dirname ?? ".", "..");
const DEADLINE_MS = 300_000;
/** With libtorrent's own 500 KB a fast leech of either kind waits for the seed's next look at its queue. */
const SEED_SETTINGS = { send_buffer_watermark: 4 << 20, send_socket_buffer_size: 4 << 20 };
