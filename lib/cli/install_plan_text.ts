// What `get --install --dry-run` writes to stdout: the whole plan, with its numbers, for people or as one JSON object.

import { basename } from "node:path";
import { formatBytes } from "../format.ts";
import type { InstallPlan } from "../mirror/install_plan.ts";
import { shortage } from "../node/space.ts";
import { formatVersion } from "../node/version.ts";

/** One JSON object with a newline. What does not apply or is not known is null. */
export function planJson(plan: InstallPlan): string {
  const { home, state, nodeVersion, owner, old, snapshot, space } = plan;
  const object = {
    dry_run: true,
    directory: home.directory,
    network: plan.wish.network,
    ledger: home.ledger,
    node: state.kind,
    node_version: nodeVersion === undefined ? null : formatVersion(nodeVersion),
    holders: state.kind === "running"
      ? state.holders.map(({ pid, name }) => ({ pid: pid ?? null, name }))
      : [],
    old: old === undefined ? null : {
      size: old.size,
      version: old.ledger?.version ?? null,
      block_count: old.ledger?.blockCount ?? null,
    },
    backup: plan.backup ?? null,
    staging: plan.stagingFolder,
    owner: owner ?? null,
    mode: "0600",
    snapshot: snapshot === undefined ? null : {
      info_hash: snapshot.name,
      seq: snapshot.seq ?? null,
      state: snapshot.what,
      archive_bytes: snapshot.archiveBytes ?? null,
    },
    space: space === undefined ? null : {
      archive_bytes: space.archiveBytes,
      archive_folder: space.archiveFolder,
      archive_free_bytes: space.archiveFreeBytes,
      low_disk: space.isLowDisk,
      low_disk_bytes: space.passingBytes ?? null,
      ledger_bytes: space.ledgerBytes,
      ledger_bytes_estimated: space.isEstimate,
      free_bytes: space.directoryFreeBytes,
      one_disk: space.isOneDisk,
      old_bytes: space.oldBytes,
      fits: shortage(space) === undefined,
    },
    unknown: plan.unknown ?? null,
    warnings: plan.warnings,
    refusals: plan.refusals.map(({ message, code, exitCode }) => ({
      error: code,
      message,
      exit_code: exitCode,
    })),
    next: plan.next,
  };
  return JSON.stringify(object) + "\n";
}

/** Lines of a name and a value, then the steps. */
export function planText(plan: InstallPlan): string {
  const { home, wish, nodeVersion, old } = plan;
  const version = nodeVersion === undefined ? "" : `, program ${formatVersion(nodeVersion)}`;
  const rows: [string, string | undefined][] = [
    ["node", `${home.directory} (${wish.network} network, ${stateText(plan)}${version})`],
    ["ledger now", old === undefined ? "none" : oldText(old)],
    ["snapshot", snapshotText(plan)],
    ...spaceRows(plan),
  ];
  const lines = rows.filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(NAME_COLUMNS)}${value}\n`);
  const steps = stepsOf(plan).map((step, i) => `  ${i + 1}. ${step}\n`);
  const warnings = plan.warnings.map((text) => `warning: ${text}\n`);
  const refusals = plan.refusals.map(({ message }) => `not now: ${message}\n`);
  const doing = steps.length === 0 ? [] : ["What would be done:\n", ...steps];
  return [...lines, ...doing, ...warnings, ...refusals, "Nothing was changed.\n"].join("");
}

function stateText({ state }: InstallPlan): string {
  return state.kind === "unknown" ? "running or not: this system does not tell" : state.kind;
}

function oldText({ size, ledger }: NonNullable<InstallPlan["old"]>): string {
  const bytes = `${formatBytes(size)} (${size} bytes)`;
  if (ledger?.version === undefined) return `${bytes}, not a ledger that can be read`;
  return `${bytes}, version ${ledger.version}, ${ledger.blockCount ?? "?"} blocks`;
}

function snapshotText({ snapshot, unknown }: InstallPlan): string | undefined {
  if (snapshot === undefined) return `not known: ${unknown ?? "see below"}`;
  const seq = snapshot.seq === undefined ? "" : `seq ${snapshot.seq}, `;
  const how = { fetch: "to be fetched", ready: "fetched and checked already", current: "installed already" };
  return `${seq}${snapshot.name}, ${how[snapshot.what]}`;
}

function spaceRows({ space, snapshot }: InstallPlan): [string, string | undefined][] {
  if (space === undefined) return [];
  const low = space.isLowDisk ? " at a time (--low-disk)" : " to come";
  const archive = snapshot?.archiveBytes === undefined ? "" : `${formatBytes(snapshot.archiveBytes)}, `;
  const free = `${formatBytes(space.directoryFreeBytes)} on the node's disk`;
  const other = space.isOneDisk
    ? ", the archive's too"
    : `, ${formatBytes(space.archiveFreeBytes)} on the archive's`;
  return [
    ["archive", `${archive}${formatBytes(space.archiveBytes)}${low}, in ${space.archiveFolder}`],
    ["new ledger", `${space.isEstimate ? "about " : ""}${formatBytes(space.ledgerBytes)}`],
    ["free", `${free}${other}`],
  ];
}

function stepsOf({ home, wish, snapshot, backup, stagingFolder, owner, old, next }: InstallPlan): string[] {
  if (snapshot?.what === "current") return [];
  const name = basename(home.ledger);
  const whose = owner === undefined ? "" : `, owner ${owner.uid}:${owner.gid}, mode 0600`;
  return [
    ...(snapshot?.what === "ready" ? [] : [
      `fetch the archive${
        wish.lowDisk ? ", dropping what is unpacked" : ""
      }, and unpack it into ${stagingFolder}`,
      `check the new ledger: network, version, every page${whose}`,
    ]),
    "look again that the node does not run",
    ...(backup === undefined ? [] : [`keep ${name} as ${basename(backup)}`]),
    `put the new ${name} in its place by one rename${
      backup === undefined && old !== undefined ? "; the one before goes" : ""
    }, and remove ${basename(home.lock)}`,
    `say how the node is started: ${next}`,
  ];
}

const NAME_COLUMNS = 14;
