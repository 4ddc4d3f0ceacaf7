// Row "unpack": how fast an archive becomes a ledger, over the program that is made for it: .7z against 7-Zip on one
// thread, one of blocks on all cores against ourselves on one, .tar.zst and .ldb.zst against zstd. The ledger is `produce fixture`'s, which packs about as a real one does. Both
// sides write the file; ours also checks what it unpacks and brings it to the disk.

import { join } from "node:path";
import { mustRun } from "../tests/interop/support.ts";
import { type Cage, inTurns, measure, measureOurs, ROOT, type Row, RUN, type Sample } from "./harness.ts";
import { atLeast, compared, type Outcome } from "./report.ts";

const MIB = 1 << 20;

interface Kind {
  readonly name: string;
  /** Of the ledger. */
  readonly size: number;
  /** Least ratio to the other program's rate; least rate, in megabytes per second. */
  readonly bars: { readonly rate?: number; readonly megabytesPerSecond?: number };
  /** Makes it of data.ldb. */
  readonly pack: readonly (readonly [string, ...string[]])[];
  readonly archive: string;
  /** Of ours; undefined for all. */
  readonly cores?: number;
  /** The other program; undefined for ours on one core. */
  readonly unpack?: readonly [string, ...string[]];
}

/** Issue 5 section 4. */
const KINDS: readonly Kind[] = [
  {
    name: ".7z, one thread",
    size: 128 * MIB,
    bars: { rate: 0.9 },
    pack: [["7zz", "a", "-mx=1", "-mmt=2", "-bso0", "-bsp0", "a.7z", "data.ldb"]],
    archive: "a.7z",
    cores: 1,
    unpack: ["7zz", "x", "-mmt=1", "-bso0", "-bsp0", "-otheirs", "a.7z"],
  },
  {
    // On a machine of more than two cores the bar is easier to meet.
    name: ".7z of blocks, all cores over one",
    size: 256 * MIB,
    bars: { rate: 1.7 },
    pack: [["7zz", "a", "-mx=1", "-m0=lzma2:d=4m:c=16m", "-mmt=4", "-bso0", "-bsp0", "a.7z", "data.ldb"]],
    archive: "a.7z",
  },
  {
    name: ".tar.zst",
    size: 1024 * MIB,
    bars: { megabytesPerSecond: 400 },
    pack: [["tar", "-cf", "a.tar", "data.ldb"], [
      "zstd",
      "-q",
      "-3",
      "-T2",
      "--rm",
      "a.tar",
      "-o",
      "a.tar.zst",
    ]],
    archive: "a.tar.zst",
    unpack: ["tar", "-xf", "a.tar.zst", "-C", "theirs", "--zstd"],
  },
  {
    name: ".ldb.zst",
    size: 1024 * MIB,
    bars: { megabytesPerSecond: 400 },
    pack: [["zstd", "-q", "-3", "-T2", "data.ldb", "-o", "data.ldb.zst"]],
    archive: "data.ldb.zst",
    unpack: ["zstd", "-q", "-d", "data.ldb.zst", "-o", "theirs/data.ldb"],
  },
];

export const unpack: Row = {
  names: ["unpack"],
  async *run({ folder, pairs }) {
    for (const kind of KINDS) {
      const own = join(folder, "unpack");
      await Deno.mkdir(own);
      try {
        yield await row(kind, own, pairs);
      } finally {
        await Deno.remove(own, { recursive: true });
      }
    }
  },
};

async function row(kind: Kind, folder: string, pairs: number): Promise<Outcome> {
  const ledger = join(folder, "data.ldb");
  await measureOurs(
    ["produce", "fixture", "--size", `${kind.size}`, "--format", "ldb", "--out", ledger],
    folder,
  );
  const { size } = await Deno.stat(ledger);
  for (const [program, ...args] of kind.pack) {
    await mustRun(program, args, { cwd: folder, deadlineMs: 600_000 });
  }
  await Deno.remove(ledger);
  const samples = await inTurns(pairs, {
    ours: () => into(join(folder, "ours"), (target) => unpackOurs(kind, target, folder)),
    theirs: () => into(join(folder, "theirs"), (target) => theirs(kind, target, folder)),
  });
  const { rate, megabytesPerSecond } = kind.bars;
  const outcome = compared({
    row: `unpack ${kind.name}`,
    size,
    ...samples,
    bars: rate === undefined ? {} : { rate },
  });
  if (megabytesPerSecond === undefined) return outcome;
  const got = Math.round(outcome.comparison!.ours.megabytesPerSecond);
  return { ...outcome, bars: [...outcome.bars, atLeast("rate", megabytesPerSecond, got, "MB/s")] };
}

/** Runs what needs an empty folder there. */
export async function into(target: string, run: (target: string) => Promise<Sample>): Promise<Sample> {
  await Deno.mkdir(target);
  try {
    return await run(target);
  } finally {
    await Deno.remove(target, { recursive: true });
  }
}

/** One archive, by a process of our own. @param target An empty folder. */
export async function unpackOurs(
  { archive, cores }: { readonly archive: string; readonly cores?: number | undefined },
  target: string,
  scratch: string,
  cage?: Cage,
): Promise<Sample> {
  const script = join(ROOT, "bench", "unpack_main.ts");
  const more = cores === undefined ? [] : [`${cores}`];
  const words = [...RUN, script, join(scratch, archive), target, ...more];
  const { stdout, cost } = await measure(Deno.execPath(), words, { scratch, cwd: ROOT, cage });
  return { ...cost, workMs: (JSON.parse(stdout) as { unpackMs: number }).unpackMs };
}

async function theirs({ archive, unpack }: Kind, target: string, folder: string): Promise<Sample> {
  if (unpack === undefined) return await unpackOurs({ archive, cores: 1 }, target, folder);
  const [program, ...args] = unpack;
  const { cost } = await measure(program, args, { scratch: folder, cwd: folder });
  return { ...cost, workMs: cost.wallMs };
}
