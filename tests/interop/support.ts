// What every interop test stands on: which foreign programs are here, and small tools for their files and ports.
// Nothing here or in the files beside it sleeps: each wait is for an answer, an event or an exit, and each has a deadline
// that names what was awaited. Everything that is started is stopped by its own handle.

import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { delimiter, join } from "node:path";
import { PYTHON } from "./child.ts";

export { PYTHON, within } from "./child.ts";
export * from "./program.ts";
export * from "./python_peer.ts";

/** With this set a missing program fails the tests that need it: CI must not go green on what it never ran. */
const NO_SKIP = Deno.env.get("NANO_SNAP_NO_SKIP") === "1";

/** The programs that tests may ask for, and the package of Debian and Ubuntu that brings each. */
const PACKAGES = {
  libtorrent: "python3-libtorrent",
  lmdb: "python3-lmdb",
  mdb_load: "lmdb-utils",
  mdb_stat: "lmdb-utils",
  "7zz": "7zip",
  zstd: "zstd",
  tar: "tar",
  "qbittorrent-nox": "qbittorrent-nox",
  "systemd-analyze": "systemd",
  promtool: "prometheus",
  seccomp: "python3-seccomp",
  openssl: "openssl",
  busybox: "busybox",
  bash: "bash",
  dash: "dash",
  ip: "iproute2",
  miniupnpd: "miniupnpd",
  nft: "nftables",
  opentracker: "opentracker",
  shellcheck: "shellcheck",
  wget: "wget",
} as const;
export type Program = keyof typeof PACKAGES;

const found = new Map<Program, boolean>();

/**
 * For `Deno.test({ ignore: need("libtorrent", "7zz"), … })`: true when a program is missing, after one line that
 * says which. With NANO_SNAP_NO_SKIP=1 it is never true, so that the test runs and fails.
 */
export function need(...programs: Program[]): boolean {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length === 0) return false;
  const packages = [...new Set(missing.map((program) => PACKAGES[program]))].join(" ");
  const what = NO_SKIP ? "will fail, NANO_SNAP_NO_SKIP=1" : "skipped";
  say(`interop: a test is ${what}: ${missing.join(", ")} missing (apt-get install ${packages})`);
  return !NO_SKIP;
}

function isInstalled(program: Program): boolean {
  let known = found.get(program);
  if (known === undefined) {
    known = isModule(program) ? pythonHas(program) : onPath(program);
    found.set(program, known);
  }
  return known;
}

function onPath(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(delimiter).some((folder) => {
    try {
      return Deno.statSync(join(folder, program)).isFile;
    } catch {
      return false;
    }
  });
}

/** Those that are Python's and have no program of their own. */
function isModule(program: Program): program is "libtorrent" | "lmdb" | "seccomp" {
  return program === "libtorrent" || program === "lmdb" || program === "seccomp";
}

function pythonHas(module: string): boolean {
  try {
    return new Deno.Command(PYTHON, { args: ["-c", `import ${module}`] }).outputSync().success;
  } catch {
    return false;
  }
}

/** One line for whoever watches the tests run. */
export function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(line + "\n"));
}

export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** A path inside it. */
  join(...parts: string[]): string;
}

/** A fresh folder that goes when the `await using` scope ends. */
export async function tempDir(): Promise<TempDir> {
  const path = await Deno.makeTempDir({ prefix: "nano-snap-test-" });
  return {
    path,
    join: (...parts) => join(path, ...parts),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** The file's SHA-256 in hex, read in 1 MiB steps. */
export function sha256OfFile(path: string): string {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(1 << 20);
  const fd = openSync(path, "r");
  try {
    for (let n = readSync(fd, buffer); n > 0; n = readSync(fd, buffer)) hash.update(buffer.subarray(0, n));
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}

/** A loopback port that was free a moment ago, for programs that cannot be given port 0. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
