// Where `nano-snap swarm` is tried: a libtorrent DHT, snapshots of letters that libtorrent seeds, a pointer that moves on,
// and the real program as a mirror. Equal letters are equal pieces, so that a test says what two snapshots share.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { parseHex, toHex } from "../../lib/bytes.ts";
import { pointerValue } from "../../lib/snapshot/pointer.ts";
import { signed } from "../snapshot/fakes.ts";
import { nanoSnap } from "./stage.ts";
import { type RunningProgram, sha256OfFile, type TempDir, tempDir } from "./support.ts";
import {
  LibtorrentSwarm,
  type MadeTorrent,
  type SessionOptions,
  type SwarmSession,
  TEST_KEY,
} from "./swarm.ts";

export const ARCHIVE = "nano-ledger-snapshot.7z";
export const PIECE = 65536;

/** A snapshot that somebody made, seeds and published. */
export interface Generation {
  readonly torrent: MadeTorrent;
  /** v2, hex. */
  readonly hash: string;
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly seed: SwarmSession;
  /** undefined when no pointer was put. */
  readonly seq: number | undefined;
}

export class SwarmStage implements AsyncDisposable {
  #generations = 0;
  #seq = 0;

  private constructor(readonly swarm: LibtorrentSwarm, readonly temp: TempDir) {}

  static async open(dhtNodes = 8): Promise<SwarmStage> {
    return new SwarmStage(await LibtorrentSwarm.start({ dhtNodes }), await tempDir());
  }

  get dataDir(): string {
    return this.temp.join("data");
  }

  /**
   * Makes a snapshot of these letters, a piece each, and has it seeded.
   *
   * @param options.pointer Put into the DHT, by default. `announce`: its seed is named there, by default.
   */
  async publish(
    letters: string | readonly string[],
    options: Pick<SessionOptions, "upLimit"> & {
      readonly pointer?: boolean;
      readonly announce?: boolean;
      readonly name?: string;
    } = {},
  ): Promise<Generation> {
    const { name = ARCHIVE, ...more } = options;
    return await this.publishFile(name, (path) => Deno.writeFile(path, contentOf(letters)), more);
  }

  /** The same of a file that is written there. */
  async publishFile(
    name: string,
    write: (path: string) => Promise<unknown>,
    options: Pick<SessionOptions, "upLimit"> & {
      readonly pointer?: boolean;
      readonly announce?: boolean;
      readonly pieceSize?: number;
    } = {},
  ): Promise<Generation> {
    const { pointer = true, announce: dht = true, pieceSize = PIECE, ...session } = options;
    const dir = this.temp.join(`generation-${++this.#generations}`);
    await Deno.mkdir(dir);
    const path = join(dir, name);
    await write(path);
    const torrent = await this.swarm.createTorrent({
      path,
      torrent: join(dir, "snapshot.torrent"),
      pieceSize,
      xSnapshot: { original_filename: `Nano_64_${this.#generations}.7z` },
    });
    const seed = await this.swarm.addSeed({ dir, torrent: torrent.torrent, dht, ...session });
    const hash = torrent.v2!;
    const seq = pointer ? await this.point(hash) : undefined;
    return { torrent, hash, path, sha256: sha256OfFile(path), size: torrent.size, seed, seq };
  }

  /**
   * Signs a pointer to that snapshot and puts it into every node: libtorrent's own put looks around first, for long where
   * nodes have gone.
   *
   * @returns Its seq.
   */
  async point(hash: string): Promise<number> {
    const item = signed(++this.#seq, pointerValue(parseHex(hash)!));
    const [sig, v] = [toHex(item.signature), toHex(item.value)];
    await this.swarm.dhtPutRaw({ k: TEST_KEY, sig, seq: item.seq, v });
    return item.seq;
  }

  /** Starts a mirror that looks every second. */
  mirror(
    more: readonly string[] = [],
    env: Record<string, string> = {},
    bootstrap: string = this.swarm.bootstrap(),
  ): Mirror {
    const where = ["--data-dir", this.dataDir, "--bind", "127.0.0.1", "--port", "0", "--no-trackers"];
    const how = ["--poll-interval", "1", "--no-metrics", "--log-level", "debug", "--json"];
    const whose = ["--dht-bootstrap", bootstrap, "--authority", TEST_KEY];
    return new Mirror(nanoSnap(["swarm", ...where, ...how, ...whose, ...more], 180_000, env), this.dataDir);
  }

  /** A folder for a leech. */
  target(): Promise<string> {
    return Deno.makeTempDir({ dir: this.temp.path });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.swarm[Symbol.asyncDispose]();
    await this.temp[Symbol.asyncDispose]();
  }
}

export class Mirror implements AsyncDisposable {
  constructor(readonly program: RunningProgram, readonly dataDir: string) {}

