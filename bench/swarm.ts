// `deno task bench:swarm`: how long a new snapshot takes to be everywhere when a hundred mirrors and its producer have
// the same uplink. On virtual time, by the real session, picker and choker: the machine's speed changes nothing but how
// long one waits for it. One JSON line on stdout for each row, a table on stderr; exit 1 when a bar is missed.
//
//   --more        also with 256 pieces, and with uplinks that differ fourfold
//   --mirrors N   (100); --pieces N (1800); --peers N: connections of each mirror (50); --seed N (1)

import process from "node:process";
import { parseArgs } from "node:util";
import { type CrowdOptions, runCrowd } from "../tests/sim/crowd.ts";
import { atMost, isMet, jsonLine, type Outcome, round, tellBar } from "./report.ts";

const KIB = 1 << 10;
/** Issue 7. */
const MOST = 1.25;
/**
 * 64 KiB at 256 KiB/s: a piece leaves the producer in a quarter of a second, as one of 32 MiB does by a line of
 * 1 Gbit/s. A slower line has more of the choker's rounds of ten seconds in the same number of pieces.
 */
const PIECE_LENGTH = 64 * KIB;
const UPLINK = 256 * KIB;

const { values } = parseArgs({
  args: Deno.args,
  options: {
    more: { type: "boolean", default: false },
    mirrors: { type: "string", default: "100" },
    pieces: { type: "string", default: "1800" },
    peers: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
  },
});
const main: CrowdOptions = {
  seed: Number(values.seed),
  mirrors: Number(values.mirrors),
  pieces: Number(values.pieces),
  pieceLength: PIECE_LENGTH,
  uplink: UPLINK,
  maxPeers: Number(values.peers),
};
const rows: { readonly name: string; readonly options: CrowdOptions; readonly most?: number }[] = [
  { name: `swarm, ${main.mirrors} mirrors, ${main.pieces} pieces`, options: main, most: MOST },
];
if (values.more) {
  const few = { ...main, pieces: 256 };
  rows.push({ name: `swarm, ${main.mirrors} mirrors, 256 pieces`, options: few });
  rows.push({
    name: `swarm, ${main.mirrors} mirrors, 256 pieces, mixed uplinks`,
    // Two with half of the producer's for each with twice as much: together what they would have with the same.
    options: { ...few, uplinkOf: (mirror) => [0.5, 0.5, 2][mirror % 3]! * UPLINK },
  });
}

say(
  Deno.stderr,
  "| row | last mirror / ideal | half of them | first | producer's copies | processor | bars |",
);
say(Deno.stderr, "| --- | --- | --- | --- | --- | --- | --- |");
let isMissed = false;
for (const { name, options, most } of rows) {
  const before = processorSeconds();
  const result = await runCrowd(options);
  const processor = round(processorSeconds() - before, 0);
  const ratio = round(result.lastSeconds / result.idealSeconds, 3);
  const [last, ideal, median, first] = [
    result.lastSeconds,
    result.idealSeconds,
    result.medianSeconds,
    result.firstSeconds,
  ].map((seconds) => round(seconds, 1));
  const copies = round(result.producerCopies, 3);
  const outcome: Outcome = {
    row: name,
    figure: `${last} / ${ideal} s`,
    bars: most === undefined ? [] : [atMost("last mirror over ideal", most, ratio)],
    details: {
      ratio,
      last_seconds: last,
      ideal_seconds: ideal,
      median_seconds: median,
      first_seconds: first,
      producer_copies: copies,
      wasted_copies: round(result.wastedCopies, 4),
      mirrors: options.mirrors,
      pieces: options.pieces,
      peers: options.maxPeers,
      seed: options.seed,
      processor_seconds: processor,
    },
  };
  isMissed ||= outcome.bars.some((bar) => !isMet(bar));
  say(Deno.stdout, jsonLine(outcome));
  const bars = outcome.bars.map(tellBar).join("; ") || `${ratio}×`;
  say(
    Deno.stderr,
    `| ${[name, outcome.figure, `${median} s`, `${first} s`, copies, `${processor} s`, bars].join(" | ")} |`,
  );
}
Deno.exitCode = isMissed ? 1 : 0;

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function say(stream: { writeSync(bytes: Uint8Array): number }, line: string): void {
  stream.writeSync(new TextEncoder().encode(line + "\n"));
}
