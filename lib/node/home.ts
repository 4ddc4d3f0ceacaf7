// Where a node keeps its ledger on this machine, told by names alone: a folder is listed, and nothing in it is opened but
// what the ledger's own files need. wallets.ldb, the configuration and the node's keys are names here and nothing else.

import { join } from "node:path";
import { parseUtf8 } from "../bytes.ts";
import { PathUnusable } from "../errors.ts";
import type { FileFacts, Files } from "../ports.ts";

/** Networks that have a folder of their own. */
export const NETWORKS = ["live", "beta", "test"] as const;
export type Network = (typeof NETWORKS)[number];

/** What a search begins with. */
export interface Surroundings {
  readonly files: Files;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** "x86_64-unknown-linux-gnu". */
  readonly target: string;
}

/** A node's folder, and where its ledger lies. */
export interface NodeHome {
  /** Without links. */
  readonly directory: string;
  /** Where data.ldb is or is to be: another folder's when it is a link. */
  readonly ledger: string;
  /** LMDB names it after the name by which it was given the ledger. */
  readonly lock: string;
  readonly hasLedger: boolean;
  /** There is a `rocksdb` folder: then the node does not read data.ldb. */
  readonly isRocksDb: boolean;
}

/**
 * The node's folder.
 *
 * @param given That one, or the folder of `/root` that a container has; undefined looks where nodes keep theirs.
 * @throws {PathUnusable} When there is none, or more than one.
 */
export function findHome(network: Network, given: string | undefined, around: Surroundings): NodeHome {
  if (given !== undefined) return homeAt(around.files, inGiven(network, given, around.files));
  const candidates = candidateFolders(network, around);
  const there = candidates.filter((path) => around.files.stat(path)?.kind === "directory");
  const real = [...new Set(there.map((path) => around.files.realPath(path) ?? path))];
  const marked = real.filter((path) => hasMarks(around.files, path));
  const [first, second] = marked.length > 0 ? marked : real;
  if (first === undefined) {
    throw new PathUnusable(
      `Cannot find the node's folder of the ${network} network: there is no ${
        candidates.join(", no ")
      }; name it with get --install=DIR`,
    );
  }
  if (second !== undefined) {
    throw new PathUnusable(
      `Cannot tell which node is meant: there are ${first} and ${second}; name one with get --install=DIR`,
    );
  }
  return homeAt(around.files, first);
}

/** Where nodes of a network keep their ledger, the likeliest first. */
export function candidateFolders(network: Network, { files, env, target }: Surroundings): string[] {
  const name = FOLDERS[network];
  const home = env["HOME"] ?? "";
  const inHome = (folder: string) => home === "" ? [] : [join(home, folder)];
  if (target.includes("windows")) {
    const local = env["LOCALAPPDATA"] ?? "";
    return local === "" ? [] : [join(local, name)];
  }
  if (target.includes("darwin")) return inHome(join("Library", name));
  // Under sudo, the node is seldom root's.
  const caller = homeOf(files, env["SUDO_USER"]);
  const ofCaller = caller === undefined ? [] : [join(caller, name)];
  return [...new Set([...ofCaller, ...inHome(name), join(PACKAGE_HOME, name)])];
}

/** A host's folder that is mounted on a container's /root has the node's folder in it. */
function inGiven(network: Network, given: string, files: Files): string {
  const facts = files.stat(given);
  if (facts === undefined) {
    throw new PathUnusable(
      `Cannot install into ${given}: no such folder; a node makes it at its first start`,
    );
  }
  if (facts.kind !== "directory") throw new PathUnusable(`Cannot install into ${given}: it is no folder`);
  const inner = join(given, FOLDERS[network]);
  const isInner = !hasMarks(files, given) && lookAt(inner, files)?.kind === "directory";
  return isInner ? inner : given;
}

function homeAt(files: Files, path: string): NodeHome {
  const directory = files.realPath(path) ?? path;
  const ledger = join(directory, LEDGER);
  const facts = lookAt(ledger, files);
  if (facts !== undefined && facts.kind !== "file") {
    throw new PathUnusable(`Cannot install into ${directory}: its ${LEDGER} is not a regular file`);
  }
  if (facts === undefined && files.list(directory).includes(LEDGER)) {
    throw new PathUnusable(
      `Cannot install into ${directory}: its ${LEDGER} is a link to a file that is not there; ` +
        "mount the disk that it leads to, or remove the link",
    );
  }
  return {
    directory,
    ledger: facts === undefined ? ledger : files.realPath(ledger) ?? ledger,
    lock: `${ledger}-lock`,
    hasLedger: facts !== undefined,
    isRocksDb: files.stat(join(directory, "rocksdb"))?.kind === "directory",
  };
}

/** Another user's folder has none that we see. */
function hasMarks(files: Files, path: string): boolean {
  try {
    return files.list(path).some((name) => MARKS.includes(name));
  } catch (error) {
    if (!(error instanceof PathUnusable)) throw error;
    return false;
  }
}

function lookAt(path: string, files: Files): FileFacts | undefined {
  try {
    return files.stat(path);
  } catch (error) {
    if (!(error instanceof PathUnusable)) throw error;
    throw new PathUnusable(`${error.message}; say the same as the node's user, or as root`, { cause: error });
  }
}

/** @returns undefined when there is no such user, or no file that says. */
function homeOf(files: Files, user: string | undefined): string | undefined {
  if (user === undefined || user === "") return undefined;
  const text = parseUtf8(files.read("/etc/passwd", MAX_PASSWD_BYTES) ?? new Uint8Array()) ?? "";
  const line = text.split("\n").find((entry) => entry.startsWith(`${user}:`));
  return line?.split(":")[5] || undefined;
}

const LEDGER = "data.ldb";
const FOLDERS: Readonly<Record<Network, string>> = { live: "Nano", beta: "NanoBeta", test: "NanoTest" };
/** Of the distributions' package. */
const PACKAGE_HOME = "/var/nanocurrency";
/** What a node leaves in its folder. */
const MARKS: readonly string[] = [
  LEDGER,
  "wallets.ldb",
  "rocksdb",
  "config-node.toml",
  "node_id_private.key",
];
const MAX_PASSWD_BYTES = 1 << 20;
