// What every row of the bench stands on: two sides measured in turns within one run, so that whatever else the machine
// does hits both; processor time and peak memory of each side's process; what a row is and what it answers.

import { join } from "node:path";
import { V8_FLAGS } from "../deploy/build.ts";
import { PYTHON, startProgram } from "../tests/interop/support.ts";
import type { Outcome } from "./report.ts";

/** How much work a row does. */
export interface Effort {
  /** Bytes of content. */
  readonly size: number;
  /** Measured runs of each side. */
  readonly pairs: number;
  /** The whole matrix of issue 5 instead of design.md 9's rows. */
  readonly full: boolean;
  /** What a variant of the matrix must have in its name. */
  readonly variant: string;
  /** Where data lies while the bench runs: fast, and large enough for three times `size`. */
  readonly folder: string;
}

/** One command of the bench. It may give several rows of the table. */
export interface Row {
  /** What it can be asked for by. */
  readonly names: readonly string[];
  /** Only by its name: no row of design.md 9's. */
  readonly isExtra?: boolean;
  /** @param wanted Those of `names` that were asked for; at least one. */
  run(effort: Effort, wanted: ReadonlySet<string>): AsyncIterable<Outcome> | Promise<Outcome[]>;
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

/** Runs the sides in turns: A B A B. Each gets the number of its turn, from 0. */
export async function inTurns<K extends string>(
  turns: number,
  sides: Readonly<Record<K, (turn: number) => Promise<Sample>>>,
): Promise<Record<K, Sample[]>> {
  const names = Object.keys(sides) as K[];
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<K, Sample[]>;
  for (let turn = 0; turn < turns; turn++) {
    for (const name of names) samples[name].push(await sides[name](turn));
  }
  return samples;
}

/** A program under measurement. */
export interface Measured {
  readonly stdout: string;
  readonly stderr: string;
  readonly cost: Cost;
}

/** What a program gets of the machine, when that is not all of it. */
export interface Cage {
  /** The only core that it runs on, all its threads, and everything that it starts. */
  readonly core: number;
  /** How many cores ours is told that it has; by itself it finds that it has one. */
  readonly told?: number;
}

/** Runs a program to its end; one that fails fails the bench. @param scratch A folder that is there. */
export async function measure(
  command: string,
  args: readonly string[],
  { cage, ...options }: { readonly scratch: string; readonly cwd?: string; readonly cage?: Cage | undefined },
): Promise<Measured> {
  const out = join(options.scratch, "cost.json");
  const script = pythonScript("measure.py");
  const words = [...wordsOf(cage), command, ...args];
  await using program = startProgram(PYTHON, ["-B", script, out, ...words], {
    ...options,
    deadlineMs: DEADLINE_MS,
  });
  const { code, stdout, stderr } = await program.finished();
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit ${code}\n${stderr}`);
  const cost = JSON.parse(await Deno.readTextFile(out)) as Cost;
  await Deno.remove(out);
  return { stdout, stderr, cost };
}

function wordsOf(cage: Cage | undefined): string[] {
  if (cage === undefined) return [];
  const told = cage.told === undefined ? [] : ["env", `BENCH_CORES=${cage.told}`];
  return ["taskset", "-c", `${cage.core}`, ...told];
}

/** Runs nano-snap from its source, as `measure` does. */
export async function measureOurs(
  args: readonly string[],
  scratch: string,
  cage?: Cage,
): Promise<Measured> {
  // The same detour for whoever is told nothing: what it takes is in both halves.
  const words = cage === undefined ? RUN_MAIN : [...RUN, join("bench", "told_main.ts")];
  return await measure(Deno.execPath(), [...words, ...args], { scratch, cwd: ROOT, cage });
}

/** Runs one of py/, as `measure` does. */
export async function measureTheirs(
  script: string,
  args: readonly string[],
  scratch: string,
  cage?: Cage,
): Promise<Measured> {
  return await measure(PYTHON, ["-B", pythonScript(script), ...args], { scratch, cage });
}

/** What a process that runs has taken until now, all threads (Linux). */
export type Spent = Omit<Cost, "wallMs">;

export async function spentBy(pid: number): Promise<Spent> {
  const stat = (await Deno.readTextFile(`/proc/${pid}/stat`)).split(") ").at(-1)!.split(" ");
  return {
    userSeconds: Number(stat[11]) / TICKS,
    systemSeconds: Number(stat[12]) / TICKS,
    peakRssBytes: await statusBytes(pid, "VmHWM"),
  };
}

/** A process's memory: VmRSS now, VmHWM the most it ever had (Linux). */
export async function statusBytes(pid: number, field: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)![1]);
}

/** When a program with `--log-format json` first said so, in milliseconds since 1970. */
export function timeOf(log: string, message: RegExp): number {
  for (const line of log.split("\n")) {
    if (!line.startsWith("{")) continue;
    const said = JSON.parse(line) as { time: string; message: string };
    if (message.test(said.message)) return Date.parse(said.time);
  }
  throw new Error(`the log has no line ${message}:\n${log}`);
}

export function pythonScript(name: string): string {
  return join(import.meta.dirname ?? ".", "py", name);
}

/** The repository. */
export const ROOT: string = join(import.meta.dirname ?? ".", "..");
/** How Deno runs what is ours from there: with the options of V8 that the compiled program has. */
export const RUN = ["run", "--quiet", "-A", V8_FLAGS] as const;
export const RUN_MAIN = [...RUN, "main.ts"] as const;
/** No look at the world: only what a row names. */
export const ALONE = ["--bind", "127.0.0.1", "--port", "0", "--no-dht", "--no-trackers"] as const;
/** For one run of one side. */
export const DEADLINE_MS = 600_000;
/** Of the kernel's clock for processes. */
const TICKS = 100;
