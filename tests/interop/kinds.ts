// For tests of every kind of torrent: content with the sizes at which torrents go wrong, `get` run inside the test's own
// process (so that hundreds of small ones are cheap), and a look at what came of it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { RunEvent } from "../../lib/events.ts";
import { SystemMachine } from "../../lib/io/machine.ts";
import { get } from "../../lib/mirror/get.ts";
import type { GetOptions, GetResult } from "../../lib/mirror/options.ts";

const BLOCK = 16_384;

/** Relative path -> bytes of a file. */
export type Tree = Readonly<Record<string, number>>;

/** A folder in which files begin and end at, before and after the edges of blocks and pieces; some are empty. */
export function awkwardTree(pieceSize: number): Tree {
  return {
    "a/b/exactly a piece": pieceSize,
    "a/b/one over": pieceSize + 1,
    "a/block": BLOCK,
    "a/block less one": BLOCK - 1,
    "a/empty": 0,
    "deep/er/and/er/tiny": 100,
    "two pieces less one": 2 * pieceSize - 1,
    "zero": 0,
    "zzz": pieceSize / 2 + 1,
  };
}

/** Writes files of pseudo-random bytes that depend on their path only. */
export async function writeTree(folder: string, tree: Tree): Promise<void> {
  for (const [path, size] of Object.entries(tree)) await writeNoise(join(folder, path), size);
}

/** The same path ending gives the same bytes, so that a test that fails fails again. */
export async function writeNoise(path: string, size: number): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const bytes = new Uint8Array(size);
  let state = createHash("sha256").update(path.split("/").at(-1) ?? "").digest().readUInt32LE(0) | 1;
  for (let i = 0; i < size; i++) {
    // xorshift32: no two blocks alike, so that none can stand in for another.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  await Deno.writeFile(path, bytes);
}

/** Every file below a path (or the file itself, under ""), with size and SHA-256. */
export async function fingerprint(path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = async (at: string, name: string): Promise<void> => {
    if ((await Deno.stat(at)).isDirectory) {
      for await (const entry of Deno.readDir(at)) await visit(join(at, entry.name), join(name, entry.name));
      return;
    }
    const bytes = await Deno.readFile(at);
    found[name] = `${bytes.length} ${createHash("sha256").update(bytes).digest("hex")}`;
  };
  await visit(path, "");
  return found;
}

export interface Got extends AsyncDisposable {
  readonly result: Promise<GetResult>;
  /** Resolves once the run has entered the phase. */
  phase(name: string): Promise<void>;
  /** Resolves once the run has said something that matches. */
  note(pattern: RegExp): Promise<void>;
}

/** Starts `get` on loopback: no DHT, no trackers, a free port, no `--extract`. Disposing of it stops it. */
export function startGet(options: Partial<GetOptions> & Pick<GetOptions, "dataDir" | "source">): Got {
  const stop = new AbortController();
  const events: RunEvent[] = [];
  const waiters: { wanted: (event: RunEvent) => boolean; found: () => void }[] = [];
  const report = (event: RunEvent) => {
    events.push(event);
    for (const { wanted, found } of waiters) if (wanted(event)) found();
  };
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(DEADLINE_MS)]);
  const result = get({ ...DEFAULTS, ...options }, new SystemMachine("nano-snap test"), report, signal);
  result.catch(() => {}); // reported where it is awaited
  const event = (what: string, wanted: (event: RunEvent) => boolean) => {
    const seen = new Promise<void>((found) => waiters.push({ wanted, found }));
    const ended = result.then(() => assert.fail(`ended before ${what}`));
    return events.some(wanted) ? Promise.resolve() : Promise.race([seen, ended]);
  };
  return {
    result,
    phase: (name) => event(`phase ${name}`, (event) => event.kind === "phase" && event.phase === name),
    note: (pattern) => event(`${pattern}`, (event) => event.kind === "note" && pattern.test(event.text)),
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("the test is over"));
      await result.catch(() => {});
    },
  };
}

const DEADLINE_MS = 30_000;

const DEFAULTS: GetOptions = {
  authorityKey: new Uint8Array(32),
  salt: new Uint8Array(0),
  dataDir: "",
  port: 0,
  bind: ["127.0.0.1"],
  dht: { enabled: false, bootstrap: undefined },
  peers: [],
  trackers: [],
  useTrackers: false,
  source: undefined,
  extract: false,
  keepArchive: false,
  force: false,
  discoverTimeoutMs: 20_000,
  stallTimeoutMs: 20_000,
  maxPeers: 50,
  downLimit: undefined,
  upLimit: undefined,
};
