// The node on this machine: its folder, whether it runs, its ledger, and which release it is.

import { SnapError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { ledgerAt } from "../mirror/snapshot_facts.ts";
import { candidateFolders, findHome, type NodeHome, type Surroundings } from "../node/home.ts";
import { type NodeState, stateOf } from "../node/running.ts";
import { formatVersion, installedVersion, type NodeVersion, versionWarning } from "../node/version.ts";
import type { Access, Clock, Programs } from "../ports.ts";
import { type Finding, ok, warn } from "./finding.ts";

export interface NodeLook extends Surroundings {
  readonly access: Access;
  readonly programs: Programs;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** One finding about the folder and, where there is one, more about what is in it. */
export async function lookAtNode(look: NodeLook): Promise<Finding[]> {
  const folders = candidateFolders("live", look);
  if (!folders.some((path) => look.files.stat(path)?.kind === "directory")) {
    // Whoever only mirrors has none.
    return [ok("node", `there is none in ${folders.join(" or ")}; elsewhere: get --install=DIR`)];
  }
  let home: NodeHome;
  try {
    home = findHome("live", undefined, look);
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    return [warn("node", error.message, "get --install=DIR")];
  }
  const state = stateOf(look.programs, home);
  const version = await versionOf(state, look);
  return [folderFinding(home, state), ledgerFinding(home, version, look), versionFinding(version)];
}

function folderFinding({ directory, isRocksDb }: NodeHome, state: NodeState): Finding {
  const text = `${directory}, ${
    state.kind === "unknown" ? "and this system does not say whether it runs" : `the node is ${state.kind}`
  }`;
  if (isRocksDb) {
    return warn(
      "node",
      `${text}; its ledger is in RocksDB`,
      "such a node does not read data.ldb: see get --install",
    );
  }
  if (state.kind === "stopped") return ok("node", text);
  if (state.kind === "running") return ok("node", `${text}: stop it before get --install`);
  return warn("node", text, "get --install needs --force here: stop the node first");
}

function ledgerFinding(home: NodeHome, version: NodeVersion | undefined, { files }: NodeLook): Finding {
  const facts = files.stat(home.ledger);
  if (facts === undefined) {
    return warn("ledger", `there is none in ${home.directory}`, "nano-snap get --install");
  }
  const ledger = ledgerAt(files, home.ledger);
  if (ledger?.version === undefined) {
    return warn(
      "ledger",
      `${home.ledger} cannot be read as a ledger`,
      "nano-snap verify shows what is wrong",
    );
  }
  const text = `version ${ledger.version}, ${ledger.blockCount ?? "?"} blocks, ${formatBytes(facts.size)}`;
  const old = versionWarning(version, ledger.minimumNode, ledger.version);
  return old === undefined ? ok("ledger", text) : warn("ledger", `${text}. ${old}`, "upgrade the node");
}

function versionFinding(version: NodeVersion | undefined): Finding {
  if (version !== undefined) return ok("node-version", `nano_node ${formatVersion(version)}`);
  return ok("node-version", "not known: nano_node is not on PATH, and no running one says");
}

/** The running one's own program, where that is ours to run; else the one on PATH. */
async function versionOf(state: NodeState, look: NodeLook): Promise<NodeVersion | undefined> {
  const { programs, clock, signal } = look;
  const holders = state.kind === "running" ? state.holders : [];
  const node = holders.find(({ name, pid }) => pid !== undefined && name.startsWith("nano_node"));
  const program = node === undefined ? undefined : programOf(`/proc/${node.pid}/exe`, look);
  const running = program === undefined
    ? undefined
    : await installedVersion(programs, program, clock, signal);
  return running ?? await installedVersion(programs, undefined, clock, signal);
}

/** Root runs nothing that another user could have made, nor what is out of a container; others cannot. */
function programOf(exe: string, { files, access }: NodeLook): string | undefined {
  if (access.self?.uid !== 0) return exe;
  const path = files.realPath(exe);
  if (path === undefined || access.ownerOf(path)?.uid !== 0) return undefined;
  const [named, running] = [files.stat(path), files.stat(exe)];
  return named?.device === running?.device && named?.inode === running?.inode ? path : undefined;
}
