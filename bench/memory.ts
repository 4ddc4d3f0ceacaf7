// Row "memory": what the program holds with a torrent as large as the real ledger, 100 peers and gigabytes moved, once
// as a seed and once as a leech. The content is 121 GB of zeros in a sparse file, which costs no disk; memory is the same
// as with other bytes. Memory has to stay below its bar and must not grow: what it is when all has moved is compared
// with what it was at a quarter of that. Fewer gigabytes are moved unless the whole matrix is wanted; the row says how many.

import { join } from "node:path";
import { toHex } from "../lib/bytes.ts";
import { sha1, sha256 } from "../lib/hash.ts";
import { makeTorrent } from "../lib/producer/make_torrent.ts";
import { ceil2, rootOf, zeroHash } from "../lib/torrent/merkle.ts";
import { PYTHON, startProgram } from "../tests/interop/support.ts";
import { linesOf } from "../tests/interop/child.ts";
import { ALONE, DEADLINE_MS, pythonScript, ROOT, type Row, RUN, RUN_MAIN, statusBytes } from "./harness.ts";
import { atMost, type Outcome, round } from "./report.ts";

const SIZE = 121e9;
const PIECE_LENGTH = 32 << 20;
const PEERS = 100;
const GIB = 2 ** 30;

export const memory: Row = {
  names: ["memory"],
  async *run({ folder, full }) {
    const own = join(folder, "memory");
    await Deno.mkdir(own);
    const task = { folder: own, bytes: (full ? 8 : 4) * GIB, torrent: await writeTorrent(own) };
    try {
      yield* await seeding(task);
      yield await leeching(task);
    } finally {
      await Deno.remove(own, { recursive: true });
    }
  },
};

interface Task {
  readonly folder: string;
  /** To be moved. */
  readonly bytes: number;
  readonly torrent: {
    readonly path: string;
    readonly infoHashV1: string;
    readonly infoHashV2: string;
    readonly pieces: number;
  };
}

async function seeding({ folder, bytes, torrent }: Task): Promise<Outcome[]> {
  const served = join(folder, "served");
  await Deno.mkdir(served);
  await Deno.copyFile(torrent.path, join(served, "data.ldb.torrent"));
  const meta = JSON.stringify({ torrent_info_hash: torrent.infoHashV2 });
  await Deno.writeTextFile(join(served, "snapshot-meta.json"), meta);
  using file = await Deno.open(join(served, "data.ldb"), { create: true, write: true });
  await file.truncate(SIZE);
  const startedMs = performance.now();
  const words = ["produce", "seed", "--output-dir", served, "--max-peers", "200", ...ALONE];
  await using seed = startProgram(Deno.execPath(), [...RUN_MAIN, ...words], {
    cwd: ROOT,
    deadlineMs: DEADLINE_MS,
  });
  const { text } = await seed.stderrLine(/Listening on port \d+/);
  await seed.stderrLine(/Seeding \/.*: /, DEADLINE_MS);
  const firstLookSeconds = round((performance.now() - startedMs) / 1000, 2);
  const port = /port (\d+)/.exec(text)![1]!;
  const args = [port, torrent.infoHashV1, PEERS, bytes, PIECE_LENGTH, torrent.pieces].map(String);
  const watched = await watch(PYTHON, ["-B", pythonScript("takers.py"), ...args], bytes, () => seed.pid);
  const firstLook = {
    row: "first look at a sparse file of 121 GB, start of the process included",
    figure: `${firstLookSeconds} s`,
    bars: [],
  };
  return [firstLook, outcomeOf("memory, seed", watched)];
}

async function leeching({ folder, bytes, torrent }: Task): Promise<Outcome> {
  const givers = new Deno.Command(PYTHON, {
    args: ["-B", pythonScript("givers.py"), `${PEERS}`],
    stdout: "piped",
  }).spawn();
  try {
    const lines = linesOf(givers.stdout);
    const { port } = JSON.parse((await lines.next()).value!) as { port: number };
    const peers = Array.from({ length: PEERS }, (_, n) => `127.0.0.${n + 2}:${port}`);
    const script = join(ROOT, "bench", "roomy_main.ts");
    const args = [...RUN, script, torrent.path, join(folder, "fetched"), ...peers];
    const watched = await watch(Deno.execPath(), args, bytes, (pid) => pid);
    return outcomeOf("memory, leech", watched);
  } finally {
    givers.kill("SIGKILL");
    await givers.status;
  }
}

