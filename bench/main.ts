// `deno task bench`: measures how fast the program is, by hand and on a quiet machine; docs/performance.md says how, and
// what came of it. Each row is one JSON line on stdout and one line of a table on stderr, with its bars, met or not.
//
//   --smoke     "leech" and "recheck", 256 MiB, one turn: fails only at less than half of a bar, twice in a row
//   --full      the whole matrix, half an hour of it (`deno task bench:full`)
//   --variant T only those of the matrix with T in their name: "8 seeds", "50 leeches", "4 GiB in 16 KiB"
//   --pairs N   how often each side runs (5; 3 with --full)
//   --size N    MiB of content (1024)
//   --dir DIR   where data lies meanwhile (memory if there is enough, otherwise the disk)
//   NAME…       only these rows; "one-core" and "formats" only so
//
// Ends with 1 when a bar is not met.

import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { bare } from "./bare.ts";
import { create } from "./create.ts";
import { dht } from "./dht.ts";
import { formats } from "./formats.ts";
import type { Effort, Row } from "./harness.ts";
import { ledger } from "./ledger.ts";
import { memory } from "./memory.ts";
import { oneCore } from "./one_core.ts";
import { overlap } from "./overlap.ts";
import { recheck } from "./recheck.ts";
import { isMet, jsonLine, type Outcome, TABLE_HEAD, tableRow, tellBar } from "./report.ts";
import { start } from "./start.ts";
import { transfer } from "./transfer.ts";
import { unpack } from "./unpack.ts";
import { update } from "./update.ts";
import { version } from "./version.ts";

/** In design.md 9's order, with what explains a row behind it. */
const ROWS: readonly Row[] = [
  transfer,
  bare,
  create,
  recheck,
  start,
  overlap,
  unpack,
  update,
  ledger,
  memory,
  version,
  dht,
  oneCore,
  formats,
];
const SMOKE_ROWS = ["leech", "recheck"];
/** What a loaded machine may take away before a smoke test calls it a fault. */
const SMOKE_TOLERANCE = 0.5;
/** The largest content of the matrix. */
const MATRIX_BYTES = 2 ** 32;

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    smoke: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    variant: { type: "string", default: "" },
    pairs: { type: "string" },
    size: { type: "string" },
    dir: { type: "string" },
  },
});
const { smoke, full, variant } = values;
const known = ROWS.flatMap(({ names }) => names);
const usual = ROWS.flatMap(({ names, isExtra }) => isExtra === true ? [] : names);
const wanted = positionals.length > 0 ? positionals : smoke ? SMOKE_ROWS : usual;
for (const name of wanted) {
  if (!known.includes(name)) throw new RangeError(`no row ${name}: ${known.join(" ")}`);
}
const size = countOf(values.size ?? (smoke ? "256" : "1024")) * (1 << 20);
const pairs = countOf(values.pairs ?? (smoke ? "1" : full ? "3" : "5"));
const folder = await Deno.makeTempDir({
  dir: values.dir ?? roomyFolder(3 * (full ? MATRIX_BYTES : size)),
  prefix: "nano-snap-bench-",
});
const effort: Effort = { size, pairs, full, variant, folder };
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // What was started dies with this process.
  Deno.addSignalListener(signal, () => {
    Deno.removeSync(folder, { recursive: true });
    Deno.exit(signal === "SIGINT" ? 130 : 143);
  });
}
// `deno run` looks for a newer Deno beside its work; the compiled program does not.
Deno.env.set("DENO_NO_UPDATE_CHECK", "1");
const missed: string[] = [];
try {
  say(Deno.stderr, TABLE_HEAD);
  for (const row of ROWS) {
    const names = new Set(row.names.filter((name) => wanted.includes(name)));
    if (names.size === 0) continue;
    let misses = await runRow(row, names);
    if (smoke && misses.length > 0) misses = await runRow(row, names);
    missed.push(...misses);
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
for (const text of missed) say(Deno.stderr, `missed: ${text}`);
Deno.exit(missed.length === 0 ? 0 : 1);

/** @returns What fell short, in words. */
async function runRow(row: Row, names: ReadonlySet<string>): Promise<string[]> {
  const misses: string[] = [];
  for await (const outcome of await row.run(effort, names)) {
    say(Deno.stdout, jsonLine(outcome));
    say(Deno.stderr, tableRow(outcome));
    misses.push(...missesOf(outcome));
  }
  return misses;
}

function missesOf({ row, bars }: Outcome): string[] {
  const tolerance = smoke ? SMOKE_TOLERANCE : 1;
  return bars.filter((bar) => !isMet(bar, tolerance)).map((bar) => `${row}: ${tellBar(bar)}`);
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
