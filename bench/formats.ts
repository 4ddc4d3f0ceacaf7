// Row "formats": what each format of a snapshot costs, for the table in docs/producer-guide.md: its size, and processor
// time of packing and of unpacking. Packed by 7-Zip and zstd, unpacked as `nano-snap get` does. The ledger is LMDB's own
// work with random keys: pages that were split and freed hold copies of records, as in a node's own file, and a format
// that looks further back finds more of them. `produce fixture` writes none.

import { join } from "node:path";
import { mustRun, PYTHON } from "../tests/interop/support.ts";
import { type Cost, DEADLINE_MS, inTurns, measure, pythonScript, type Row, type Sample } from "./harness.ts";
import { median, type Outcome, round } from "./report.ts";
import { into, unpackOurs } from "./unpack.ts";

interface Format {
  readonly name: string;
  readonly pack: readonly [string, ...string[]];
  readonly archive: string;
}

/** Of data.tar or data.ldb. 7-Zip's blocks are those that it makes of four threads. */
const FORMATS: readonly Format[] = [
  {
    name: "7z, one block",
    pack: ["7zz", "a", "-mmt=2", "-bso0", "-bsp0", "a.7z", "data.ldb"],
    archive: "a.7z",
  },
  { name: "7z, blocks", pack: ["7zz", "a", "-mmt=4", "-bso0", "-bsp0", "b.7z", "data.ldb"], archive: "b.7z" },
  {
    name: "tar.zst, level 19",
    pack: ["zstd", "-q", "-19", "-T1", "data.tar", "-o", "c.tar.zst"],
    archive: "c.tar.zst",
  },
  {
    name: "tar.zst, level 3",
    pack: ["zstd", "-q", "-3", "-T1", "data.tar", "-o", "d.tar.zst"],
    archive: "d.tar.zst",
  },
];

export const formats: Row = {
  names: ["formats"],
  isExtra: true,
  async *run({ folder, pairs, size, variant }) {
    const own = join(folder, "formats");
    await Deno.mkdir(own);
    try {
      const ledger = join(own, "data.ldb");
      const script = pythonScript("ledger.py");
      await mustRun(PYTHON, ["-B", script, ledger, `${size >> 20}`], { deadlineMs: DEADLINE_MS });
      await measure("tar", ["-cf", "data.tar", "data.ldb"], { scratch: own, cwd: own });
      const chosen = FORMATS.filter(({ name }) => name.includes(variant));
      const packing: number[] = [];
      for (const { pack: [program, ...args] } of chosen) {
        const { cost } = await measure(program, args, { scratch: own, cwd: own });
        packing.push(cpuSeconds(cost));
      }
      const sides = chosen.map((one) =>
        [one.name, () => into(join(own, "ours"), (target) => unpackOurs(one, target, own))] as const
      );
      const samples = await inTurns(pairs, Object.fromEntries(sides));
      const ledgerBytes = (await Deno.stat(ledger)).size;
      for (const [i, { name, archive }] of chosen.entries()) {
        const { size: bytes } = await Deno.stat(join(own, archive));
        yield outcomeOf(name, { bytes, ledgerBytes, packing: packing[i]!, samples: samples[name]! });
      }
    } finally {
      await Deno.remove(own, { recursive: true });
    }
  },
};

function outcomeOf(
  name: string,
  { bytes, ledgerBytes, packing, samples }: {
    readonly bytes: number;
    readonly ledgerBytes: number;
    readonly packing: number;
    readonly samples: readonly Sample[];
  },
): Outcome {
  const cpu = round(median(samples.map(cpuSeconds)), 2);
  const wall = round(median(samples.map(({ workMs }) => workMs / 1000)), 2);
  const percent = round(100 * bytes / ledgerBytes, 1);
  const packed = round(packing, 1);
  return {
    row: `formats: ${name}`,
    figure:
      `${round(bytes / 1e6, 1)} of ${round(ledgerBytes / 1e6, 1)} MB, ${percent} %; packing ${packed} s of ` +
      `processor time, unpacking ${cpu} s (${wall} s on the clock)`,
    bars: [],
    details: { bytes, ledgerBytes, packCpuSeconds: packed, unpackCpuSeconds: cpu, unpackSeconds: wall },
  };
}

function cpuSeconds({ userSeconds, systemSeconds }: Cost): number {
  return userSeconds + systemSeconds;
}
