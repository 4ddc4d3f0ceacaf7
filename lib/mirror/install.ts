// The job of `nano-snap get --install`: finds the node's folder, looks whether it may be written to, and has a `get` put
// the ledger there. install_plan.ts goes the same way and changes nothing.
//
//   folder -> RocksDB? owner? running? -> staging folder and its lock -> what a killed run left -> get -> what is next

import { basename, join } from "node:path";
import { PathUnusable, SnapError } from "../errors.ts";
import type { Report } from "../events.ts";
import { findHome, type Network, type NodeHome } from "../node/home.ts";
import { isMountPoint } from "../node/mount_point.ts";
import { refuseRunning, startCommand, stateOf } from "../node/running.ts";
import { Staging } from "../node/staging.ts";
import { mend } from "../node/swap.ts";
import { formatVersion, installedVersion } from "../node/version.ts";
import { get } from "./get.ts";
import { type InstallMachine, type InstallWish, NodePlace, nodeWatch } from "./node_place.ts";
import type { GetOptions, GetResult } from "./options.ts";

/** Where to install. */
export interface InstallOptions {
  readonly network: Network;
  /** Keep the ledger before. */
  readonly backup: boolean;
  /** The node's folder; undefined looks where nodes have theirs. */
  readonly directory: string | undefined;
  /** The node's program, to be asked for its version; undefined looks on PATH. */
  readonly nodeBinary: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** "x86_64-unknown-linux-gnu". */
  readonly target: string;
}

/**
 * Installs.
 *
 * @throws {NodeRunning} Before anything is fetched, and again just before the swap.
 * @throws {PathUnusable} No folder, more than one, one that is not ours to write to, or a node with RocksDB.
 * @throws {DirectoryHeld} Another run installs there. @throws What `get` throws.
 */
export async function install(
  options: GetOptions,
  where: InstallOptions,
  machine: InstallMachine,
  report: Report,
  signal: AbortSignal,
): Promise<GetResult> {
  const wish = wishOf(options, where);
  const { files, programs } = machine;
  const home = findHome(where.network, where.directory, { files, ...where });
  note(report, `The node's folder is ${home.directory}${home.hasLedger ? "" : ", which has no ledger yet"}`);
  const [refusal] = refusals(machine, home, wish);
  if (refusal !== undefined) throw refusal;
  using staging = Staging.open(machine, home);
  const watch = nodeWatch({ machine, home, wish, staging, report });
  const { left, stray } = mend(files, staging, watch, machine.clock.unixMs());
  if (stray !== undefined) {
    note(
      report,
      `An earlier run was stopped while it replaced ${home.ledger}, which is another one since: ` +
        `the ledger before is kept as ${stray}`,
    );
  }
  const nodeVersion = await installedVersion(programs, where.nodeBinary, machine.clock, signal);
  if (nodeVersion !== undefined) note(report, `The node's program here is ${formatVersion(nodeVersion)}`);
  const place = new NodePlace({ machine, home, wish, staging, left, nodeVersion, report, signal });
  const result = await get({ ...options, extract: true }, machine, report, signal, place);
  const next = startCommand(files, programs, home, where.directory === undefined);
  return { ...result, install: { directory: home.directory, backup: place.backup, next } };
}

/** Why nothing can be installed there now; empty when it can. */
export function refusals(
  { access, files, programs }: InstallMachine,
  home: NodeHome,
  { force }: InstallWish,
): SnapError[] {
  const found: SnapError[] = [];
  try {
    refuseRunning(stateOf(programs, home), home, force);
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    found.push(error);
  }
  const { self } = access;
  const owner = access.ownerOf(home.directory);
  if (self !== undefined && owner !== undefined && self.uid !== 0 && self.uid !== owner.uid) {
    found.push(
      new PathUnusable(
        `Cannot install into ${home.directory}: it belongs to user ${owner.uid}, and this is user ${self.uid}; ` +
          `say the same as that user (sudo -u '#${owner.uid}' ...) or as root`,
      ),
    );
  }
  if (home.hasLedger && isMountPoint(files, home.ledger)) {
    found.push(
      new PathUnusable(
        `Cannot install into ${home.directory}: its ${
          basename(home.ledger)
        } is mounted by itself, and what is mounted ` +
          "cannot be replaced; mount the folder that it is in instead of the file, or name the folder that it comes from",
      ),
    );
  }
  if (home.isRocksDb && !force) {
    found.push(
      new PathUnusable(
        `Cannot install into ${home.directory}: this node keeps its ledger in RocksDB (${
          join(home.directory, "rocksdb")
        }) and does not read data.ldb; set its configuration back to LMDB and move that folder away, or install with ` +
          "--force and then run: nano_node --migrate_database_lmdb_to_rocksdb",
      ),
    );
  }
  return found;
}

/** What was asked, as a node's place needs it. */
export function wishOf({ force, lowDisk }: GetOptions, { network, backup }: InstallOptions): InstallWish {
  return { network, backup, force, lowDisk: lowDisk === true };
}

function note(report: Report, text: string): void {
  report({ kind: "note", level: "info", logger: "install", text });
}
