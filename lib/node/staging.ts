// The folder in the node's own in which a new ledger gets ready, on the disk where it is to stay, and the record of how
// far that has come. Nothing in it has the ledger's final name, and a run that was killed leaves no other trace.
//
//   .nano-snap-install/lock              held by the run that installs
//                      data.ldb.partial  being unpacked
//                      data.ldb          whole and checked; staged.json says of what
//                      data.ldb.old      the ledger before, of a run that keeps no backup

import { basename, dirname, join } from "node:path";
import { DirectoryHeld, OperationFailed, PathUnusable, SnapError } from "../errors.ts";
import { isFileNumber, type JsonObject, readJsonFile, writeJsonFile } from "../json_file.ts";
import type { Access, FileFacts, FileLock, FileNumber, Files, Owner } from "../ports.ts";
import { unwritten } from "../unwritten_files.ts";
import type { NodeHome } from "./home.ts";

/** Which snapshot a staged ledger is, and which file. */
export interface Staged {
  /** Info-hash in hex: v2, or v1 where the torrent has no other; and v1, null where there is none. */
  readonly v2: string;
  readonly v1: string | null;
  /** Of the pointer; null without one. */
  readonly seq: number | null;
  readonly size: number;
  readonly mtime: number;
  readonly device: number;
  readonly inode: FileNumber;
  /**
   * The name that the ledger before gets, see `keptPath`: written down before that is touched. null until then, and when
   * there is none.
   */
  readonly kept: string | null;
}

/** What staging needs of the machine. */
export interface StagingMachine {
  readonly files: Files;
  readonly access: Access;
}

export class Staging implements Disposable {
  readonly home: NodeHome;
  readonly folder: string;
  readonly partial: string;
  readonly ledger: string;
  /** Where the ledger before goes when no backup is wanted. */
  readonly old: string;
  /** Held by the run that installs. */
  readonly lock: string;
  readonly owner: Owner | undefined;
  readonly #record: string;
  readonly #machine: StagingMachine;
  #lock: FileLock | undefined;

  private constructor(machine: StagingMachine, home: NodeHome) {
    this.#machine = machine;
    this.home = home;
    this.folder = stagingFolder(home);
    this.partial = join(this.folder, "data.ldb.partial");
    this.ledger = join(this.folder, "data.ldb");
    this.old = join(this.folder, "data.ldb.old");
    this.lock = join(this.folder, LOCK);
    this.#record = join(this.folder, "staged.json");
    this.owner = machine.access.ownerOf(home.directory);
  }

