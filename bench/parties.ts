// The four who take part in a transfer: our seed and libtorrent's, our leech and libtorrent's. Seeds are there before
// the first turn, with the file in the page cache and every hash at hand; a leech is a whole process of its own, or one
// process that holds a crowd of them.

import { dirname, join } from "node:path";
import { startProgram } from "../tests/interop/support.ts";
import type { LibtorrentSwarm, MadeTorrent } from "../tests/interop/swarm.ts";
import {
  ALONE,
  type Cage,
  DEADLINE_MS,
  measure,
  measureOurs,
  measureTheirs,
  ROOT,
  RUN,
  RUN_MAIN,
  type Sample,
  type Spent,
  spentBy,
  timeOf,
} from "./harness.ts";

/** Seeds of one torrent that run. */
export interface Seeds {
  readonly ports: readonly number[];
  /** What all of them have taken until now; memory is the largest one's. */
  spent(): Promise<Spent>;
}

/** libtorrent's, each a session of the swarm's process. */
export async function startTheirSeeds(
  swarm: LibtorrentSwarm,
  { torrent, content, count }: { torrent: MadeTorrent; content: string; count: number },
): Promise<Seeds> {
  const seeds = await Promise.all(
    Array.from(
      { length: count },
      () => swarm.addSeed({ dir: dirname(content), torrent: torrent.torrent, settings: THEIR_SEED }),
    ),
  );
  return { ports: seeds.map(({ port }) => port), spent: () => spentBy(swarm.peer.pid) };
}

/** Ours, each a process of `nano-snap produce seed` over a folder with another name of the same file. */
export async function startOurSeeds(
  { torrent, content, count, folder }: {
    torrent: MadeTorrent;
    content: string;
    count: number;
    folder: string;
  },
): Promise<Seeds & AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  const start = async (n: number) => {
    const own = join(folder, `seed${n}`);
    await Deno.mkdir(own);
    stack.defer(() => Deno.remove(own, { recursive: true }));
    await Deno.link(content, join(own, torrent.name));
    await Deno.copyFile(torrent.torrent, join(own, `${torrent.name}.torrent`));
    const meta = JSON.stringify({ torrent_info_hash: torrent.v2 });
    await Deno.writeTextFile(join(own, "snapshot-meta.json"), meta);
    const words = ["produce", "seed", "--output-dir", own, ...ALONE];
    const program = startProgram(Deno.execPath(), [...RUN_MAIN, ...words], { cwd: ROOT, deadlineMs: 1e7 });
    stack.use(program);
    const listening = await program.stderrLine(/Listening on port \d+/);
    await program.stderrLine(/Seeding \/.*: /, DEADLINE_MS);
    return { pid: program.pid, port: Number(/port (\d+)/.exec(listening.text)![1]) };
  };
  try {
    const seeds = await Promise.all(Array.from({ length: count }, (_, n) => start(n)));
    return {
      ports: seeds.map(({ port }) => port),
      spent: async () => addUp(await Promise.all(seeds.map(({ pid }) => spentBy(pid)))),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** A download, by one or by a crowd in one process. */
export interface LeechJob {
  readonly torrent: MadeTorrent;
  readonly ports: readonly number[];
  /** An empty folder. */
  readonly target: string;
  readonly count: number;
  /** false: libtorrent's leeches learn of nobody but those at `ports`. */
  readonly pex?: boolean;
  readonly cage?: Cage;
}

export interface LeechRun {
  readonly sample: Sample;
  /** One copy that was made. */
  readonly path: string;
}

/** From the torrent being added to its last piece being checked and written. */
export async function ourLeech({ torrent, ports, target, count, cage }: LeechJob): Promise<LeechRun> {
  const scratch = dirname(torrent.torrent);
  const peers = ports.map((port) => `127.0.0.1:${port}`);
  if (count > 1) {
    const script = join(ROOT, "bench", "crowd_main.ts");
    const words = [...RUN, script, torrent.torrent, target, `${count}`, ...peers];
    const { stdout, cost } = await measure(Deno.execPath(), words, { scratch, cwd: ROOT });
    const { transferMs, path } = JSON.parse(stdout) as { transferMs: number; path: string };
    return { sample: { ...cost, workMs: transferMs }, path };
  }
  const words = ["get", "--torrent", torrent.torrent, "--data-dir", target, "--json", ...ALONE];
  words.push("--log-format", "json", "--stall-timeout", "60s");
  const { stdout, stderr, cost } = await measureOurs(
    [...words, ...peers.flatMap((peer) => ["--peer", peer])],
    scratch,
    cage,
  );
  const { path } = JSON.parse(stdout) as { path: string };
  const workMs = timeOf(stderr, / → finished$/) - timeOf(stderr, / → checking$/);
  return { sample: { ...cost, workMs }, path };
}

/** The same. */
export async function theirLeech({ torrent, ports, target, count, pex, cage }: LeechJob): Promise<LeechRun> {
  const peers = ports.map((port) => ["127.0.0.1", port]);
  const job = JSON.stringify({ torrent: torrent.torrent, dir: target, peers, count, pex: pex ?? true });
  const { stdout, cost } = await measureTheirs("leech.py", [job], dirname(torrent.torrent), cage);
  const { transferMs } = JSON.parse(stdout) as { transferMs: number };
  return { sample: { ...cost, workMs: transferMs }, path: join(target, "0", torrent.name) };
}

/** What seeds took between two looks at them; memory is what it ever was. */
export function spentBetween(before: Spent, after: Spent): Spent {
  return {
    userSeconds: after.userSeconds - before.userSeconds,
    systemSeconds: after.systemSeconds - before.systemSeconds,
    peakRssBytes: after.peakRssBytes,
  };
}

/** Both costs, as one. */
export function addUp(parts: readonly Spent[]): Spent {
  return {
    userSeconds: parts.reduce((sum, { userSeconds }) => sum + userSeconds, 0),
    systemSeconds: parts.reduce((sum, { systemSeconds }) => sum + systemSeconds, 0),
    peakRssBytes: Math.max(...parts.map(({ peakRssBytes }) => peakRssBytes)),
  };
}

/**
 * With libtorrent's own 500 KB a fast leech of either kind waits for the seed's next look at its queue; with its own
 * queue of 5 a crowd that comes at once waits for the second and third SYN.
 */
const THEIR_SEED = {
  send_buffer_watermark: 4 << 20,
  send_socket_buffer_size: 4 << 20,
  listen_queue_size: 200,
};
