// What `get --install` would do, learnt without changing anything (`--dry-run`): the node's folder as it is, the newest
// snapshot as the network tells it, and whether both fit. Only the torrent's metadata is fetched.

import { NetworkStalled, NothingDiscovered, SnapError } from "../errors.ts";
import type { Report, RunEvent } from "../events.ts";
import { findHome, type NodeHome } from "../node/home.ts";
import { type NodeState, startCommand, stateOf } from "../node/running.ts";
import { refuseForSpace, type SpacePlan } from "../node/space.ts";
import { isStagedFile, Staging } from "../node/staging.ts";
import { backupName } from "../node/swap.ts";
import { installedVersion, type NodeVersion, versionWarning } from "../node/version.ts";
import { minimumNode } from "../ledger/node_version.ts";
import type { Owner } from "../ports.ts";
import type { Info } from "../torrent/metainfo.ts";
import { snapshotClaims } from "../torrent/x_snapshot.ts";
import { type ArchiveSpace, nameOf } from "./content_options.ts";
import { rehearse } from "./get.ts";
import { type InstallOptions, refusals, wishOf } from "./install.ts";
import type { LedgerPlace, SnapshotName } from "./ledger_place.ts";
import { type InstallMachine, type InstallWish, spacePlan } from "./node_place.ts";
import type { GetOptions, LedgerSummary } from "./options.ts";
import { ledgerAt } from "./snapshot_facts.ts";

/** What an installation would do. */
export interface InstallPlan {
  readonly home: NodeHome;
  readonly wish: InstallWish;
  readonly state: NodeState;
  readonly nodeVersion: NodeVersion | undefined;
  readonly owner: Owner | undefined;
  /** Of the ledger there is. */
  readonly old: { readonly size: number; readonly ledger: LedgerSummary | undefined } | undefined;
  readonly backup: string | undefined;
  readonly stagingFolder: string;
  /** undefined when it could not be learnt; `unknown` says why. */
  readonly snapshot: PlannedSnapshot | undefined;
  readonly unknown: string | undefined;
  /** undefined when nothing would be fetched. */
  readonly space: SpacePlan | undefined;
  readonly next: string;
  /** Why the installation would be refused now, worst first. */
  readonly refusals: readonly SnapError[];
  readonly warnings: readonly string[];
}

export interface PlannedSnapshot {
  /** Hex: v2, or v1 where the torrent has no other. */
  readonly name: string;
  readonly seq: number | undefined;
  /** "fetch", or what makes that needless: checked by an earlier run and ready, or installed already. */
  readonly what: "fetch" | "ready" | "current";
  /** Bytes of the archive; undefined when nothing is to be fetched. */
  readonly archiveBytes: number | undefined;
}

/** Looks what `install` would do. Nothing is changed, on disk or elsewhere, and no content is fetched. */
export async function planInstall(
  options: GetOptions,
  where: InstallOptions,
  machine: InstallMachine,
  report: Report,
  signal: AbortSignal,
): Promise<InstallPlan> {
  const wish = wishOf(options, where);
  const { files, programs, access, clock } = machine;
  const home = findHome(where.network, where.directory, { files, ...where });
  const nodeVersion = await installedVersion(programs, where.nodeBinary, clock, signal);
  const staging = Staging.look(machine, home);
  const found = await learn(new RehearsalPlace({ machine, home, wish, staging, nodeVersion }), {
    options: { ...options, extract: true, port: 0 },
    machine,
    report,
    signal,
  });
  const size = files.stat(home.ledger)?.size;
  const problems = [...refusals(machine, home, wish)];
  // Who has its lock open is seen without taking it.
  if ((programs.holders([staging.lock]) ?? []).length > 0) problems.push(staging.heldByAnother());
  problems.push(...found.refusals);
  if (found.space !== undefined) {
    try {
      refuseForSpace(found.space);
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      problems.push(error);
    }
  }
  return {
    home,
    wish,
    state: stateOf(programs, home),
    nodeVersion,
    owner: access.ownerOf(home.directory),
    old: size === undefined ? undefined : { size, ledger: ledgerAt(files, home.ledger) },
    backup: wish.backup && size !== undefined ? backupName(files, home.ledger, clock.unixMs()) : undefined,
    stagingFolder: staging.folder,
    next: startCommand(files, programs, home, where.directory === undefined),
    ...found,
    refusals: problems,
  };
}

/** What could be learnt of the snapshot. */
type Learnt = Pick<InstallPlan, "snapshot" | "unknown" | "space" | "refusals" | "warnings">;

