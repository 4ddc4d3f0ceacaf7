// Rows "leech", "seed" and "pair": how fast content goes from a seed to a leech, each of them ours or libtorrent's.
// libtorrent -> libtorrent is what all three are compared with, so that one turn is at most four transfers. The rate is
// the leech's, from the torrent being added to its last piece being checked; with a crowd of leeches it is that of all
// together, until the last one is done. Processor time and memory are those of whoever is ours in the row: the leech's
// process, the seed's while it serves, or both.

import assert from "node:assert/strict";
import { join } from "node:path";
import { sha256OfFile } from "../tests/interop/support.ts";
import { LibtorrentSwarm, type MadeTorrent } from "../tests/interop/swarm.ts";
import { writeRandomFile } from "./data.ts";
import type { Effort, Row, Sample } from "./harness.ts";
import {
  addUp,
  type LeechJob,
  type LeechRun,
  ourLeech,
  type Seeds,
  spentBetween,
  startOurSeeds,
  startTheirSeeds,
  theirLeech,
} from "./parties.ts";
import { compared, type Comparison, type Outcome } from "./report.ts";

const MIB = 1 << 20;

/** Design.md 9 for the rate, issue 5 section 2 for the rest. */
const BARS: Record<Pairing, Comparison["bars"]> = {
  leech: { rate: 1.5, cpu: 0.7, rss: 150e6 },
  seed: { rate: 1.0, cpu: 0.7, rss: 150e6 },
  pair: { rate: 2.5, cpu: 0.7, rss: 150e6 },
};
type Pairing = "leech" | "seed" | "pair";

export const transfer: Row = {
  names: ["leech", "seed", "pair"],
  async *run(effort, wanted) {
    const pairings = (Object.keys(BARS) as Pairing[]).filter((name) => wanted.has(name));
    for (const variant of effort.full ? matrix() : [mainOf(effort)]) {
      const about = pairings.filter((one) => isAbout(variant, one));
      if (!variant.name.includes(effort.variant) || about.length === 0) continue;
      yield* run(variant, effort, about);
    }
  },
};

function notMeasured(row: string, why: string): Outcome {
  return { row, figure: "", bars: [], missing: `not measured: ${why}` };
}

interface Variant {
  /** Behind the row's name. */
  readonly name: string;
  /** Of the content, in bytes. */
  readonly size: number;
  readonly pieceSize: number;
  readonly seeds: number;
  readonly leeches: number;
  /** Whether libtorrent's leeches may learn of one another, and share what they have; ours always may. */
  readonly pex: boolean;
}

/** As the real stream: pieces of 32 MiB. */
function mainOf({ size }: Effort): Variant {
  return { name: "", size, pieceSize: 32 * MIB, seeds: 1, leeches: 1, pex: true };
}

/** Issue 5 section 2. */
function* matrix(): Generator<Variant> {
  for (const [size, sizeName] of [[1024 * MIB, "1 GiB"], [4096 * MIB, "4 GiB"]] as const) {
    for (
      const [pieceSize, pieceName] of [[32 * MIB, "32 MiB"], [MIB, "1 MiB"], [16_384, "16 KiB"]] as const
    ) {
      for (const seeds of [1, 8]) {
        const name = `, ${sizeName} in ${pieceName}, ${seeds === 1 ? "1 seed" : `${seeds} seeds`}`;
        yield { name, size, pieceSize, seeds, leeches: 1, pex: true };
      }
    }
  }
  const crowd = { size: 64 * MIB, pieceSize: MIB, seeds: 1, leeches: 50 };
  yield { ...crowd, name: ", 64 MiB in 1 MiB, 50 leeches", pex: true };
  // With PEX libtorrent's seed sends a third of what they get: here either seed sends all of it.
  yield { ...crowd, name: ", 64 MiB in 1 MiB, 50 leeches without PEX", pex: false };
}

