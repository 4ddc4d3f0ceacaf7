// Row "seed": how fast a libtorrent leech fetches from `nano-snap produce seed`, over how fast it fetches from a libtorrent
// seed of the same file. The rate is the leech's, from the torrent being added to its last piece being checked;
// processor time is the seed's during that, and memory the most that its process ever had.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { PYTHON, sha256OfFile, startProgram } from "../tests/interop/support.ts";
import { LibtorrentSwarm, type MadeTorrent } from "../tests/interop/swarm.ts";
import { writeRandomFile } from "./data.ts";
import { type Comparison, type Effort, inTurns, measure, type Row, type Sample } from "./harness.ts";

interface Variant {
  readonly name: string;
  readonly pieceSize: number;
  readonly leeches: number;
}

const MAIN: Variant = { name: "seed", pieceSize: 4 << 20, leeches: 1 };
const OTHERS: readonly Variant[] = [
  { name: "seed, 4 leeches", pieceSize: 4 << 20, leeches: 4 },
  { name: "seed, 32 MiB pieces", pieceSize: 32 << 20, leeches: 1 },
];

export const seed: Row = {
  name: "seed",
  bar: 1.0,
  maxRssBytes: 200e6,
  async run(effort) {
    const content = join(effort.folder, "seeded.bin");
    await writeRandomFile(content, effort.size, "nano-snap bench seed");
    const sha256 = sha256OfFile(content);
    const results: Comparison[] = [];
    for (const variant of effort.full ? [MAIN, ...OTHERS] : [MAIN]) {
      results.push(await compare(variant, effort, { content, sha256 }));
    }
    return results;
  },
};

/** A seed that runs, of either kind. */
interface RunningSeed {
  readonly pid: number;
  readonly port: number;
}

async function compare(
  variant: Variant,
  effort: Effort,
  { content, sha256 }: { content: string; sha256: string },
): Promise<Comparison> {
  await using swarm = await LibtorrentSwarm.start();
  const torrent = await swarm.createTorrent({
    path: content,
    torrent: `${content}.torrent`,
    pieceSize: variant.pieceSize,
  });
  // With libtorrent's own 500 KB a fast leech waits for the seed's next look at its queue.
  const settings = { send_buffer_watermark: 4 << 20, send_socket_buffer_size: 4 << 20 };
  const { port } = await swarm.addSeed({ dir: dirname(content), torrent: torrent.torrent, settings });
  const theirs: RunningSeed = { pid: swarm.peer.pid, port };
  const meta = JSON.stringify({ torrent_info_hash: torrent.v2 });
  await Deno.writeTextFile(join(effort.folder, "snapshot-meta.json"), meta);
  await using program = startProgram(
    Deno.execPath(),
    ["run", "--quiet", "-A", "main.ts", "produce", "seed", "--output-dir", effort.folder, ...LOOPBACK],
    { cwd: ROOT, deadlineMs: 3_600_000 },
  );
  const listening = await program.stderrLine(/Listening on port \d+/);
  await program.stderrLine(/Seeding \/.*: /, DEADLINE_MS);
  const ours: RunningSeed = { pid: program.pid, port: Number(/port (\d+)/.exec(listening.text)![1]) };
  const run = async (of: RunningSeed, turn: number): Promise<Sample> => {
    const before = await spentBy(of.pid);
    const results = await Promise.all(
      Array.from(
        { length: variant.leeches },
        (_, i) =>
          fetchFrom(of, {
            torrent,
            folder: join(effort.folder, `leech${i}`),
            sha256: turn === 0 ? sha256 : undefined,
          }),
      ),
    );
    const after = await spentBy(of.pid);
    const workMs = Math.max(...results.map((one) => one.transferMs));
    return {
      wallMs: Math.max(...results.map((one) => one.wallMs)),
      workMs,
      userSeconds: (after.userSeconds - before.userSeconds) / variant.leeches,
      systemSeconds: (after.systemSeconds - before.systemSeconds) / variant.leeches,
      peakRssBytes: after.peakRssBytes,
    };
  };
  const samples = await inTurns(effort.pairs, {
    ours: (turn) => run(ours, turn),
    theirs: (turn) => run(theirs, turn),
  });
  return { row: variant.name, size: effort.size, ...samples, counts: variant === MAIN };
}

/** One leech, a process of its own. What was measured has to be a download: once per side is enough to know. */
async function fetchFrom(
  { port }: RunningSeed,
  job: { torrent: MadeTorrent; folder: string; sha256: string | undefined },
): Promise<{ transferMs: number; wallMs: number }> {
  const { torrent, folder, sha256 } = job;
  await Deno.mkdir(folder);
  try {
    const words = { torrent: torrent.torrent, dir: folder, peers: [["127.0.0.1", port]] };
    const { stdout, cost } = await measure(
      PYTHON,
      ["-B", join(import.meta.dirname ?? ".", "py", "leech.py"), JSON.stringify(words)],
      { scratch: folder, deadlineMs: DEADLINE_MS },
    );
    if (sha256 !== undefined) assert.equal(sha256OfFile(join(folder, torrent.name)), sha256);
    return { ...(JSON.parse(stdout) as { transferMs: number }), wallMs: cost.wallMs };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What a process has taken until now (Linux). */
async function spentBy(pid: number): Promise<Pick<Sample, "userSeconds" | "systemSeconds" | "peakRssBytes">> {
  const stat = (await Deno.readTextFile(`/proc/${pid}/stat`)).split(") ").at(-1)!.split(" ");
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)![1]);
  return {
    userSeconds: Number(stat[11]) / TICKS,
    systemSeconds: Number(stat[12]) / TICKS,
    peakRssBytes: peak * 1024,
  };
}

const ROOT = join(import.meta.dirname ?? ".", "..");
const LOOPBACK = ["--bind", "127.0.0.1", "--port", "0", "--no-dht", "--no-trackers"];
const DEADLINE_MS = 300_000;
/** Of the kernel's clock for processes. */
const TICKS = 100;