async function learn(
  place: RehearsalPlace,
  run: {
    readonly options: GetOptions;
    readonly machine: InstallMachine;
    readonly report: Report;
    readonly signal: AbortSignal;
  },
): Promise<Learnt> {
  const warnings: string[] = [];
  let seq: number | undefined;
  const report = (event: RunEvent) => {
    if (event.kind === "discovered") seq = event.seq;
    if (event.kind === "facts") seq = event.facts.fetching?.seq ?? seq;
    if (event.kind !== "note") return;
    if (event.level === "warning") warnings.push(event.text);
    else run.report(event);
  };
  const nothing = { snapshot: undefined, unknown: undefined, space: undefined, refusals: [] };
  const all = () => ({ warnings: [...warnings, ...place.warnings] });
  try {
    const { infoHash, infoHashV1 } = await rehearse(run.options, run.machine, report, run.signal, place);
    const name = infoHash ?? infoHashV1 ?? "";
    return { ...nothing, snapshot: { name, seq, what: "current", archiveBytes: undefined }, ...all() };
  } catch (error) {
    if (error instanceof Rehearsed) {
      const { space, ...snapshot } = error.found;
      return { ...nothing, snapshot: { ...snapshot, seq }, space, ...all() };
    }
    if (run.signal.aborted || !(error instanceof SnapError)) throw error;
    if (error instanceof NothingDiscovered || error instanceof NetworkStalled) {
      return { ...nothing, unknown: error.message, ...all() };
    }
    return { ...nothing, refusals: [error], ...all() };
  }
}

/** Ends a rehearsal with what it was for. */
class Rehearsed extends Error {
  constructor(readonly found: Omit<PlannedSnapshot, "seq"> & { readonly space: SpacePlan | undefined }) {
    super("the rehearsal is over");
  }
}

interface RehearsalPlaceParts {
  readonly machine: InstallMachine;
  readonly home: NodeHome;
  readonly wish: InstallWish;
  readonly staging: Staging;
  readonly nodeVersion: NodeVersion | undefined;
}

/** A node's folder to which nothing is done. */
class RehearsalPlace implements LedgerPlace {
  readonly isLive = true;
  readonly landed = undefined;
  readonly warnings: string[] = [];
  readonly #parts: RehearsalPlaceParts;

  constructor(parts: RehearsalPlaceParts) {
    this.#parts = parts;
  }

  get path(): string {
    return this.#parts.home.ledger;
  }

  get folder(): string {
    return this.#parts.staging.folder;
  }

  examine(info: Info): void {
    const { ledgerVersion } = snapshotClaims(info);
    if (ledgerVersion === undefined) return;
    const text = versionWarning(this.#parts.nodeVersion, minimumNode(ledgerVersion), ledgerVersion);
    if (text !== undefined && !this.warnings.includes(text)) this.warnings.push(text);
  }

  examineSpace(archive: ArchiveSpace): void {
    const { info } = archive;
    const { staging, machine: { files } } = this.#parts;
    const plan = spacePlan(archive, this.#parts);
    // What lies ready is of another snapshot: it would have gone by now.
    const goes = [staging.ledger, staging.partial].map((path) => files.stat(path)?.allocated ?? 0)
      .reduce((sum, bytes) => sum + bytes);
    const space = {
      ...plan,
      directoryFreeBytes: plan.directoryFreeBytes + goes,
      archiveFreeBytes: plan.archiveFreeBytes + (plan.isOneDisk ? goes : 0),
    };
    throw new Rehearsed({ name: nameOf(info), what: "fetch", archiveBytes: info.totalLength, space });
  }

  isReady(name: string): SnapshotName | undefined {
    const { staging, machine: { files }, home } = this.#parts;
    const staged = staging.read();
    if (staged === undefined || !staged.v2.startsWith(name)) return undefined;
    const isHere = staging.isReady(staged) || isStagedFile(files.stat(home.ledger), staged);
    return isHere ? staged : undefined;
  }

  clear(): void {}

  put(_partial: string | undefined, { v2: name }: SnapshotName): Promise<never> {
    const { staging, machine: { files }, home } = this.#parts;
    const staged = staging.read();
    const isThere = staged !== undefined && isStagedFile(files.stat(home.ledger), staged);
    const what = isThere ? "current" : "ready";
    return Promise.reject(new Rehearsed({ name, what, archiveBytes: undefined, space: undefined }));
  }

  settle(): void {}
}