async function* run(
  variant: Variant,
  effort: Effort,
  pairings: readonly Pairing[],
): AsyncGenerator<Outcome> {
  const folder = join(effort.folder, "transfer");
  await Deno.mkdir(folder);
  try {
    const content = join(folder, "content.bin");
    await writeRandomFile(content, variant.size, "nano-snap bench transfer");
    const ours: Record<Pairing, Sample[]> = { leech: [], seed: [], pair: [] };
    const theirs: Record<Pairing, Sample[]> = { leech: [], seed: [], pair: [] };
    await using scene = await Scene.open(variant, {
      folder,
      content,
      needsOurSeed: pairings.some(hasOurSeed),
    });
    for (let turn = 0; turn < effort.pairs; turn++) {
      const base = await scene.move(scene.theirSeeds, theirLeech, turn);
      for (const pairing of pairings.filter((one) => isPossible(variant, one))) {
        const seeds = hasOurSeed(pairing) ? scene.ourSeeds! : scene.theirSeeds;
        const costs = await scene.move(seeds, pairing === "seed" ? theirLeech : ourLeech, turn);
        ours[pairing].push(costs[pairing]);
        theirs[pairing].push(base[pairing]);
      }
    }
    const size = variant.size * variant.leeches;
    for (const pairing of pairings) {
      if (!isPossible(variant, pairing)) {
        yield notMeasured(pairing + variant.name, ONE_ADDRESS);
        continue;
      }
      const sides = { ours: ours[pairing], theirs: theirs[pairing] };
      // What one program may hold is nothing that fifty in one process could keep to.
      const { rss, ...others } = BARS[pairing];
      const bars = pairing === "leech" && variant.leeches > 1 ? others : { ...others, rss: rss! };
      yield compared({ row: pairing + variant.name, size, ...sides, bars });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A crowd of ours has one address here, and our seed takes eight connections of one: that would be what is measured. */
function isPossible({ leeches }: Variant, pairing: Pairing): boolean {
  return pairing !== "pair" || leeches === 1;
}

/** Without PEX are only libtorrent's leeches. */
function isAbout({ pex }: Variant, pairing: Pairing): boolean {
  return pex || pairing === "seed";
}

function hasOurSeed(pairing: Pairing): boolean {
  return pairing !== "leech";
}

/** The seeds of one variant, and a place to fetch from them. */
class Scene implements AsyncDisposable {
  readonly #parts: AsyncDisposableStack;
  readonly #torrent: MadeTorrent;
  readonly #target: string;
  readonly #sha256: string;
  readonly #leeches: number;
  readonly #pex: boolean;

  private constructor(
    readonly theirSeeds: Seeds,
    readonly ourSeeds: Seeds | undefined,
    task: {
      parts: AsyncDisposableStack;
      torrent: MadeTorrent;
      target: string;
      sha256: string;
      leeches: number;
      pex: boolean;
    },
  ) {
    this.#parts = task.parts;
    this.#torrent = task.torrent;
    this.#target = task.target;
    this.#sha256 = task.sha256;
    this.#leeches = task.leeches;
    this.#pex = task.pex;
  }

  static async open(
    { pieceSize, seeds, leeches, pex }: Variant,
    { folder, content, needsOurSeed }: { folder: string; content: string; needsOurSeed: boolean },
  ): Promise<Scene> {
    await using parts = new AsyncDisposableStack();
    const swarm = parts.use(await LibtorrentSwarm.start());
    const torrent = await swarm.createTorrent({
      path: content,
      torrent: join(folder, "content.torrent"),
      pieceSize,
    });
    const place = { torrent, content, folder, count: seeds };
    const theirSeeds = await startTheirSeeds(swarm, place);
    // The first of all compiles our modules, which takes memory that no other run does.
    if (needsOurSeed) await (await startOurSeeds({ ...place, count: 1 }))[Symbol.asyncDispose]();
    const ourSeeds = needsOurSeed ? parts.use(await startOurSeeds(place)) : undefined;
    const sha256 = sha256OfFile(content);
    const target = join(folder, "leech");
    return new Scene(theirSeeds, ourSeeds, { parts: parts.move(), torrent, target, sha256, leeches, pex });
  }

  /** One transfer, and what it took: of the leech, of the seeds meanwhile, of both. */
  async move(
    seeds: Seeds,
    leech: (job: LeechJob) => Promise<LeechRun>,
    turn: number,
  ): Promise<Record<Pairing, Sample>> {
    const target = this.#target;
    await Deno.mkdir(target);
    try {
      const before = await seeds.spent();
      const job = {
        torrent: this.#torrent,
        ports: seeds.ports,
        target,
        count: this.#leeches,
        pex: this.#pex,
      };
      const { sample, path } = await leech(job);
      const after = await seeds.spent();
      // What was measured has to be a download: once per side is enough to know.
      if (turn === 0) assert.equal(sha256OfFile(path), this.#sha256);
      const serving = spentBetween(before, after);
      return {
        leech: sample,
        seed: { ...sample, ...serving },
        pair: { ...sample, ...addUp([sample, serving]) },
      };
    } finally {
      await Deno.remove(target, { recursive: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

const ONE_ADDRESS = "our crowd has one address here, of which our seed takes 8 connections";
