// Stopped and started again: by kill -9 at any moment, by Ctrl-C, by a disk that is full; with files that others left and
// a snapshot that changed in the middle. Everybody else is libtorrent, and its counter of what it sent is the measure:
// nothing whole is fetched twice. What is whole is not hashed twice either: "Checking" in the log would tell.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { seeded } from "../torrent/seeded.ts";
import { cannotMount, mountSmallDisk } from "./small_disk.ts";
import { mustGet, nanoSnap, needStage, Stage } from "./stage.ts";
import { need, type RunningProgram, say, sha256OfFile, type TempDir, tempDir } from "./support.ts";
import { LibtorrentSwarm, type MadeTorrent, type SwarmSession } from "./swarm.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const NAME = "nano-ledger-snapshot.7z";
const KILLS = 20;
/** What may be fetched twice: the pieces that a kill hits in their middle. */
const SLACK = 1.05;
/** And what the system holds of a process that is killed: the seed has sent it, and nobody ever read it. */
const IN_FLIGHT = 2 * MIB;
const CHECKING = /Checking .* that no record vouches for/;

/** A libtorrent seed of a random file, and a data directory beside it. */
class Playground implements AsyncDisposable {
  private constructor(readonly swarm: LibtorrentSwarm, readonly temp: TempDir) {}

  static async open(): Promise<Playground> {
    return new Playground(await LibtorrentSwarm.start(), await tempDir());
  }

  get dataDir(): string {
    return this.temp.join("data");
  }

  /** Seeds some bytes under the stream's name. */
  async seed(
    file: string,
    bytes: Uint8Array,
    options: { upLimit?: number; pieceSize?: number } = {},
  ): Promise<{ torrent: MadeTorrent; session: SwarmSession; bytes: Uint8Array }> {
    const path = this.temp.join(file);
    Deno.writeFileSync(path, bytes);
    const { pieceSize = 256 * KIB, ...limits } = options;
    const torrent = await this.swarm.createTorrent({
      path,
      torrent: `${path}.torrent`,
      name: NAME,
      pieceSize,
    });
    const session = await this.swarm.addSeed({
      dir: this.temp.path,
      torrent: torrent.torrent,
      name: file,
      seedMode: true,
      ...limits,
    });
    return { torrent, session, bytes };
  }

  get(seed: { torrent: MadeTorrent; session: SwarmSession }, more: readonly string[] = []): RunningProgram {
    const { dataDir } = this;
    const where = ["--data-dir", dataDir, "--bind", "127.0.0.1", "--port", "0", "--no-dht", "--no-trackers"];
    const what = ["--torrent", seed.torrent.torrent, "--peer", `127.0.0.1:${seed.session.port}`];
    return nanoSnap(["get", "--json", "--log-level", "DEBUG", ...where, ...what, ...more], 60_000);
  }

  /** Ends a run well: the file is there, byte for byte. @returns What the run wrote to stderr. */
  async mustEnd(run: RunningProgram, seed: { bytes: Uint8Array }): Promise<string> {
    const result = await run.finished();
    assert.equal(result.code, 0, result.stderr);
    const same = this.temp.join("same");
    Deno.writeFileSync(same, seed.bytes);
    assert.equal(sha256OfFile(join(this.dataDir, NAME)), sha256OfFile(same));
    return result.stderr;
  }

  async uploaded(seed: { session: SwarmSession }): Promise<number> {
    return (await this.swarm.status(seed.session)).uploaded;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.swarm[Symbol.asyncDispose]();
    await this.temp[Symbol.asyncDispose]();
  }
}

Deno.test({
  name: `get killed ${KILLS} times at random moments fetches and hashes nothing whole twice`,
  ignore: need("libtorrent"),
  async fn() {
    const seedNumber = randomBytes(4).readUInt32BE();
    say(`interop: the moments of the kills come from seed ${seedNumber}`);
    const random = seeded(seedNumber);
    await using play = await Playground.open();
    const seed = await play.seed("file", randomContent(256 * MIB), { upLimit: 8 * MIB });
    const logs: string[] = [];
    for (let i = 0; i < KILLS; i++) {
      await using run = play.get(seed);
      // Half of them while it starts, half while it downloads.
      if (i % 2 === 0) await run.stderrLine(/first verified block/);
      await afterMs(random() * 800);
      run.kill("SIGKILL");
      const result = await run.finished();
      assert.equal(result.signal, "SIGKILL", result.stderr);
      logs.push(result.stderr);
    }
    const before = await play.uploaded(seed);
    assert.ok(before > seed.bytes.length / 8, `only ${before} bytes moved before the last run`);
    await play.swarm.limits(seed.session, {});
    await using last = play.get(seed);
    logs.push(await play.mustEnd(last, seed));
    for (const log of logs) assert.doesNotMatch(log, CHECKING);
    assert.match(logs.at(-1)!, /Resumed: /);
    const sent = await play.uploaded(seed);
    say(
      `interop: ${
        (sent / seed.bytes.length).toFixed(4)
      } of the size was sent, ${before} bytes before the last run`,
    );
    assert.ok(sent <= seed.bytes.length * SLACK, `${sent} bytes for ${seed.bytes.length}`);
  },
});