  /** Makes the folder, the node's user's, and takes its lock. @throws {DirectoryHeld} @throws {PathUnusable} */
  static open(machine: StagingMachine, home: NodeHome): Staging {
    const staging = new Staging(machine, home);
    const { folder, owner } = staging;
    machine.files.makeDir(folder);
    machine.access.give(folder, owner, 0o700);
    staging.#lock = machine.files.lock(staging.lock, "nano-snap get --install");
    if (staging.#lock === undefined) throw staging.heldByAnother();
    try {
      machine.access.give(staging.lock, owner, 0o600);
    } catch (error) {
      staging.#release();
      throw error;
    }
    return staging;
  }

  /** To read only: nothing is made, nothing is locked. */
  static look(machine: StagingMachine, home: NodeHome): Staging {
    return new Staging({ ...machine, files: unwritten(machine.files) }, home);
  }

  /** What a run is told while another one has the lock. */
  heldByAnother(): DirectoryHeld {
    return new DirectoryHeld(`Cannot install into ${this.home.directory}: another run is installing there`);
  }

  /** What lies ready, or is in its place already; undefined when nothing that can be gone on with does. */
  read(): Staged | undefined {
    const { value } = readJsonFile<Staged | undefined>(
      this.#machine.files,
      this.#record,
      parseStaged,
      undefined,
    );
    return value;
  }

  /** Gives an unpacked, checked ledger to the node's user, and writes down what it is. */
  take(partial: string, of: Pick<Staged, "v2" | "v1" | "seq">): Staged {
    const { files, access } = this.#machine;
    files.remove(this.#record);
    files.remove(this.ledger);
    access.give(partial, this.owner, 0o600);
    const { size, mtimeMs: mtime, device, inode } = files.stat(partial)!;
    const staged = { ...of, size, mtime, device, inode, kept: null };
    this.write(staged);
    files.rename(partial, this.ledger);
    return staged;
  }

  write(staged: Staged): void {
    writeJsonFile(this.#machine.files, this.#record, { ...staged });
    this.#machine.access.give(this.#record, this.owner, 0o600);
  }

  /**
   * Where the ledger before is kept. The record is the node's user's to write, and we may be root: nothing in it leads
   * anywhere but to these names.
   */
  keptPath({ kept }: Staged): string | undefined {
    if (kept === basename(this.old)) return this.old;
    return kept !== null && isBackupName(kept) ? join(dirname(this.home.ledger), kept) : undefined;
  }

  /** Whether the ledger that the record is of lies ready. */
  isReady(staged: Staged): boolean {
    const { files } = this.#machine;
    if (files.stat(this.ledger) === undefined && isStagedFile(files.stat(this.partial), staged)) {
      files.rename(this.partial, this.ledger);
    }
    const facts = files.stat(this.ledger);
    return isStagedFile(facts, staged) && facts?.size === staged.size && facts.mtimeMs === staged.mtime;
  }

  /** Removes the ledger that lies ready: another one comes. */
  discard(): void {
    const { files } = this.#machine;
    files.remove(this.#record);
    files.remove(this.ledger);
    files.remove(this.partial);
  }

  /**
   * Everything is done: what was kept for nothing but an undo goes. The folder and its lock stay until the run ends, which
   * may have another ledger to stage.
   */
  finish(): void {
    const { files } = this.#machine;
    const record = basename(this.#record);
    const others = files.list(this.folder).filter((name) => name !== LOCK && name !== record);
    // The record last: as long as it is there, the next run knows what the rest is.
    for (const name of [...others, record]) files.removeAll(join(this.folder, name));
  }

  /** Lets the next run in. An empty folder goes. */
  [Symbol.dispose](): void {
    if (this.#lock === undefined) return;
    try {
      const isEmpty = this.#machine.files.list(this.folder).every((name) => name === LOCK);
      if (isEmpty) this.#removeFolder();
    } catch (error) {
      // What the run ended with is what is told; an empty folder harms nobody.
      if (!(error instanceof SnapError)) throw error;
    } finally {
      this.#release();
    }
  }

  /** Under the lock, so that no other run begins in a folder that goes; Windows removes no file that is open. */
  #removeFolder(): void {
    const { files } = this.#machine;
    try {
      files.removeAll(this.folder);
    } catch (error) {
      if (!(error instanceof PathUnusable || error instanceof OperationFailed)) throw error;
      this.#release();
      files.removeAll(this.folder);
    }
    this.#release();
  }

  #release(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }
}

/** On the disk where the ledger is. */
export function stagingFolder({ ledger }: NodeHome): string {
  return join(dirname(ledger), ".nano-snap-install");
}

/** Whether a file is the staged one, whatever its name; a node that runs since changes its size and date. */
export function isStagedFile(facts: FileFacts | undefined, { device, inode }: Staged): boolean {
  return facts?.kind === "file" && facts.device === device && facts.inode === inode;
}

/** "data.ldb.bak-2026-11-22", and "-2" and so on behind it. */
export function isBackupName(name: string): boolean {
  return /^data\.ldb\.bak-[0-9-]+$/.test(name);
}

function parseStaged(json: JsonObject): Staged | undefined {
  const { v2, v1, seq, size, mtime, device, inode, kept } = json;
  if (typeof v2 !== "string" || (v1 !== null && typeof v1 !== "string")) return undefined;
  if (seq !== null && typeof seq !== "number") return undefined;
  if (typeof size !== "number" || typeof mtime !== "number") return undefined;
  if (typeof device !== "number" || !isFileNumber(inode)) return undefined;
  if (kept !== null && typeof kept !== "string") return undefined;
  return { v2, v1, seq, size, mtime, device, inode, kept };
}

const LOCK = "lock";
