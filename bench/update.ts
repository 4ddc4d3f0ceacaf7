// Row "update": how many bytes an ldb mirror takes from its peers to come from one snapshot to the next, over the 16 KiB
// blocks that changed; what came of hashes for that is told besides. The ledger is LMDB's own work, and so is what a node
// makes of it meanwhile. The real program runs twice, each time against a seed that has just that snapshot: libtorrent,
// which knows every leaf once it has checked its file, and our own, which reads what it is asked for.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { difference, nextLedger } from "../tests/interop/next_ledger.ts";
import { mustRun, PYTHON, sha256OfFile } from "../tests/interop/support.ts";
import { LibtorrentSwarm, type MadeTorrent } from "../tests/interop/swarm.ts";
import { ALONE, DEADLINE_MS, measureOurs, pythonScript, type Row, timeOf } from "./harness.ts";
import { type Seeds, startOurSeeds, startTheirSeeds } from "./parties.ts";
import { atMost, type Outcome, round } from "./report.ts";

export const update: Row = {
  names: ["update"],
  async *run(effort) {
    const folder = join(effort.folder, "update");
    await Deno.mkdir(folder);
    try {
      await using swarm = await LibtorrentSwarm.start();
      const old = await snapshot(swarm, join(folder, "old"), async (path) => {
        const young = join(folder, "young.ldb");
        const mib = effort.size / (1 << 20) / 2;
        await mustRun(PYTHON, ["-B", pythonScript("ledger.py"), young, `${mib}`], LONG);
        // So that free pages lie all over it, as in a ledger that a node has written to for long.
        await nextLedger(young, path, 0.02);
        await Deno.remove(young);
      });
      for (const [name, share] of SHARES) {
        const fresh = await snapshot(
          swarm,
          join(folder, name),
          (path) => nextLedger(old.content, path, share),
        );
        const theirs = { swarm, folder, old, fresh, name };
        yield await row(theirs, "libtorrent's seed", (made) => startTheirSeeds(swarm, { ...made, count: 1 }));
        yield await row(theirs, "our seed", (made) => startOurSeeds({ ...made, count: 1, folder }));
        await Deno.remove(dirname(fresh.content), { recursive: true });
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};

interface Snapshot {
  readonly content: string;
  readonly torrent: MadeTorrent;
}

interface Task {
  readonly swarm: LibtorrentSwarm;
  readonly folder: string;
  readonly old: Snapshot;
  readonly fresh: Snapshot;
  readonly name: string;
}

async function snapshot(
  swarm: LibtorrentSwarm,
  folder: string,
  write: (path: string) => Promise<unknown>,
): Promise<Snapshot> {
  await Deno.mkdir(folder);
  const content = join(folder, "data.ldb");
  await write(content);
  const torrent = await swarm.createTorrent({
    path: content,
    torrent: join(folder, "snapshot.torrent"),
    pieceSize: PIECE_LENGTH,
  });
  return { content, torrent };
}

async function row(
  { folder, old, fresh, name }: Task,
  seedName: string,
  start: (made: Snapshot) => Promise<Seeds & Partial<AsyncDisposable>>,
): Promise<Outcome> {
  const data = join(folder, "data");
  try {
    let last: { stdout: string; stderr: string } | undefined;
    for (const made of [old, fresh]) {
      const seeds = await start(made);
      try {
        const words = ["get", "--torrent", made.torrent.torrent, "--data-dir", data, "--json", ...ALONE];
        const more = [
          "--stall-timeout",
          "60s",
          "--log-format",
          "json",
          "--peer",
          `127.0.0.1:${seeds.ports[0]}`,
        ];
        last = await measureOurs([...words, ...more], folder);
      } finally {
        await seeds[Symbol.asyncDispose]?.();
      }
    }
    const { path, downloaded_bytes: fetched } = JSON.parse(last!.stdout) as {
      path: string;
      downloaded_bytes: number;
    };
    assert.equal(sha256OfFile(path), sha256OfFile(fresh.content));
    const { changedBlocks, changedBytes, blocks, changedPieces } = await difference(
      old.content,
      fresh.content,
      PIECE_LENGTH,
    );
    const ratio = round(fetched / changedBytes, 3);
    return {
      row: `update, ${name} of the blocks are new, ${seedName}`,
      figure: `${mb(fetched)} MB for ${mb(changedBytes)} MB (${
        percent(changedBlocks, blocks)
      } of the blocks changed)`,
      bars: [atMost("bytes", 1.05, ratio)],
      details: {
        ratio,
        fetched,
        changedBytes,
        size: (await Deno.stat(path)).size,
        changedPieces,
        hashes: saidOfHashes(last!.stderr),
        seconds: (timeOf(last!.stderr, / → finished$/) - timeOf(last!.stderr, / → checking$/)) / 1000,
      },
    };
  } finally {
    await Deno.remove(data, { recursive: true }).catch(() => {});
  }
}

/** "3.4 MB", out of our own log. */
function saidOfHashes(log: string): string {
  return /\(([^()]+) of hashes\)/.exec(log)?.[1] ?? "none";
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function percent(part: number, whole: number): string {
  return `${(100 * part / whole).toFixed(1)} %`;
}

const LONG = { deadlineMs: DEADLINE_MS };
const PIECE_LENGTH = 4 << 20;
/** How many more blocks the ledger has. */
const SHARES: readonly (readonly [string, number])[] = [["0.01 %", 0.0001], ["0.1 %", 0.001], ["1 %", 0.01]];
