// Row "ledger": how fast `nano-snap verify` goes through every page of a ledger, over `cat FILE >/dev/null`, which only
// reads them, on one thread. The ledger is LMDB's own work with random keys and lies in memory: disks are not compared.
// It has eight times the content of other rows: what the start of Workers and V8's first passes over the code take is in
// our time, and of a real ledger's, fifteen times larger, it would be nothing.

import assert from "node:assert/strict";
import { join } from "node:path";
import { mustRun, PYTHON } from "../tests/interop/support.ts";
import {
  type Effort,
  inTurns,
  measure,
  measureOurs,
  pythonScript,
  type Row,
  type Sample,
} from "./harness.ts";
import { compared } from "./report.ts";

export const ledger: Row = {
  names: ["ledger"],
  async *run(effort) {
    const file = join(effort.folder, "data.ldb");
    try {
      const mib = 8 * effort.size / (1 << 20);
      await mustRun(PYTHON, ["-B", pythonScript("ledger.py"), file, `${mib}`], { deadlineMs: DEADLINE_MS });
      const { size } = await Deno.stat(file);
      // Whoever looks first at pages that were just written takes twice as long, whoever it is.
      await theirRead(file, effort);
      const samples = await inTurns(effort.pairs, {
        ours: () => ourWalk(file, effort),
        theirs: () => theirRead(file, effort),
      });
      yield compared({ row: "ledger", size, ...samples, bars: { rate: 0.7, rss: 400e6 } });
    } finally {
      await Deno.remove(file).catch(() => {});
    }
  },
};

async function ourWalk(file: string, { folder }: Effort): Promise<Sample> {
  const { stdout, cost } = await measureOurs(["verify", file, "--json"], folder);
  const { verdict, elapsed_ms } = JSON.parse(stdout) as { verdict: string; elapsed_ms: number };
  assert.equal(verdict, "good");
  return { ...cost, workMs: elapsed_ms };
}

async function theirRead(file: string, { folder }: Effort): Promise<Sample> {
  const { cost } = await measure("sh", ["-c", 'cat "$1" >/dev/null', "sh", file], { scratch: folder });
  return { ...cost, workMs: cost.wallMs };
}

const DEADLINE_MS = 600_000;