  /** Where it listens. */
  async port(): Promise<number> {
    const { text } = await this.program.stderrLine(/Listening on port \d+/);
    return Number(/port (\d+)/.exec(text)![1]);
  }

  /** Resolves when it has said that this snapshot is in its place. */
  async switched(to: Generation, deadlineMs = 60_000): Promise<void> {
    await this.program.stderrLine(new RegExp(`now seeding info_hash=${to.hash}`), deadlineMs);
  }

  /** The lines that match. */
  said(pattern: RegExp): string[] {
    return this.program.stderrLines.map(({ text }) => text).filter((text) => pattern.test(text));
  }

  /** Resolves when it has said that it seeds this one, from before or just now. */
  async seeding(what: Generation, deadlineMs = 60_000): Promise<void> {
    await this.program.stderrLine(
      new RegExp(`(now seeding info_hash=|Seeding /.*, )${what.hash}`),
      deadlineMs,
    );
  }

  /** What upstream's state files and the disk say when this one is current. */
  async mustHold(current: Generation): Promise<void> {
    assert.equal(sha256OfFile(join(this.dataDir, ARCHIVE)), current.sha256);
    const state = await jsonWhere(
      join(this.dataDir, "mirror_state.json"),
      (json) => json["phase"] === "seeding",
    );
    assert.deepEqual(
      [state["last_info_hash"], state["current_torrent_name"], state["last_error"]],
      [current.hash, ARCHIVE, ""],
    );
    const meta = await jsonWhere(join(this.dataDir, "snapshot-meta.json"), () => true);
    assert.deepEqual(
      [meta["torrent_info_hash"], meta["dht_verified"], meta["producer_signing_pubkey"]],
      [current.hash, true, TEST_KEY],
    );
  }

  /** Stops it as a service manager does, which waits ten seconds. */
  async stop(): Promise<void> {
    const atMs = performance.now();
    this.program.kill("SIGTERM");
    const { code, stderr } = await this.program.finished();
    assert.equal(code, 143, stderr);
    assert.ok(performance.now() - atMs < 10_000, "it ends within ten seconds");
  }

  /** Stops it as a power switch does. */
  async kill(): Promise<void> {
    this.program.kill("SIGKILL");
    await this.program.finished();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
  }
}

/** Pieces of noise, one for each letter (or word). */
export function contentOf(letters: string | readonly string[]): Uint8Array {
  const bytes = new Uint8Array(letters.length * PIECE);
  for (const [i, letter] of [...letters].entries()) {
    let state = createHash("sha256").update(letter).digest().readUInt32LE(0) | 1;
    const piece = new Uint32Array(bytes.buffer, i * PIECE, PIECE / 4);
    for (let at = 0; at < piece.length; at++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      piece[at] = state;
    }
  }
  return bytes;
}

/** Bytes that a folder takes on disk, links counted once. */
export async function diskBytes(folder: string, seen = new Set<number>()): Promise<number> {
  let sum = 0;
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) sum += await diskBytes(path, seen);
    else {
      const { blocks, ino } = await Deno.lstat(path);
      if (seen.has(ino ?? 0)) continue;
      seen.add(ino ?? 0);
      sum += (blocks ?? 0) * 512;
    }
  }
  return sum;
}

/** Reads a JSON file again and again until it is as wanted. */
export async function jsonWhere(
  path: string,
  holds: (json: Record<string, unknown>) => boolean,
): Promise<Record<string, unknown>> {
  for (let left = 300;; left--) {
    const json = JSON.parse(await Deno.readTextFile(path).catch(() => "{}"));
    if (holds(json)) return json;
    assert.ok(left > 0, `${path}: ${JSON.stringify(json)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Waits until the mirror has so many files open that have no name any more: their space is not free yet. */
export async function openDeleted(mirror: Mirror, wanted: number): Promise<void> {
  const folder = `/proc/${mirror.program.pid}/fd`;
  for (let left = 400;; left--) {
    const names = [...Deno.readDirSync(folder)].map(({ name }) => {
      try {
        return Deno.readLinkSync(join(folder, name));
      } catch {
        return "";
      }
    }).filter((name) => name.endsWith(`${ARCHIVE} (deleted)`));
    if (names.length === wanted) return;
    assert.ok(left > 0, names.join(", "));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
