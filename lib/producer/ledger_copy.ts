// A ledger of which nobody changes a byte while it is packed. A running node's is copied by LMDB's own mdb_copy, which
// sees one moment of it; without that program only a ledger that no process has open is taken. Nobody else's copy (cp,
// rsync) of a ledger in use is one: its pages are of different moments.

import { basename, join } from "node:path";
import {
  NodeRunning,
  NotEnoughSpace,
  OperationFailed,
  PathUnusable,
  UsageError,
  VerificationFailed,
} from "../errors.ts";
import type { Report } from "../events.ts";
import { isLedgerHead, LEDGER_HEAD_BYTES } from "../extract/sniff.ts";
import { type LedgerFacts, readLedgerFacts } from "../ledger/facts.ts";
import { nextTurn } from "../turn.ts";
import type { Clock, FileFacts, Files, Programs } from "../ports.ts";
import { refuseForSpace } from "./pack.ts";
import { LEDGER_NAME } from "./packer.ts";

/** What copying needs of the machine. */
export interface CopyMachine {
  readonly clock: Clock;
  readonly files: Files;
  readonly programs: Programs;
}

/** A ledger that stays as it is. */
export interface SteadyLedger {
  /** Its file's name is data.ldb. A copy in the folder for those, or the file that was given. */
  readonly path: string;
  /** @throws {OperationFailed} When it was written to since. */
  check(): void;
}

/** The ledger that was meant: a file data.ldb, or the folder that holds it. @throws {UsageError} @throws {PathUnusable} */
export function findLedger(files: Files, given: string): string {
  const facts = files.stat(given);
  const path = facts?.kind === "directory" ? join(given, LEDGER_NAME) : given;
  const there = files.stat(path);
  if (there === undefined) throw new PathUnusable(`Cannot use ${path} as a ledger: no such file`);
  if (there.kind !== "file") {
    throw new PathUnusable(`Cannot use ${path} as a ledger: it is not a regular file`);
  }
  if (basename(path) !== LEDGER_NAME) {
    throw new UsageError(`--ledger must name a file ${LEDGER_NAME}, not ${path}`);
  }
  return path;
}

/**
 * Gets hold of a ledger.
 *
 * @param options.folder Where a copy may be made, as `data.ldb`. `needsCopy`: also of a ledger that nobody has open.
 *   `alsoNeeded`: bytes that will be needed beside a copy.
 * @throws {NodeRunning} When a process has it open and mdb_copy is not here. @throws {VerificationFailed} When it is no
 *   ledger. @throws {NotEnoughSpace} @throws {OperationFailed} @throws The signal's reason.
 */
export async function takeLedger(
  path: string,
  options: { readonly folder: string; readonly needsCopy: boolean; readonly alsoNeeded: number },
  machine: CopyMachine,
  report: Report,
  signal: AbortSignal,
): Promise<SteadyLedger> {
  const { files, programs } = machine;
  checkHead(files, path);
  const program = programs.find("mdb_copy");
  const holders = programs.holdersOf([path, `${path}-lock`]);
  const isFree = holders !== undefined && holders.length === 0;
  // With a lock file beside it a node was here, and one in another container would not be seen. Without one there was
  // none, and mdb_copy would make it: a file of ours, which a node of another user could not open.
  const mayBeUsed = files.stat(`${path}-lock`) !== undefined;
  const byLmdb = !isFree || mayBeUsed ? program : undefined;
  if (byLmdb === undefined && !isFree) throw refusal(path, holders);
  if (byLmdb === undefined && !options.needsCopy) return steady(files, path);

  const copy = join(options.folder, LEDGER_NAME);
  files.makeDir(options.folder);
  files.remove(copy);
  refuseForSpace(files, options.folder, (files.stat(path)?.size ?? 0) + options.alsoNeeded, `copy ${path}`);
  try {
    if (byLmdb === undefined) await copyFree(path, copy, machine, report, signal);
    else await copyByLmdb(byLmdb, path, copy, machine, report, signal);
    await sync(files, copy);
    return steady(files, copy);
  } catch (error) {
    files.remove(copy);
    throw error;
  }
}

/** Reads its facts. @throws {VerificationFailed} When it is not the ledger of a Nano node. */
function steady(files: Files, path: string): SteadyLedger {
  const file = files.open(path, "read");
  try {
    const facts = readLedgerFacts(file);
    if (facts.version === undefined) {
      throw new VerificationFailed(
        `Cannot publish ${path}: it is an LMDB file, but no ledger of a Nano node`,
      );
    }
    const [short] = facts.warnings;
    if (short !== undefined) throw new VerificationFailed(`Cannot publish ${path}: ${short}`);
    const before = file.facts();
    return { path, check: () => checkUntouched(files, path, before, facts) };
  } finally {
    file.close();
  }
}