interface Watched {
  /** At a quarter of the bytes with all peers there, at the end, and the most that there ever was. */
  readonly early: number;
  readonly late: number;
  readonly peak: number;
  /** How many had moved at the end: at least half of them after the first look. */
  readonly bytes: number;
}

/** Runs a program that tells how much has moved, until enough has; looks at a process's memory meanwhile. */
async function watch(
  command: string,
  args: readonly string[],
  bytes: number,
  whose: (pid: number) => number,
): Promise<Watched> {
  const child = new Deno.Command(command, { args: [...args], stdout: "piped", cwd: ROOT }).spawn();
  const pid = whose(child.pid);
  const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  let early: { readonly rss: number; readonly bytes: number } | undefined;
  try {
    for await (const line of linesOf(child.stdout)) {
      const said = JSON.parse(line) as { peers: number; bytes: number };
      if (early === undefined && (said.bytes < bytes / 4 || said.peers < PEERS)) continue;
      const rss = await statusBytes(pid, "VmRSS");
      early ??= { rss, bytes: said.bytes };
      if (said.bytes < Math.max(bytes, early.bytes + bytes / 2)) continue;
      const peak = await statusBytes(pid, "VmHWM");
      return { early: early.rss, late: rss, peak, bytes: said.bytes };
    }
    throw new Error(`${command} ${args.slice(0, 5).join(" ")} ended before ${bytes} bytes had moved`);
  } finally {
    clearTimeout(timer);
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await child.status;
  }
}

function outcomeOf(
  name: string,
  { early, late, peak, bytes }: Watched,
): Outcome {
  const megabytes = (of: number) => Math.round(of / 1e6);
  return {
    row: `${name}: 121 GB, ${PEERS} peers, ${round(bytes / GIB, 1)} GiB moved`,
    figure: `${megabytes(peak)} MB`,
    bars: [atMost("RSS", 200, megabytes(peak), "MB"), atMost("growth", 1.1, round(late / early, 2))],
    details: { earlyMegabytes: megabytes(early), lateMegabytes: megabytes(late), bytes },
  };
}

/** A hybrid torrent of zeros: its hashes are known without reading anything. */
async function writeTorrent(folder: string): Promise<Task["torrent"]> {
  const block = 16_384;
  const pieces = Math.ceil(SIZE / PIECE_LENGTH);
  const pieceRoots = new Uint8Array(32 * pieces);
  const piecesV1 = new Uint8Array(20 * pieces);
  const zeros = new Uint8Array(PIECE_LENGTH);
  const hashesOf = (length: number) => {
    const blocks = Math.ceil(length / block);
    const leaves = new Uint8Array(32 * blocks);
    for (let n = 0; n < blocks; n++) {
      leaves.set(sha256(zeros.subarray(0, Math.min(block, length - n * block))), 32 * n);
    }
    const width = ceil2(PIECE_LENGTH / block);
    return { root: rootOf(leaves, width, zeroHash(0)), v1: sha1(zeros.subarray(0, length)) };
  };
  const whole = hashesOf(PIECE_LENGTH);
  const last = hashesOf(SIZE - (pieces - 1) * PIECE_LENGTH);
  for (let n = 0; n < pieces; n++) {
    const { root, v1 } = n === pieces - 1 ? last : whole;
    pieceRoots.set(root, 32 * n);
    piecesV1.set(v1, 20 * n);
  }
  const { bytes, info } = makeTorrent({
    name: "data.ldb",
    length: SIZE,
    pieceLength: PIECE_LENGTH,
    hashes: { pieceRoots, piecesV1 },
    xSnapshot: undefined,
    trackers: [],
    comment: undefined,
    createdBy: undefined,
  });
  const path = join(folder, "data.ldb.torrent");
  await Deno.writeFile(path, bytes);
  return { path, infoHashV1: toHex(info.infoHashV1!), infoHashV2: toHex(info.infoHashV2!), pieces };
}
