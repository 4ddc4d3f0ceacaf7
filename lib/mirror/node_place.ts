// A node's own folder as the place of a ledger: staged on the node's disk, checked from its first page to its last, and
// swapped in while nobody has the old one open.

import { dirname } from "node:path";
import { VerificationFailed } from "../errors.ts";
import type { Report } from "../events.ts";
import type { Examination, LedgerExaminer } from "../ledger/examination.ts";
import type { LedgerFacts } from "../ledger/facts.ts";
import { minimumNode } from "../ledger/node_version.ts";
import type { Network, NodeHome } from "../node/home.ts";
import { refuseRunning, stateOf } from "../node/running.ts";
import { LEDGER_PER_ARCHIVE, refuseForSpace, type SpacePlan } from "../node/space.ts";
import { ShutOut, startedText } from "../node/shut_out.ts";
import type { Staged, Staging } from "../node/staging.ts";
import { backupName, backupsOf, type Left, swap, type SwapOptions } from "../node/swap.ts";
import { type NodeVersion, versionWarning } from "../node/version.ts";
import type { Access, Programs } from "../ports.ts";
import type { Info } from "../torrent/metainfo.ts";
import { snapshotClaims } from "../torrent/x_snapshot.ts";
import type { ArchiveSpace } from "./content_options.ts";
import { checkedFacts, type LedgerPlace, type SnapshotName } from "./ledger_place.ts";
import type { Machine } from "./machine.ts";

/** What an installation needs of the machine. */
export interface InstallMachine extends Machine {
  readonly access: Access;
  readonly programs: Programs;
  readonly examiner: LedgerExaminer;
}

/** What is asked of an installation besides a `get`. */
export interface InstallWish {
  readonly network: Network;
  readonly backup: boolean;
  /** Go on where the system does not say whether the node runs, and into the folder of a node with RocksDB. */
  readonly force: boolean;
  readonly lowDisk: boolean;
}

export interface NodePlaceParts {
  readonly machine: InstallMachine;
  readonly home: NodeHome;
  readonly wish: InstallWish;
  readonly staging: Staging;
  /** What an earlier run has left. */
  readonly left: Left;
  /** Of the node's program; undefined when that is not known. */
  readonly nodeVersion: NodeVersion | undefined;
  readonly report: Report;
  readonly signal: AbortSignal;
}

export class NodePlace implements LedgerPlace {
  readonly isLive = true;
  readonly landed: SnapshotName | undefined;
  readonly #parts: NodePlaceParts;
  #ready: Staged | undefined;
  #backup: string | undefined;
  #isWarned = false;

  constructor(parts: NodePlaceParts) {
    this.#parts = parts;
    const { left } = parts;
    this.landed = left.kind === "swapped" ? nameOf(left.staged) : undefined;
    this.#ready = left.kind === "staged" ? left.staged : undefined;
  }

  get path(): string {
    return this.#parts.home.ledger;
  }

  get folder(): string {
    return this.#parts.staging.folder;
  }

  /** Where the ledger before is now; undefined when there is none. */
  get backup(): string | undefined {
    return this.#backup;
  }

  examine(info: Info): void {
    const { ledgerVersion } = snapshotClaims(info);
    if (ledgerVersion !== undefined) this.#warnOfVersion(ledgerVersion);
  }

