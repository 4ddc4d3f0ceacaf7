// While a ledger is replaced no node may open it: one that starts just then would open the old file and go on with it, or
// lose its lock file to us. So the swap holds the lock that a node takes before it opens its ledger, and a node that
// starts waits; when it is let go it finds its lock file emptied and gives up, with nothing read and nothing written. It
// is told of, for it has to be started again.
//
// Linux alone has that lock for us; where the disk has no hard links and there is no lock file yet it is not used either.
// There what remains are the looks before and after the rename, and between the last of them and the end of the swap a
// node that starts can lose its lock file: so there is one more look when all is done, which tells of it.
//
// With the lock no node is missed: the lock file has gone before we look who waits at it, and whoever comes after that
// makes its own and has the new ledger. After a swap that failed the file stays, and one that opens it in the moment
// between that look and the release gives up untold.

import { join } from "node:path";
import { NodeRunning, OperationFailed, PathUnusable, SnapError } from "../errors.ts";
import type { Holder, Programs, StartLock } from "../ports.ts";
import { runningText, stopCommand } from "./running.ts";
import type { Staging, StagingMachine } from "./staging.ts";

/** What shutting out needs of the machine. */
export interface ShutOutMachine extends StagingMachine {
  readonly programs: Pick<Programs, "startLock">;
}

export class ShutOut implements Disposable {
  readonly #machine: ShutOutMachine;
  readonly #lockFile: string;
  readonly #lock: StartLock;
  readonly #onWaiting: (text: string) => void;
  /** We made the lock file, and it is still there. */
  #isOurs: boolean;

  private constructor(parts: {
    machine: ShutOutMachine;
    lockFile: string;
    lock: StartLock;
    onWaiting: (text: string) => void;
    isOurs: boolean;
  }) {
    this.#machine = parts.machine;
    this.#lockFile = parts.lockFile;
    this.#lock = parts.lock;
    this.#onWaiting = parts.onWaiting;
    this.#isOurs = parts.isOurs;
  }

  /**
   * From now on nobody opens the node's ledger, until this is disposed of.
   *
   * @param onWaiting Told of those who tried to, in one sentence.
   * @returns undefined where that cannot be had. @throws {NodeRunning} While somebody has the ledger open.
   */
  static begin(
    machine: ShutOutMachine,
    staging: Staging,
    onWaiting: (text: string) => void,
  ): ShutOut | undefined {
    const { home } = staging;
    // A run that was killed leaves it as a second name of the lock file, which then would not be locked.
    machine.files.remove(freshPath(staging));
    const isOurs = machine.files.stat(home.lock) === undefined;
    if (isOurs && !makeLockFile(machine, staging)) return undefined;
    const lock = machine.programs.startLock(home.lock);
    if (lock === "taken") {
      throw new NodeRunning(runningText([{ pid: undefined, name: "", cgroup: "" }], home));
    }
    if (lock !== undefined) return new ShutOut({ machine, lockFile: home.lock, lock, onWaiting, isOurs });
    // Empty, and the node's user's: the next one to open it makes of it what it needs.
    return undefined;
  }

  /** The lock file goes, and with it what it says of the ledger before. */
  removeLockFile(): void {
    this.#machine.files.remove(this.#lockFile);
    this.#isOurs = false;
  }

  [Symbol.dispose](): void {
    try {
      if (this.#isOurs) this.#tryRemoveLockFile();
      const waiting = this.#lock.waiting();
      if (waiting.length > 0) this.#onWaiting(waitingText(waiting));
    } finally {
      this.#lock.release();
    }
  }

  /** What the swap failed of is what is told; an empty lock file harms nobody. */
  #tryRemoveLockFile(): void {
    try {
      this.removeLockFile();
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
    }
  }
}

/** Those who have opened the lock file meanwhile, and what is to be done. */
function waitingText(holders: readonly Holder[]): string {
  return `${started(holders)}: it gives up now ("Invalid argument") and has to be started again; ` +
    `if it still runs, stop it first: ${stopsOf(holders)}`;
}

/** Of those who have the new ledger open where nobody could be shut out, and what is to be done. */
export function startedText(holders: readonly Holder[]): string {
  return `${started(holders)}: it has the new one, but may have lost its lock file; ` +
    `stop it and start it again: ${stopsOf(holders)}`;
}

function started(holders: readonly Holder[]): string {
  const who = holders.map(({ pid, name }) =>
    pid === undefined ? "one of another container" : `${pid} (${name})`
  );
  return `The node was started while its ledger was being replaced, process ${who.join(", ")}`;
}

function stopsOf(holders: readonly Holder[]): string {
  return [...new Set(holders.map(stopCommand))].join("; ");
}

/** Makes an empty one that is the node's user's from its first moment on. @returns Whether there is one. */
function makeLockFile({ files, access }: ShutOutMachine, staging: Staging): boolean {
  const { home, owner } = staging;
  const fresh = freshPath(staging);
  try {
    files.writeNew(fresh, new Uint8Array(), 0o600);
    access.give(fresh, owner, 0o600);
    files.link(fresh, home.lock);
    return true;
  } catch (error) {
    if (!(error instanceof PathUnusable || error instanceof OperationFailed)) throw error;
    // A node has made its own meanwhile, or there are no links here.
    return files.stat(home.lock) !== undefined;
  } finally {
    files.remove(fresh);
  }
}

function freshPath({ folder }: Staging): string {
  return join(folder, "data.ldb-lock");
}
