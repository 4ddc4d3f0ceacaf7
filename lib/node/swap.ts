// Puts a staged ledger in the place of the node's. At every moment the name data.ldb is a whole ledger's, the old or the
// new: the old one first gets a second name, then one rename puts the new one in its stead. Whatever fails is undone by
// looking at what is there, and a run that was killed is seen to by the next one in the same way.
//
//   staged ── kept is written down ──> old has two names ── renamed ──> new in place ── lock file goes, finish() ──> done
//      ^_________________undo()______________|__________________________|
//
// Meanwhile no node can start (shut_out.ts). Where a disk has no hard links the old one is moved, and for the moment
// between two renames there is none of that name; a run that is killed there leaves both, and the next one puts it right.

import { basename, dirname, join } from "node:path";
import { OperationFailed, PathUnusable, SnapError } from "../errors.ts";
import type { Files } from "../ports.ts";
import type { ShutOut } from "./shut_out.ts";
import { isBackupName, isStagedFile, type Staged, type Staging } from "./staging.ts";

/** What a swap does besides. */
export interface SwapOptions {
  /** The old ledger stays under this name, beside its own; undefined keeps none. */
  readonly backup: string | undefined;
  /** Throws while somebody has one of the node's files open, or this further one. */
  readonly refuseRunning: (...more: readonly string[]) => void;
  /** Keeps nodes from starting until it is disposed of; undefined where that cannot be had. @throws {NodeRunning} */
  readonly shutOut: () => ShutOut | undefined;
  /** Called once all is done where none could be shut out: tells of a node that was started meanwhile. */
  readonly tellStarted: () => void;
}

/**
 * Swaps.
 *
 * @returns Where the old ledger is; undefined when there was none, or none is kept.
 * @throws {NodeRunning} What `refuseRunning` throws: then all is as before.
 * @throws {PathUnusable | OperationFailed} All is as before, and the staged ledger stays where it is.
 */
export function swap(
  files: Files,
  staging: Staging,
  before: Staged,
  { backup, refuseRunning, shutOut, tellStarted }: SwapOptions,
): string | undefined {
  const { home } = staging;
  refuseRunning();
  using shut = shutOut();
  const hasOld = files.stat(home.ledger) !== undefined;
  const kept = hasOld ? backup ?? staging.old : undefined;
  const staged = { ...before, kept: kept === undefined ? null : basename(kept) };
  staging.write(staged);
  try {
    if (kept !== undefined) secondName(files, home.ledger, kept);
    refuseRunning();
    if (kept === undefined) putFirst(files, staging.ledger, home.ledger);
    else files.rename(staging.ledger, home.ledger);
    // A node that started in between has the old file: it is the one that counts.
    if (kept !== undefined) refuseRunning(kept);
    const now = files.stat(home.ledger);
    if (!isStagedFile(now, staged) || now?.size !== staged.size) {
      throw new OperationFailed(`Cannot install into ${home.directory}: somebody else writes ${home.ledger}`);
    }
    removeLockFile(files, staging, shut);
  } catch (error) {
    undoAll(files, staging, staged, error);
  }
  if (shut === undefined) tellStarted();
  return backup === undefined ? undefined : kept;
}

/** What a run that was killed has left. */
export type Left =
  | { readonly kind: "nothing" }
  /** Whole and checked, and the node's ledger is as it was. */
  | { readonly kind: "staged"; readonly staged: Staged }
  /** In its place: only the tidying is left. */
  | { readonly kind: "swapped"; readonly staged: Staged };

/** What was left, and what became of it. */
export interface Mended {
  readonly left: Left;
  /** The backup that a ledger set aside became; undefined when there was none. */
  readonly stray: string | undefined;
}

/**
 * `recover` and `keepStray`, with nodes shut out where anything of the node's own is touched.
 *
 * @param unixMs Its day is the backup's name's. @throws {NodeRunning} Then all is as it was left.
 */
export function mend(
  files: Files,
  staging: Staging,
  { refuseRunning, shutOut, tellStarted }: Omit<SwapOptions, "backup">,
  unixMs: number,
): Mended {
  if (!isNodeTouched(files, staging)) return { left: recover(files, staging, undefined), stray: undefined };
  using shut = shutOut();
  refuseRunning();
  const left = recover(files, staging, shut);
  const stray = keepStray(files, staging, left, unixMs);
  if (shut === undefined) tellStarted();
  return { left, stray };
}

/** Whether the run before has come as far as to the node's own files. */
function isNodeTouched(files: Files, staging: Staging): boolean {
  if (files.stat(staging.old) !== undefined) return true;
  const staged = staging.read();
  if (staged === undefined) return false;
  return staged.kept !== null || isStagedFile(files.stat(staging.home.ledger), staged);
}

/**
 * Looks what an earlier run has left, and puts the node's ledger back where that run was in the middle of it. The node
 * must not run.
 *
 * @param shut Keeps it from starting; undefined where that cannot be had, or nothing of the node's is to be touched.
 */
