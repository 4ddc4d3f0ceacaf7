// Where `nano-snap get` is tried: a libtorrent DHT and libtorrent seeds on loopback that publish a ledger, and the real
// program as a child process with an environment of its own. Nothing reaches past 127.0.0.1.

import assert from "node:assert/strict";
import { join } from "node:path";
import { type ArchiveKind, type LedgerFixture, ledgerFixture } from "./ledger_fixture.ts";
import { need, type RunningProgram, sha256OfFile, startProgram, type TempDir, tempDir } from "./support.ts";
import { LibtorrentSwarm, type MadeTorrent, type SwarmSession, TEST_KEY } from "./swarm.ts";

const ROOT = join(import.meta.dirname ?? ".", "..", "..");

/** The variables that Deno itself needs; whatever else this machine has set must not change what a test shows. */
const KEPT_ENV = [
  "PATH",
  "HOME",
  "DENO_DIR",
  "TMPDIR",
  "XDG_CACHE_HOME",
  "NPM_CONFIG_REGISTRY",
  "LD_LIBRARY_PATH",
];

/** For `ignore`: what every test on this stage needs. */
export function needStage(...more: Parameters<typeof need>): boolean {
  return need("libtorrent", "mdb_load", ...more);
}

/** What `get --json` ends with. */
export interface GetAnswer {
  readonly path: string;
  readonly size: number;
  readonly seq: number | null;
  readonly info_hash: string | null;
  readonly info_hash_v1: string | null;
  readonly already_current: boolean;
  readonly downloaded_bytes: number;
  readonly ledger: Record<string, unknown> | null;
}

export interface Play {
  /** What is packed how; a .7z by default. */
  readonly archive?: ArchiveKind;
  /** Size of the ledger; `ledgerFixture`'s default when not given. */
  readonly blocks?: number;
  readonly kind?: "hybrid" | "v2";
  readonly pieceSize?: number;
  /** How many seeds, 1 by default, and the options of each. */
  readonly seeds?: number;
  readonly seedMode?: boolean;
  readonly upLimit?: number;
  /** Named by the torrent, in one tier. */
  readonly trackers?: readonly string[];
  /** Announce the seeds in the DHT, and put the pointer there; both by default. */
  readonly announce?: boolean;
  readonly pointer?: boolean;
}

/** A published snapshot. */
export interface Published {
  readonly ledger: LedgerFixture;
  /** Path of the archive that is seeded. */
  readonly archive: string;
  readonly torrent: MadeTorrent;
  readonly seeds: readonly SwarmSession[];
  /** undefined without a pointer. */
  readonly seq: number | undefined;
}

export class Stage implements AsyncDisposable {
  private constructor(readonly swarm: LibtorrentSwarm, readonly temp: TempDir) {}

  static async open(dhtNodes = 8): Promise<Stage> {
    return new Stage(await LibtorrentSwarm.start({ dhtNodes }), await tempDir());
  }

  /** A data directory that does not exist yet. */
  get dataDir(): string {
    return this.temp.join("data");
  }

  /** Packs a ledger, makes its torrent, seeds it and signs a pointer to it. */
  async publish(play: Play = {}): Promise<Published> {
    const ledger = await ledgerFixture(play.blocks);
    const archive = await ledger.archive(play.archive ?? "7z");
    const torrent = await this.swarm.createTorrent({
      path: archive,
      torrent: this.temp.join("snapshot.torrent"),
      kind: play.kind ?? "hybrid",
      pieceSize: play.pieceSize ?? 32 << 20,
      trackers: play.trackers ?? [],
      xSnapshot: { original_filename: "Nano_64_2026.7z" },
    });
    const options = {
      dir: join(archive, ".."),
      torrent: torrent.torrent,
      dht: play.announce ?? true,
      seedMode: play.seedMode ?? false,
      ...(play.upLimit === undefined ? {} : { upLimit: play.upLimit }),
    };
    const count = play.seeds ?? 1;
    const seeds = await Promise.all(Array.from({ length: count }, () => this.swarm.addSeed(options)));
    const hash = torrent.v2;
    assert.ok(hash !== null, "every snapshot has a v2 hash");
    const seq = play.pointer ?? true ? (await this.swarm.dhtPut(hash)).seq : undefined;
    return { ledger, archive, torrent, seeds, seq };
  }

  /** Payload bytes that the seeds have sent. */
  async uploaded(published: Published): Promise<number[]> {
    const all = await Promise.all(published.seeds.map((seed) => this.swarm.status(seed)));
    return all.map((status) => status.uploaded);
  }

  /** The options that keep a `get` on this stage: its DHT, no tracker, its key, a free port, its own folder. */
  common(options: { dht?: boolean; trackers?: boolean } = {}): string[] {
    const dht = options.dht ?? true ? ["--dht-bootstrap", this.swarm.bootstrap()] : ["--no-dht"];
    const trackers = options.trackers ?? false ? [] : ["--no-trackers"];
    const where = ["--data-dir", this.dataDir, "--bind", "127.0.0.1", "--port", "0"];
    return [...where, ...dht, ...trackers, "--authority", TEST_KEY];
  }

  /** Starts `nano-snap get --extract --json` here. Later options win over `common`'s. */
  get(
    more: readonly string[] = [],
    options: { dht?: boolean; trackers?: boolean; deadlineMs?: number } = {},
  ): RunningProgram {
    const args = ["get", "--extract", "--json", ...this.common(options), ...more];
    return nanoSnap(args, options.deadlineMs ?? 120_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.swarm[Symbol.asyncDispose]();
    await this.temp[Symbol.asyncDispose]();
  }
}

/** Starts the program from its source, as `deno task` users and the compiled binary do. `env`: more variables. */
export function nanoSnap(
  args: readonly string[],
  deadlineMs: number,
  env: Readonly<Record<string, string>> = {},
): RunningProgram {
  const kept = KEPT_ENV.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return startProgram(Deno.execPath(), ["run", "--quiet", "-A", "main.ts", ...args], {
    cwd: ROOT,
    clearEnv: true,
    // No test may ask this machine's router, or its neighbours, for anything.
    env: { ...Object.fromEntries(kept), PORT_MAPPING_ENABLED: "false", LSD_ENABLED: "false", ...env },
    deadlineMs,
  });
}

/** Runs `get` to its end and checks all that a good end promises. @returns What it answered. */
export async function mustGet(
  run: RunningProgram,
  published: Published,
  dataDir: string,
): Promise<GetAnswer> {
  const result = await run.finished();
  assert.equal(result.code, 0, result.stderr);
  const answer = JSON.parse(result.stdout.trimEnd().split("\n").at(-1) ?? "") as GetAnswer;
  assert.equal(answer.path, join(dataDir, "data.ldb"));
  assert.equal(answer.size, published.ledger.size);
  assert.equal(answer.seq, published.seq ?? null);
  assert.equal(answer.info_hash, published.torrent.v2);
  assert.equal(answer.info_hash_v1, published.torrent.v1);
  assert.equal(sha256OfFile(answer.path), published.ledger.sha256);
  return answer;
}
