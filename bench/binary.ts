// `deno task bench:binary`: how large the compiled program is and how quickly it starts, beside a program of nothing by
// the same compiler, which is what the runtime alone takes. One JSON line on stdout, a table on stderr; exit 1 when a bar
// is missed. The starts are taken in turns, so that what else the machine does hits all alike; the bar is on the
// processor's time, which that disturbs least, and which on two cores is more than a quiet machine's wall clock shows.

import { createReadStream } from "node:fs";
import { createGzip } from "node:zlib";
import { testBinary } from "../tests/e2e/binary.ts";
import { measure, type Measured } from "./harness.ts";
import { atMost, isMet, tellBar } from "./report.ts";

const TURNS = 20;
const MB = 1e6;

const binary = await testBinary();
if (binary === undefined) Deno.exit(1);
const scratch = await Deno.makeTempDir({ prefix: "nano-snap-bench-" });
try {
  const starts: { name: string; words: [string, ...string[]]; costs: Measured["cost"][] }[] = [
    { name: "a program of nothing", words: [binary.bare], costs: [] },
    { name: "version", words: [binary.path, "version"], costs: [] },
    { name: "get --help", words: [binary.path, "get", "--help"], costs: [] },
  ];
  for (let turn = 0; turn < TURNS; turn++) {
    for (const { words: [program, ...args], costs } of starts) {
      costs.push((await measure(program, args, { scratch })).cost);
    }
  }
  const size = Deno.statSync(binary.path).size;
  const over = size - Deno.statSync(binary.bare).size;
  const packed = await packedSize(binary.path);
  const took = starts.map(({ name, costs }) => ({
    name,
    best_ms: round(Math.min(...costs.map(({ wallMs }) => wallMs))),
    median_ms: round(median(costs.map(({ wallMs }) => wallMs))),
    cpu_ms: round(
      median(costs.map(({ userSeconds, systemSeconds }) => 1000 * (userSeconds + systemSeconds))),
    ),
    rss_mb: round(Math.max(...costs.map(({ peakRssBytes }) => peakRssBytes)) / MB),
  }));
  const bars = [
    atMost("MB over the bare runtime", 10, round(over / MB), "MB"),
    ...took.slice(1).map(({ name, cpu_ms }) => atMost(`CPU of ${name}`, 100, cpu_ms, "ms")),
  ];

  const facts = { target: Deno.build.target, by: binary.toolchain.name, size, over, packed, turns: TURNS };
  say(Deno.stdout, JSON.stringify({ row: "binary", ...facts, starts: took, bars }));
  say(Deno.stderr, `${facts.target}, by ${facts.by}`);
  say(Deno.stderr, `program ${mb(size)}, packed ${mb(packed)}, over the bare runtime ${mb(over)}\n`);
  say(Deno.stderr, "| start | best ms | median ms | CPU ms | peak RSS MB |\n| --- | --- | --- | --- | --- |");
  for (const row of took) say(Deno.stderr, `| ${Object.values(row).join(" | ")} |`);
  for (const bar of bars) say(Deno.stderr, tellBar(bar));
  Deno.exitCode = bars.every((bar) => isMet(bar)) ? 0 : 1;
} finally {
  await Deno.remove(scratch, { recursive: true });
}

/** As in a release. */
async function packedSize(path: string): Promise<number> {
  let bytes = 0;
  for await (const chunk of createReadStream(path).pipe(createGzip())) bytes += chunk.length;
  return bytes;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}

function mb(bytes: number): string {
  return `${(bytes / MB).toFixed(1)} MB`;
}

function say(stream: { writeSync(bytes: Uint8Array): number }, line: string): void {
  stream.writeSync(new TextEncoder().encode(`${line}\n`));
}
