// Row "one-core": what the program does where it may use one core, as in a container with `cpus: 1`. Everything that is
// measured is pinned to one core with all its threads. Ours, which finds that out by itself, is compared with ours that is
// told of two cores and so starts its second thread, and where there is one with libtorrent. Seeds get the other core.

import assert from "node:assert/strict";
import { join } from "node:path";
import { mustRun, PYTHON } from "../tests/interop/support.ts";
import { LibtorrentSwarm } from "../tests/interop/swarm.ts";
import { ourTorrent, theirTorrent } from "./create.ts";
import { writeRandomFile } from "./data.ts";
import {
  type Cage,
  type Effort,
  inTurns,
  measureOurs,
  pythonScript,
  type Row,
  type Sample,
} from "./harness.ts";
import { type LeechJob, ourLeech, startTheirSeeds, theirLeech } from "./parties.ts";
import { ourCheck, prepareRecheck, theirCheck } from "./recheck.ts";
import { compared, type Outcome } from "./report.ts";
import { into, unpackOurs } from "./unpack.ts";

const ALONE: Cage = { core: 0 };
const TOLD: Cage = { core: 0, told: 2 };
/** For seeds: nothing else is at work there. */
const OTHER_CORE = 1;
/** Issue 5 section 2: "nothing is slower", less what two runs of the same differ by. */
const BARS = { rate: 0.97 };

export const oneCore: Row = {
  names: ["one-core"],
  isExtra: true,
  async *run(effort) {
    if (navigator.hardwareConcurrency <= OTHER_CORE) {
      yield { row: "one-core", figure: "", bars: [], missing: "not measured: the seeds need another core" };
      return;
    }
    for (const [name, part] of Object.entries({ leech, create, recheck, unpack, ledger })) {
      if (!name.includes(effort.variant)) continue;
      const folder = join(effort.folder, name);
      await Deno.mkdir(folder);
      try {
        yield* part(effort, folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    }
  },
};

type Sides = "alone" | "told" | "theirs";

async function* leech(effort: Effort, folder: string): AsyncGenerator<Outcome> {
  const content = join(folder, "content.bin");
  const { size } = effort;
  await writeRandomFile(content, size, "nano-snap bench one-core");
  await using swarm = await LibtorrentSwarm.start();
  await mustRun("taskset", ["-a", "-c", "-p", `${OTHER_CORE}`, `${swarm.peer.pid}`]);
  const path = join(folder, "content.torrent");
  const torrent = await swarm.createTorrent({ path: content, torrent: path, pieceSize: 32 << 20 });
  const { ports } = await startTheirSeeds(swarm, { torrent, content, count: 1 });
  const target = join(folder, "leech");
  const move = async (by: (job: LeechJob) => Promise<{ readonly sample: Sample }>, cage: Cage) => {
    await Deno.mkdir(target);
    try {
      return (await by({ torrent, ports, target, count: 1, cage })).sample;
    } finally {
      await Deno.remove(target, { recursive: true });
    }
  };
  yield* outcomes(
    "leech",
    size,
    await inTurns<Sides>(effort.pairs, {
      alone: () => move(ourLeech, ALONE),
      told: () => move(ourLeech, TOLD),
      theirs: () => move(theirLeech, ALONE),
    }),
  );
}

async function* create(effort: Effort, folder: string): AsyncGenerator<Outcome> {
  const file = join(folder, "create.bin");
  const size = 2 * effort.size;
  await writeRandomFile(file, size, "nano-snap bench one-core");
  await Deno.chmod(file, 0o644); // libtorrent records whether a file may be executed
  const hashes = new Set<string>();
  const keep = (made: { readonly sample: Sample; readonly hashes: string }) => {
    hashes.add(made.hashes);
    return made.sample;
  };
  const samples = await inTurns<Sides>(effort.pairs, {
    alone: async () => keep(await ourTorrent(file, ALONE)),
    told: async () => keep(await ourTorrent(file, TOLD)),
    theirs: async () => keep(await theirTorrent(file, ALONE)),
  });
  assert.equal(hashes.size, 1);
  yield* outcomes("create", size, samples);
}

async function* recheck(effort: Effort, folder: string): AsyncGenerator<Outcome> {
  const task = await prepareRecheck(folder, 2 * effort.size);
  yield* outcomes(
    "recheck",
    task.size,
    await inTurns<Sides>(effort.pairs, {
      alone: (turn) => ourCheck(task, turn, ALONE),
      told: (turn) => ourCheck(task, turn, TOLD),
      theirs: () => theirCheck(task, [], ALONE),
    }),
  );
}

/** A .7z of independent blocks, which two threads decode; over ourselves alone. */
async function* unpack(effort: Effort, folder: string): AsyncGenerator<Outcome> {
  const size = effort.size / 4;
  const ledger = join(folder, "data.ldb");
  await measureOurs(["produce", "fixture", "--size", `${size}`, "--format", "ldb", "--out", ledger], folder);
  const how = ["-mx=1", "-m0=lzma2:d=4m:c=16m", "-mmt=4", "-bso0", "-bsp0"];
  await mustRun("7zz", ["a", ...how, "a.7z", "data.ldb"], { cwd: folder, deadlineMs: 600_000 });
  const run = (cage: Cage) =>
    into(
      join(folder, "ours"),
      (target) => unpackOurs({ archive: "a.7z", cores: cage.told }, target, folder, cage),
    );
  const samples = await inTurns(effort.pairs, { alone: () => run(ALONE), told: () => run(TOLD) });
  yield* outcomes("unpack .7z of blocks", size, samples);
}

/** Without libtorrent, which knows no ledgers. */
async function* ledger(effort: Effort, folder: string): AsyncGenerator<Outcome> {
  const file = join(folder, "data.ldb");
  await mustRun(PYTHON, ["-B", pythonScript("ledger.py"), file, `${effort.size >> 20}`], {
    deadlineMs: 600_000,
  });
  const walk = async (cage: Cage): Promise<Sample> => {
    const { stdout, cost } = await measureOurs(["verify", file, "--json"], folder, cage);
    const { verdict, elapsed_ms } = JSON.parse(stdout) as { verdict: string; elapsed_ms: number };
    assert.equal(verdict, "good");
    return { ...cost, workMs: elapsed_ms };
  };
  const { size } = await Deno.stat(file);
  yield* outcomes(
    "ledger",
    size,
    await inTurns(effort.pairs, {
      alone: () => walk(ALONE),
      told: () => walk(TOLD),
    }),
  );
}

function* outcomes(
  name: string,
  size: number,
  { alone, told, theirs }: Record<"alone" | "told", Sample[]> & { readonly theirs?: Sample[] },
): Generator<Outcome> {
  const row = `${name}, one core`;
  yield compared({ row: `${row}: over ours told of two`, size, ours: alone, theirs: told, bars: BARS });
  if (theirs === undefined) return;
  yield compared({ row: `${row}: over libtorrent`, size, ours: alone, theirs, bars: {} });
}
