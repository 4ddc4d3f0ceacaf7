// Whether the node runs, and the command that stops or starts it. A ledger whose node runs must not be replaced: the
// node would go on with the old file and write what it learns to nowhere.

import { basename } from "node:path";
import { parseUtf8 } from "../bytes.ts";
import { NodeRunning } from "../errors.ts";
import type { Files, Holder, Programs } from "../ports.ts";
import type { NodeHome } from "./home.ts";

/** What is known of a node's run. */
export type NodeState =
  | { readonly kind: "stopped" }
  | { readonly kind: "running"; readonly holders: readonly Holder[] }
  /** This system does not tell. */
  | { readonly kind: "unknown" };

/** Asks who has the ledger or its lock file open. @param more Further names of the ledger. */
export function stateOf(programs: Programs, home: NodeHome, ...more: readonly string[]): NodeState {
  const holders = programs.holders([home.ledger, home.lock, ...more]);
  if (holders === undefined) return { kind: "unknown" };
  return holders.length === 0 ? { kind: "stopped" } : { kind: "running", holders };
}

/**
 * Ends the command while the node runs.
 *
 * @param force Go on where nobody can tell; never where somebody has the ledger.
 * @throws {NodeRunning} With the command that stops it.
 */
export function refuseRunning(state: NodeState, home: NodeHome, force: boolean): void {
  if (state.kind === "running") throw new NodeRunning(runningText(state.holders, home));
  if (state.kind === "unknown" && !force) {
    throw new NodeRunning(
      `Cannot tell whether the node of ${home.directory} runs: this system does not say who has its ledger open; ` +
        "stop the node, then say --force",
    );
  }
}

/** Who has it, and what stops them, each command once. */
export function runningText(holders: readonly Holder[], { directory, ledger }: NodeHome): string {
  const who = holders.map(({ pid, name }) =>
    pid === undefined ? "a process that cannot be seen from here" : `process ${pid} (${name})`
  );
  const stops = [...new Set(holders.map(stopCommand))];
  return `Cannot install into ${directory}: the node runs, ${who.join(", ")} has ${
    basename(ledger)
  } open; stop it first: ${stops.join("; ")}`;
}

/** The command that stops a process: by its service or its container where the control group names one. */
export function stopCommand({ pid, cgroup }: Holder): string {
  if (pid === undefined) return "in the container or by the user that runs it";
  const container = /(docker|libpod|cri-containerd|crio)[-/]([0-9a-f]{64})/.exec(cgroup);
  if (container !== null) {
    const id = container[2]!.slice(0, 12);
    if (container[1] === "docker") return `docker stop ${id}`;
    return container[1] === "libpod"
      ? `podman stop ${id}`
      : "kubectl scale --replicas=0, for what its pod is of";
  }
  for (const line of cgroup.split("\n")) {
    const path = line.slice(line.lastIndexOf(":") + 1);
    const unit = path.split("/").findLast((part) => part.endsWith(".service"));
    // A session of a user, or a terminal's program in it, is no service that could be stopped for the node alone.
    if (unit === undefined || /^user@|^(session|init)/.test(unit) || !SAFE_UNIT.test(unit)) continue;
    if (SHARED_UNITS.test(unit)) continue;
    return path.includes("/user@") ? `systemctl --user stop ${unit}` : `systemctl stop ${unit}`;
  }
  return `kill ${pid}`;
}

/** The command that starts the node again: its service, where one is installed; otherwise the program's own. */
export function startCommand(files: Files, programs: Programs, home: NodeHome, isDefault: boolean): string {
  const unit = findUnit(files);
  if (unit !== undefined) return `systemctl start ${unit}`;
  const path = isDefault ? "" : ` --data_path ${shellWord(home.directory)}`;
  if (programs.find("nano_node") !== undefined) return `nano_node --daemon${path}`;
  if (programs.find("docker") !== undefined) {
    return "docker start NAME, with the name of the node's container";
  }
  return `nano_node --daemon${path} (or as it was started before: nano_node is not on PATH here)`;
}

/** The first service that runs nano_node, by name. */
function findUnit(files: Files): string | undefined {
  for (const folder of UNIT_FOLDERS) {
    for (const name of list(files, folder)) {
      if (!/nano/i.test(name) || !name.endsWith(".service") || !SAFE_UNIT.test(name)) continue;
      if (isNodesUnit(files, `${folder}/${name}`)) return name.slice(0, -".service".length);
    }
  }
  return undefined;
}

function isNodesUnit(files: Files, path: string): boolean {
  try {
    const text = parseUtf8(files.read(path, MAX_UNIT_BYTES) ?? new Uint8Array()) ?? "";
    return /^ExecStart=.*nano_node/m.test(text);
  } catch {
    return false; // not ours to read
  }
}

function list(files: Files, folder: string): string[] {
  try {
    return files.list(folder);
  } catch {
    return []; // not ours to read
  }
}

/** A path as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Nothing of it means anything to a shell. */
const SAFE_UNIT = /^[\w@.:-]+$/;
/** They hold every program that somebody started by hand. */
const SHARED_UNITS = /^(ssh|sshd|cron|crond|docker|containerd|gdm|lightdm|getty|supervisor)\b.*\.service$/;
const UNIT_FOLDERS = ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];
const MAX_UNIT_BYTES = 64 << 10;