  examineSpace(archive: ArchiveSpace): void {
    refuseForSpace(spacePlan(archive, this.#parts));
  }

  isReady(name: string): SnapshotName | undefined {
    return this.#ready?.v2.startsWith(name) === true ? nameOf(this.#ready) : undefined;
  }

  clear(): void {
    this.#parts.staging.discard();
    this.#ready = undefined;
  }

  async put(partial: string | undefined, of: SnapshotName): Promise<LedgerFacts> {
    const { machine, home, wish, staging } = this.#parts;
    const { files, clock } = machine;
    let facts = checkedFacts(files, partial ?? staging.ledger);
    if (partial !== undefined) {
      try {
        this.#refuseForeign(facts, partial);
        facts = { ...facts, cemented_count: await this.#examineAll(partial) };
      } catch (error) {
        if (error instanceof VerificationFailed) files.remove(partial);
        throw error;
      }
      this.#ready = staging.take(partial, of);
    }
    if (facts.version !== undefined) this.#warnOfVersion(facts.version);
    this.#backup = swap(files, staging, this.#ready!, {
      backup: wish.backup ? backupName(files, home.ledger, clock.unixMs()) : undefined,
      ...nodeWatch(this.#parts),
    });
    return facts;
  }

  settle(): void {
    this.#parts.staging.finish();
  }

  /** A node would refuse it, or begin anew with it. */
  #refuseForeign(facts: LedgerFacts, path: string): void {
    const { network } = this.#parts.wish;
    const [short] = facts.warnings;
    if (short !== undefined) throw new VerificationFailed(`Cannot install the ledger: ${short}`);
    // Whoever runs a test network of his own has a genesis block of his own, too.
    const isOwn = facts.network === "unknown" && network !== "live";
    if (facts.network === network || isOwn) return;
    const [what, hint] = facts.network === "unknown"
      ? ["no known network's", "; a private network's goes with --network test"]
      : [`the ${facts.network} network's`, ""];
    throw new VerificationFailed(
      `Cannot install ${path} for the ${network} network: it is ${what} ledger, by its genesis block${hint}`,
    );
  }

  /** @returns How many blocks are cemented: it is counted on the way. */
  async #examineAll(path: string): Promise<number | undefined> {
    const { machine, report, signal } = this.#parts;
    const { problems, problemCount, cementedCount }: Examination = await machine.examiner.examine({
      path,
      tables: "all",
      signal,
      onProgress: ({ doneBytes, totalBytes }) =>
        report({ kind: "work", label: "Checking the ledger", doneBytes, totalBytes }),
    });
    const [first] = problems;
    if (first === undefined) return cementedCount;
    const where = first.page === undefined ? "" : `, page ${first.page}`;
    throw new VerificationFailed(
      `Cannot install the ledger: its structure has ${problemCount} faults; the first, in ${first.table}${where}: ${first.text}`,
    );
  }

  #warnOfVersion(ledgerVersion: number): void {
    const text = versionWarning(this.#parts.nodeVersion, minimumNode(ledgerVersion), ledgerVersion);
    if (text === undefined || this.#isWarned) return;
    this.#isWarned = true;
    this.#parts.report({ kind: "note", level: "warning", logger: "install", text });
  }
}

/** How a swap, or the mending of one, keeps the node out: looks whether it runs, and holds the lock that it starts with. */
export function nodeWatch(
  { machine, home, wish, staging, report }: Pick<
    NodePlaceParts,
    "machine" | "home" | "wish" | "staging" | "report"
  >,
): Omit<SwapOptions, "backup"> {
  // Who only waits at the lock file has nothing open yet.
  let watched = home;
  const warn = (text: string) => report({ kind: "note", level: "warning", logger: "install", text });
  return {
    refuseRunning: (...more) => refuseRunning(stateOf(machine.programs, watched, ...more), home, wish.force),
    tellStarted: () => {
      const state = stateOf(machine.programs, home);
      if (state.kind === "running") warn(startedText(state.holders));
    },
    shutOut: () => {
      const shut = ShutOut.begin(machine, staging, warn);
      if (shut !== undefined) watched = { ...home, lock: home.ledger };
      return shut;
    },
  };
}

/** The whole of an installation in bytes. */
export function spacePlan(
  { info, missingBytes, folder, passingBytes }: ArchiveSpace,
  { machine: { files }, home, wish }: Pick<NodePlaceParts, "machine" | "home" | "wish">,
): SpacePlan {
  const isRaw = info.name.endsWith(".ldb");
  const disk = (path: string) => nearest(path, (one) => files.stat(one)?.device);
  const [archiveFreeBytes, directoryFreeBytes] = [
    files.freeBytes(folder),
    files.freeBytes(dirname(home.ledger)),
  ];
  return {
    archiveFolder: folder,
    archiveBytes: missingBytes,
    archiveFreeBytes,
    passingBytes,
    isLowDisk: wish.lowDisk,
    directory: home.directory,
    ledgerBytes: isRaw ? info.totalLength : info.totalLength * LEDGER_PER_ARCHIVE,
    isEstimate: !isRaw,
    directoryFreeBytes,
    // Subvolumes (btrfs, ZFS) are devices of their own that share their room: to the byte, as no two disks have it.
    isOneDisk: disk(folder) === disk(home.ledger) || archiveFreeBytes === directoryFreeBytes,
    oldBytes: files.stat(home.ledger)?.allocated ?? 0,
    keepsOld: wish.backup,
    backups: backupsOf(files, home.ledger),
  };
}

function nearest<T>(path: string, look: (path: string) => T | undefined): T | undefined {
  const found = look(path);
  return found !== undefined || dirname(path) === path ? found : nearest(dirname(path), look);
}

function nameOf({ v2, v1, seq }: Staged): SnapshotName {
  return { v2, v1, seq };
}