function checkUntouched(files: Files, path: string, before: FileFacts, facts: LedgerFacts): void {
  const after = files.stat(path);
  const isSame = after !== undefined && after.inode === before.inode && after.size === before.size &&
    after.mtimeMs === before.mtimeMs;
  // A node that maps the file for writing leaves its date alone for a while, not its transaction.
  if (isSame && transactionOf(files, path) === facts.last_transaction) return;
  throw new OperationFailed(
    `Cannot publish ${path}: it was written to while it was packed; stop the node, or install mdb_copy (lmdb-utils)`,
  );
}

function transactionOf(files: Files, path: string): number {
  const file = files.open(path, "read");
  try {
    return readLedgerFacts(file).last_transaction;
  } finally {
    file.close();
  }
}

function checkHead(files: Files, path: string): void {
  const file = files.open(path, "read");
  try {
    const head = new Uint8Array(LEDGER_HEAD_BYTES);
    if (isLedgerHead(head.subarray(0, file.readAt(head, 0)))) return;
    throw new VerificationFailed(`Cannot publish ${path}: it is no LMDB file`);
  } finally {
    file.close();
  }
}

function refusal(path: string, holders: readonly string[] | undefined): NodeRunning {
  const who = holders === undefined
    ? "this system does not say whether a node has it open"
    : `${holders.join(", ")} has it open`;
  return new NodeRunning(
    `Cannot copy ${path}: ${who}; install mdb_copy (package lmdb-utils), which copies a ledger in use, or stop the ` +
      "node, or name the ledger in a snapshot of the file system",
  );
}

/** One read transaction of LMDB's: the node may go on. */
async function copyByLmdb(
  program: string,
  path: string,
  copy: string,
  { clock, files, programs }: CopyMachine,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  note(report, `Copying ${path} with ${program}`);
  const totalBytes = files.stat(path)?.size ?? 0;
  const over = new AbortController();
  const tell = async () => {
    while (!over.signal.aborted) {
      report({
        kind: "work",
        label: "Copying",
        doneBytes: Math.min(files.stat(copy)?.size ?? 0, totalBytes),
        totalBytes,
      });
      await clock.sleep(PROGRESS_MS, over.signal);
    }
  };
  const telling = tell();
  try {
    const { code, stderr } = await programs.run(program, ["-n", path, copy], { signal });
    if (code === 0) return;
    const why = stderr.split("\n").at(-1)?.trim() || `it ended with ${code}`;
    const message = `Cannot copy ${path}: ${why}`;
    throw /No space left/i.test(why) ? new NotEnoughSpace(message) : new OperationFailed(message);
  } finally {
    over.abort();
    await telling;
  }
}

/** Of a ledger that nobody has open; whether that stayed so is asked at the end. */
async function copyFree(
  path: string,
  copy: string,
  { files, programs }: CopyMachine,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  note(report, `Copying ${path}, which nobody has open`);
  const source = steady(files, path);
  const from = files.open(path, "read");
  const to = files.open(copy, "create");
  try {
    const { size } = from.facts();
    const buffer = new Uint8Array(COPY_BYTES);
    for (let at = 0; at < size;) {
      const n = from.readAt(buffer.subarray(0, Math.min(buffer.length, size - at)), at);
      if (n === 0) throw new OperationFailed(`Cannot copy ${path}: it became shorter meanwhile`);
      to.writeAt(buffer.subarray(0, n), at);
      at += n;
      report({ kind: "work", label: "Copying", doneBytes: at, totalBytes: size });
      await nextTurn();
      signal.throwIfAborted();
    }
  } finally {
    to.close();
    from.close();
  }
  source.check();
  const holders = programs.holdersOf([path, `${path}-lock`]);
  if (holders === undefined || holders.length > 0) throw refusal(path, holders);
}

async function sync(files: Files, path: string): Promise<void> {
  const file = files.open(path, "write");
  try {
    await file.sync();
  } finally {
    file.close();
  }
}

function note(report: Report, text: string): void {
  report({ kind: "note", level: "info", logger: "producer.source", text });
}

const PROGRESS_MS = 1000;
/** A few milliseconds of work: signals are looked at in between. */
const COPY_BYTES = 8 << 20;
