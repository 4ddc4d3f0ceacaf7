// `deno task bench`: measures how fast the program is, by hand and on a quiet machine; docs/performance.md says how, and
// what came of it. Each row is one JSON line on stdout and one line of a table on stderr.
//
//   --smoke     256 MiB and one pair: fails only at less than half of a bar or twice a bound of memory, twice in a row
//   --full      also the variants that no bar is for
//   --pairs N   how often each side runs (5)
//   --size N    MiB of content (1024)
//   --dir DIR   where data lies meanwhile (memory if there is enough, otherwise the disk)
//   NAME…       only these rows

import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { create } from "./create.ts";
import type { Effort, Row } from "./harness.ts";
import { leech } from "./leech.ts";
import { seed } from "./seed.ts";
import { summarize, type Summary, TABLE_HEAD, tableRow } from "./report.ts";

const ROWS: readonly Row[] = [leech, seed, create];
/** What a loaded machine may take away before a smoke test calls it a fault. */
const SMOKE_TOLERANCE = 0.5;

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    smoke: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    pairs: { type: "string" },
    size: { type: "string" },
    dir: { type: "string" },
  },
});
const size = countOf(values.size ?? (values.smoke ? "256" : "1024")) * (1 << 20);
const pairs = countOf(values.pairs ?? (values.smoke ? "1" : "5"));
const folder = await Deno.makeTempDir({
  dir: values.dir ?? roomyFolder(3 * size),
  prefix: "nano-snap-bench-",
});
const effort: Effort = { size, pairs, full: values.full, folder };
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // What was started dies with this process.
  Deno.addSignalListener(signal, () => {
    Deno.removeSync(folder, { recursive: true });
    Deno.exit(signal === "SIGINT" ? 130 : 143);
  });
}
const missed: string[] = [];
try {
  say(Deno.stderr, TABLE_HEAD);
  for (const row of ROWS.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
    let misses = await runRow(row);
    if (values.smoke && misses.length > 0) misses = await runRow(row);
    missed.push(...misses);
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
for (const text of missed) say(Deno.stderr, `missed: ${text}`);
Deno.exit(missed.length === 0 ? 0 : 1);

/** @returns What fell short, in words. */
async function runRow(row: Row): Promise<string[]> {
  const misses: string[] = [];
  for (const comparison of await row.run(effort)) {
    const summary = summarize(comparison);
    say(Deno.stdout, JSON.stringify(summary));
    say(Deno.stderr, tableRow(summary));
    if (comparison.counts) misses.push(...missesOf(row, summary));
  }
  return misses;
}

function missesOf(row: Row, { ratio, ours }: Summary): string[] {
  const found: string[] = [];
  const tolerance = values.smoke ? SMOKE_TOLERANCE : 1;
  if (ratio < row.bar * tolerance) found.push(`${row.name}: ratio ${ratio}, wanted ${row.bar * tolerance}`);
  const maxRss = row.maxRssBytes / 1e6 / tolerance;
  if (ours.peakRssMegabytes > maxRss) {
    found.push(`${row.name}: peak RSS ${ours.peakRssMegabytes} MB, allowed ${maxRss}`);
  }
  return found;
}

/** Memory where there is enough of it: a disk would be what is measured. */
function roomyFolder(bytes: number): string {
  const memory = "/dev/shm";
  try {
    const { bavail, bsize } = statfsSync(memory);
    if (bavail * bsize > 1.5 * bytes) return memory;
  } catch {
    // Not every system has it.
  }
  return tmpdir();
}

function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`${text} is not a count`);
  return count;
}

function say(stream: { writeSync(bytes: Uint8Array): number }, line: string): void {
  stream.writeSync(new TextEncoder().encode(line + "\n"));
}
