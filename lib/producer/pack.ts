// Packing a ledger into the archive that will be published: which packer, how long it will take, whether there is room.
// The archive grows under another name beside its place and has its own only when it is whole and synced.

import { basename, dirname, join } from "node:path";
import { NotEnoughSpace, OperationFailed } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatBytes, formatSeconds } from "../format.ts";
import type { Files, Programs } from "../ports.ts";
import { LEDGER_NAME, type Packer } from "./packer.ts";

/** What packing needs of the machine. */
export interface PackMachine {
  readonly files: Files;
  readonly programs: Programs;
  readonly packer: Packer;
  readonly cores: number;
}

/** A ledger and what becomes of it. */
export interface PackJob {
  /** A file named data.ldb that nobody writes to. */
  readonly ledger: string;
  /** Where the archive goes; an earlier one there is replaced. */
  readonly into: string;
  readonly format: "7z" | "tar.zst";
  /** Called when the archive is whole and not in its place yet; what it throws keeps it from there. */
  readonly check?: () => void;
}

/** How a ledger will be packed, and a guess of what it takes. */
export interface PackPlan {
  /** Where 7-Zip lies; undefined: our own packer. */
  readonly program: string | undefined;
  /** For people: "7-Zip (/usr/bin/7zz)". */
  readonly by: string;
  readonly seconds: number;
  /** Of the archive, at most so many. */
  readonly bytes: number;
}

/** Plans it. */
export function planPacking(
  format: PackJob["format"],
  size: number,
  { programs, cores }: Pick<PackMachine, "programs" | "cores">,
): PackPlan {
  const plan = (by: string, bytesPerSec: number, program?: string) => ({
    program,
    by,
    seconds: size / bytesPerSec,
    bytes: size + SMALL_PRINT_BYTES,
  });
  if (format === "tar.zst") return plan("zstd", ZSTD_RATE);
  const program = programs.find("7zz", "7z");
  if (program === undefined) return plan("7-Zip of our own, on one core", WASM_RATE);
  return plan(`7-Zip (${program})`, SEVEN_ZIP_RATE * Math.min(cores, MOST_CORES), program);
}

/**
 * Packs a ledger.
 *
 * @returns The path of the whole, synced archive.
 * @throws {NotEnoughSpace} Before the first byte where it may not fit. @throws {OperationFailed} @throws {PathUnusable}
 * @throws The signal's reason. Nothing is left behind.
 */
export async function packLedger(
  job: PackJob,
  machine: PackMachine,
  report: Report,
  signal: AbortSignal,
): Promise<string> {
  const { files } = machine;
  const size = files.stat(job.ledger)?.size ?? 0;
  const plan = planPacking(job.format, size, machine);
  const folder = dirname(job.into);
  refuseForSpace(files, folder, plan.bytes, `pack ${job.ledger}`);
  report({
    kind: "note",
    level: "info",
    logger: "producer.pack",
    text: `Packing ${formatBytes(size)} as ${job.format} with ${plan.by}: about ${
      formatSeconds(plan.seconds)
    }`,
  });
  const partial = join(folder, `${basename(job.into)}.packing`);
  const tell = (doneBytes: number) => report({ kind: "work", label: "Packing", doneBytes, totalBytes: size });
  files.remove(partial);
  try {
    const request = { ledger: job.ledger, into: partial, format: job.format, signal, onProgress: tell };
    await (plan.program === undefined
      ? machine.packer.pack(request)
      : packWith(plan.program, job.ledger, partial, machine, size, tell, signal));
    job.check?.();
    files.rename(partial, job.into);
  } catch (error) {
    files.remove(partial);
    signal.throwIfAborted();
    throw error;
  }
  return job.into;
}

/** @throws {NotEnoughSpace} Naming both numbers. */
export function refuseForSpace(files: Files, folder: string, needed: number, doing: string): void {
  const free = files.freeBytes(folder);
  if (needed + RESERVE_BYTES <= free) return;
  throw new NotEnoughSpace(
    `Cannot ${doing}: ${folder} needs room for up to ${formatBytes(needed)} and ${
      formatBytes(RESERVE_BYTES)
    } that ` +
      `must stay free, it has ${formatBytes(free)}`,
  );
}

async function packWith(
  program: string,
  ledger: string,
  into: string,
  { programs, files }: PackMachine,
  size: number,
  tell: (doneBytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  // The entry's date is left out: the same ledger gives the same archive.
  const args = [
    "a",
    "-t7z",
    "-mx=5",
    "-mtm=off",
    "-mtr=off",
    "-bso0",
    "-bse2",
    "-bsp1",
    "--",
    into,
    LEDGER_NAME,
  ];
  let percent = 0;
  const onOutput = (text: string) => {
    const last = [...text.matchAll(/(\d{1,3})%/g)].at(-1)?.[1];
    if (last === undefined || Number(last) === percent) return;
    percent = Number(last);
    tell(size * percent / 100);
  };
  tell(0);
  const { code, stderr } = await programs.run(program, args, { cwd: dirname(ledger), signal, onOutput });
  if (code !== 0) {
    files.remove(`${into}.tmp`);
    const line = stderr.split("\n").find((text) => text.trim() !== "")?.trim();
    throw new OperationFailed(
      `Cannot pack ${ledger}: ${program} ended with ${code}${line ? `: ${line}` : ""}`,
    );
  }
  tell(size);
  const file = files.open(into, "write");
  try {
    await file.sync();
  } finally {
    file.close();
  }
}

/** Bytes per second of a ledger's pages, measured on one core of a small server (x86-64, 2.5 GHz). */
const SEVEN_ZIP_RATE = 2.5e6;
const WASM_RATE = 9e6;
const ZSTD_RATE = 130e6;
/** LZMA2 packs blocks of the file at the same time; beyond that its memory or the disk is the limit. */
const MOST_CORES = 16;
/** Headers, and what a compressor adds where it cannot do anything. */
const SMALL_PRINT_BYTES = 1 << 20;
/** What stays free on the disk: a full one harms all who share it. */
const RESERVE_BYTES = 64 << 20;