Deno.test({
  name: "get ends within 5 s of Ctrl-C, says how to go on, and goes on; a file touched meanwhile is checked",
  ignore: need("libtorrent"),
  async fn() {
    await using play = await Playground.open();
    const seed = await play.seed("file", randomContent(24 * MIB), { upLimit: 4 * MIB });
    const interrupt = async (): Promise<string> => {
      await using run = play.get(seed);
      await run.stderrLine(/first verified block/);
      await afterMs(1000);
      const at = performance.now();
      run.kill("SIGINT");
      const result = await run.finished();
      const elapsedMs = performance.now() - at;
      assert.ok(elapsedMs < 5000, `${elapsedMs} ms`);
      assert.equal(result.code, 130, result.stderr);
      assert.match(result.stderr.split("\n").at(-1)!, /what is whole is kept, and the same command goes on/);
      return result.stderr;
    };
    assert.doesNotMatch(await interrupt(), CHECKING);
    const second = await interrupt();
    assert.doesNotMatch(second, CHECKING);
    assert.match(second, /Resumed: /);
    await Deno.utime(join(play.dataDir, ".nano-snap/incoming", seed.torrent.v2!, NAME), 1, 1);
    await play.swarm.limits(seed.session, {});
    await using last = play.get(seed);
    assert.match(await play.mustEnd(last, seed), CHECKING);
    const sent = await play.uploaded(seed);
    assert.ok(sent <= seed.bytes.length * SLACK + 2 * IN_FLIGHT, `${sent} bytes for ${seed.bytes.length}`);
  },
});

Deno.test({
  name: "get takes over what libtorrent left half done under the snapshot's name",
  ignore: need("libtorrent"),
  async fn() {
    await using play = await Playground.open();
    const seed = await play.seed("file", randomContent(32 * MIB), { upLimit: 16 * MIB });
    Deno.mkdirSync(play.dataDir);
    const leech = await play.swarm.addLeech({ dir: play.dataDir, torrent: seed.torrent.torrent });
    await play.swarm.connect(leech, seed.session.port);
    await play.swarm.uploaded(seed.session, 16 * MIB);
    await play.swarm.close(leech);
    const before = await play.uploaded(seed);
    assert.ok(before < 30 * MIB, `${before} bytes: it was done before it was stopped`);
    await using run = play.get(seed);
    assert.match(await play.mustEnd(run, seed), /Adopted /);
    const sent = await play.uploaded(seed);
    assert.ok(
      sent <= seed.bytes.length * 1.1,
      `${sent} bytes for ${seed.bytes.length}, ${before} to libtorrent`,
    );
  },
});

Deno.test({
  name: "get adopts a file with bad pieces and fetches those and no others",
  ignore: need("libtorrent"),
  async fn() {
    await using play = await Playground.open();
    const piece = 256 * KIB;
    const seed = await play.seed("file", randomContent(80 * MIB), { pieceSize: piece });
    const left = seed.bytes.slice(0, 70 * MIB + 1000);
    for (const n of [0, 7, 8, 200]) left[n * piece + 12345]! ^= 0x10;
    Deno.mkdirSync(play.dataDir);
    Deno.writeFileSync(join(play.dataDir, NAME), left);
    await using run = play.get(seed);
    const log = await play.mustEnd(run, seed);
    assert.match(log, CHECKING);
    assert.match(log, /Adopted /);
    assert.equal(await play.uploaded(seed), 4 * piece + 10 * MIB);
    assert.deepEqual([...Deno.readDirSync(join(play.dataDir, ".nano-snap/incoming"))], []);
    // Somebody spoils the archive that we finished: only --force looks closer than size and time, or those tell.
    const path = join(play.dataDir, NAME);
    const { mtime, atime } = Deno.statSync(path);
    const file = Deno.openSync(path, { write: true });
    file.seekSync(5 * piece, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(100));
    file.close();
    Deno.utimeSync(path, atime!, mtime!);
    await using forced = play.get(seed, ["--force"]);
    await play.mustEnd(forced, seed);
    assert.equal(await play.uploaded(seed), 5 * piece + 10 * MIB);
  },
});