export function recover(files: Files, staging: Staging, shut: ShutOut | undefined): Left {
  const staged = staging.read();
  if (staged === undefined) {
    staging.discard();
    return { kind: "nothing" };
  }
  if (isStagedFile(files.stat(staging.home.ledger), staged)) {
    removeLockFile(files, staging, shut);
    return { kind: "swapped", staged };
  }
  undo(files, staging, staged);
  if (staging.isReady(staged)) return { kind: "staged", staged };
  staging.discard();
  return { kind: "nothing" };
}

/**
 * Sees to the ledger that a run without a backup has set aside and was killed over, when `recover` could not: somebody has
 * put another one in its place since. That one is the user's; the one that was set aside becomes a backup. Where nothing
 * is in its place, and no record says why, it goes back there.
 *
 * @returns The backup's name; undefined when there is none.
 */
export function keepStray(files: Files, staging: Staging, left: Left, unixMs: number): string | undefined {
  const { old, home: { ledger } } = staging;
  // With the new one in its place it is what finish() takes away.
  if (left.kind === "swapped" && staging.keptPath(left.staged) === old) return undefined;
  const stray = files.stat(old);
  if (stray?.kind !== "file") return undefined;
  const now = files.stat(ledger);
  if (now?.device === stray.device && now.inode === stray.inode) {
    files.remove(old);
    return undefined;
  }
  if (now === undefined) {
    files.rename(old, ledger);
    return undefined;
  }
  const name = backupName(files, ledger, unixMs);
  files.rename(old, name);
  return name;
}

/** A name for the old ledger that nothing has yet. @param unixMs Its day is the name's. */
export function backupName(files: Files, ledger: string, unixMs: number): string {
  const day = new Date(unixMs).toISOString().slice(0, 10);
  const base = join(dirname(ledger), `data.ldb.bak-${day}`);
  let name = base;
  for (let n = 2; files.stat(name) !== undefined; n++) name = `${base}-${n}`;
  return name;
}

/** Backups of earlier runs. */
export function backupsOf(files: Files, ledger: string): { name: string; bytes: number }[] {
  return files.list(dirname(ledger)).filter(isBackupName).map((name) => {
    return { name, bytes: files.stat(join(dirname(ledger), name))?.allocated ?? 0 };
  });
}

/** It tells of the ledger before. */
function removeLockFile(files: Files, { home }: Staging, shut: ShutOut | undefined): void {
  if (shut === undefined) files.remove(home.lock);
  else shut.removeLockFile();
}

function secondName(files: Files, ledger: string, kept: string): void {
  try {
    files.link(ledger, kept);
  } catch (error) {
    if (!(error instanceof PathUnusable || error instanceof OperationFailed)) throw error;
    // It was not ours: then nothing is touched.
    if (files.stat(kept) !== undefined) throw error;
    files.rename(ledger, kept);
  }
}

/** Where there was none, none must have come: a node that starts just now makes its own. */
function putFirst(files: Files, staged: string, ledger: string): void {
  try {
    files.link(staged, ledger);
  } catch (error) {
    if (!(error instanceof PathUnusable || error instanceof OperationFailed)) throw error;
    if (files.stat(ledger) !== undefined) throw error;
    files.rename(staged, ledger);
  }
}

/** @throws What the swap failed of; when that could not be undone, both reasons. */
function undoAll(files: Files, staging: Staging, staged: Staged, why: unknown): never {
  try {
    undo(files, staging, staged);
    staging.write({ ...staged, kept: null });
  } catch (error) {
    if (!(error instanceof SnapError && why instanceof SnapError)) throw error;
    throw new OperationFailed(
      `${why.message}; undoing that failed too (${error.message}): say the same again once that is mended`,
      { cause: why },
    );
  }
  throw why;
}

/** By what is there, not by what was done: so it is right after a failure at any step, and safe twice. */
function undo(files: Files, staging: Staging, staged: Staged): void {
  const { ledger } = staging.home;
  const kept = staging.keptPath(staged);
  const now = files.stat(ledger);
  const old = kept === undefined ? undefined : files.stat(kept);
  const isNew = isStagedFile(now, staged);
  if (isNew && files.stat(staging.ledger) === undefined) moveBack(files, ledger, staging.ledger, old);
  else if (isNew && old === undefined) files.remove(ledger);
  if (kept === undefined || old === undefined) return;
  const isSecondName = now !== undefined && now.device === old.device && now.inode === old.inode;
  if (isSecondName) files.remove(kept);
  else if (isNew || now === undefined) files.rename(kept, ledger);
}

/** The new ledger gets its staged name again; with an old one that comes back the name is never nobody's. */
function moveBack(files: Files, ledger: string, to: string, old: unknown): void {
  if (old !== undefined) {
    try {
      return files.link(ledger, to);
    } catch (error) {
      if (!(error instanceof PathUnusable || error instanceof OperationFailed)) throw error;
    }
  }
  files.rename(ledger, to);
}
