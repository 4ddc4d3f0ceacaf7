// What every row of the bench stands on: two sides measured in turns within one run, so that whatever else the machine
// does hits both; ratios pair by pair, and their median; processor time and peak memory of each side's process.

import { join } from "node:path";
import { PYTHON, type RunningProgram, startProgram } from "../tests/interop/support.ts";

/** How much work a row does. */
export interface Effort {
  /** Bytes of content. */
  readonly size: number;
  /** Measured runs of each side. */
  readonly pairs: number;
  /** Also the variants that take long and decide nothing. */
  readonly full: boolean;
  /** Where data lies while the bench runs: fast, and large enough for three times `size`. */
  readonly folder: string;
}

/** What one process took. */
export interface Cost {
  /** From spawn to exit. */
  readonly wallMs: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  /** Pages of mapped files count, as the kernel counts them. */
  readonly peakRssBytes: number;
}

/** One run of one side. */
export interface Sample extends Cost {
  /** The work itself, without the process's start and end. */
  readonly workMs: number;
}

export interface Row {
  readonly name: string;
  /** Least ratio of our rate to theirs. */
  readonly bar: number;
  /** Of our side. */
  readonly maxRssBytes: number;
  run(effort: Effort): Promise<Comparison[]>;
}

export interface Comparison {
  /** The row's name, and the variant's. */
  readonly row: string;
  readonly size: number;
  readonly ours: readonly Sample[];
  readonly theirs: readonly Sample[];
  /** Whether the row's bar is for this variant. */
  readonly counts: boolean;
}

/** Runs both sides in turns: A B A B. Each gets the number of its turn, from 0. */
export async function inTurns(
  pairs: number,
  sides: { ours: (turn: number) => Promise<Sample>; theirs: (turn: number) => Promise<Sample> },
): Promise<{ ours: Sample[]; theirs: Sample[] }> {
  const ours: Sample[] = [];
  const theirs: Sample[] = [];
  for (let turn = 0; turn < pairs; turn++) {
    ours.push(await sides.ours(turn));
    theirs.push(await sides.theirs(turn));
  }
  return { ours, theirs };
}

/** A program under measurement. */
export interface Measured {
  readonly stdout: string;
  readonly stderr: string;
  readonly cost: Cost;
}

/** Runs a program to its end; one that fails fails the bench. @param scratch A folder that is there. */
export async function measure(
  command: string,
  args: readonly string[],
  options: { scratch: string; deadlineMs: number; cwd?: string },
): Promise<Measured> {
  const out = join(options.scratch, "cost.json");
  const script = join(import.meta.dirname ?? ".", "py", "measure.py");
  const started: RunningProgram = startProgram(PYTHON, ["-B", script, out, command, ...args], options);
  await using program = started;
  const { code, stdout, stderr } = await program.finished();
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit ${code}\n${stderr}`);
  const cost = JSON.parse(await Deno.readTextFile(out)) as Cost;
  await Deno.remove(out);
  return { stdout, stderr, cost };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