Deno.test({
  name: "get keeps what a changed snapshot shares with the one that it had begun",
  ignore: need("libtorrent"),
  async fn() {
    await using play = await Playground.open();
    const [size, tail] = [32 * MIB, 4 * MIB];
    const old = await play.seed("old", randomContent(size), { upLimit: 8 * MIB });
    {
      await using run = play.get(old);
      await play.swarm.uploaded(old.session, size / 2);
      run.kill("SIGKILL");
      await run.finished();
    }
    const had = await play.uploaded(old);
    const bytes = old.bytes.slice();
    bytes.set(randomContent(tail), size - tail);
    const fresh = await play.seed("fresh", bytes);
    await using run = play.get(fresh);
    assert.match(await play.mustEnd(run, fresh), /Took .* the same is in the new snapshot/);
    const sent = await play.uploaded(fresh);
    assert.ok(sent <= (size - had + tail) * SLACK + IN_FLIGHT, `${sent} bytes sent, ${had} were here`);
    const own = join(play.dataDir, ".nano-snap");
    const left = ["incoming", "resume", "torrents"].map((folder) => namesIn(join(own, folder)));
    assert.deepEqual(left, [[], [], [`${fresh.torrent.v2}.torrent`]]);
  },
});

Deno.test({
  name: "get sets a torn journal aside, checks what is there and goes on",
  ignore: need("libtorrent"),
  async fn() {
    await using play = await Playground.open();
    const seed = await play.seed("file", randomContent(24 * MIB), { upLimit: 8 * MIB });
    {
      await using run = play.get(seed);
      await play.swarm.uploaded(seed.session, 12 * MIB);
      run.kill("SIGKILL");
      await run.finished();
    }
    const journal = join(play.dataDir, ".nano-snap/resume", seed.torrent.v2!);
    const bytes = Deno.readFileSync(journal);
    bytes[60]! ^= 0xff;
    Deno.writeFileSync(journal, bytes);
    await using run = play.get(seed);
    const log = await play.mustEnd(run, seed);
    assert.match(log, /Set .* aside as \.bad-1/);
    assert.match(log, CHECKING);
    const sent = await play.uploaded(seed);
    assert.ok(sent <= seed.bytes.length * SLACK + IN_FLIGHT, `${sent} bytes for ${seed.bytes.length}`);
  },
});

Deno.test({
  name: "get ends 5 when the disk is full in the middle, keeps what is whole, and goes on with room",
  ignore: need("libtorrent") || cannotMount(),
  async fn() {
    await using play = await Playground.open();
    const seed = await play.seed("file", randomContent(32 * MIB), { upLimit: 12 * MIB });
    Deno.mkdirSync(play.dataDir);
    await using _disk = await mountSmallDisk(play.dataDir, 48 * MIB);
    const ballast = join(play.dataDir, "ballast");
    {
      await using run = play.get(seed);
      await run.stderrLine(/first verified block/);
      Deno.writeFileSync(ballast, new Uint8Array(30 * MIB));
      const result = await run.finished();
      assert.equal(result.code, 5, result.stderr);
      assert.match(result.stderr.split("\n").at(-1)!, /no space left on the device/);
    }
    const before = await play.uploaded(seed);
    assert.ok(before > 8 * MIB, `${before} bytes`);
    {
      await using again = play.get(seed);
      const result = await again.finished();
      assert.equal(result.code, 5, result.stderr);
      assert.match(result.stderr.split("\n").at(-1)!, /more are needed in .* are free/);
    }
    Deno.removeSync(ballast);
    await using last = play.get(seed);
    assert.match(await play.mustEnd(last, seed), /Resumed: /);
    const sent = await play.uploaded(seed);
    assert.ok(sent <= seed.bytes.length * SLACK + 2 * IN_FLIGHT, `${sent} bytes for ${seed.bytes.length}`);
  },
});

Deno.test({
  name: "get --extract after a get without it unpacks the archive that is here, with nobody to ask",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: 25_000, pieceSize: MIB });
    {
      const args = ["get", "--json", ...stage.common()];
      await using first = nanoSnap(args, 60_000);
      assert.equal((await first.finished()).code, 0);
    }
    for (const seed of published.seeds) await stage.swarm.close(seed);
    await using second = stage.get();
    const answer = await mustGet(second, published, stage.dataDir);
    assert.deepEqual([answer.downloaded_bytes, answer.already_current], [0, false]);
    assert.deepEqual(namesIn(stage.dataDir).filter((name) => name.endsWith(".7z")), []);
  },
});

/** Not a Buffer, whose slices share their memory. */
function randomContent(length: number): Uint8Array {
  return Uint8Array.from(randomBytes(length));
}

/** A moment is what these tests are about: nothing else tells one from another. */
function afterMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}
