// `nano-snap get` among liars (liars.ts): every one tells its lie on an address of its own, one honest libtorrent seed
// has the data. The file that comes is the right one, in bounded time and memory; whoever can be convicted is named in
// the log with what it did; whoever only starves us does not hold the end. Without an honest peer it ends 8.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createCipheriv } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { join } from "node:path";
import { Liar, type LieName, LIES, type Truth, truthOf } from "./liars.ts";
import { nanoSnap } from "./stage.ts";
import {
  freePort,
  need,
  type RunningProgram,
  sha256OfFile,
  type TempDir,
  tempDir,
  within,
} from "./support.ts";
import { LibtorrentSwarm, type MadeTorrent, type SwarmSession } from "./swarm.ts";

/** Two hash requests' worth of pieces, several blocks in each, and a short one at the end. */
const SIZE = 37_000_123;
const PIECE_SIZE = 65_536;
/** The honest seed alone needs twelve seconds: time for every liar to be believed. */
const HONEST_RATE = 3 << 20;
const MAX_RSS_KIB = 250 * 1024;
const ALL = Object.keys(LIES) as LieName[];

const ignore = need("libtorrent");

Deno.test({
  name: "get --torrent among liars finishes with the right file and names every fault",
  ignore,
  async fn() {
    await using stage = await LiarStage.open(ALL);
    const seed = await stage.honest();
    await using run = stage.get(["--torrent", stage.made.torrent], `127.0.0.1:${seed.port}`);
    await using peak = new PeakMemory(run.pid);
    // What metadata and hashes are asked for is known here already: those liars have nothing to lie about.
    const mute = /metadata|hash requests/;
    await stage.convicted(run, ALL.filter((name) => !mute.test(name)));
    await stage.finished(run);
    assert.ok(peak.kib < MAX_RSS_KIB, `${peak.kib} KiB`);
    // It is gone before its block is found out, and not let in again.
    const hangsUp = LIES["spoils a block and hangs up, again and again"].host;
    const visit = new RegExp(`127\\.0\\.1\\.${hangsUp}:\\d+ closed by the peer`);
    assert.equal(run.stderrLines.filter(({ text }) => visit.test(text)).length, 1);
  },
});

Deno.test({
  name: "get --magnet among liars about metadata and hashes believes the honest one that dials in late",
  ignore,
  async fn() {
    const aboutMetadata = ALL.filter((name) => /metadata|garbage|frame|bitfield/.test(name));
    const aboutHashes = ALL.filter((name) => name.includes("hash requests"));
    const starving = ["claims everything and sends nothing"] as const;
    await using stage = await LiarStage.open([...aboutHashes, ...aboutMetadata, ...starving]);
    const port = freePort();
    await using run = stage.get(["--magnet", stage.made.magnet, "--port", `${port}`]);
    await using peak = new PeakMemory(run.pid);
    await stage.convicted(run, aboutMetadata);
    // Hashes are asked for once the metadata is here: of those first who came first.
    const seed = await stage.honest();
    await stage.swarm.connect(seed, port);
    await stage.convicted(run, aboutHashes);
    await stage.finished(run);
    assert.ok(peak.kib < MAX_RSS_KIB, `${peak.kib} KiB`);
  },
});

Deno.test({
  name: "get --torrent of a v1 torrent among liars finishes with the right file",
  ignore,
  async fn() {
    const aboutBlocks = ALL.filter((name) => /block|piece/.test(name) && !/hash|metadata/.test(name));
    await using stage = await LiarStage.open(aboutBlocks, { kind: "v1" });
    const seed = await stage.honest();
    await using run = stage.get(["--torrent", stage.made.torrent], `127.0.0.1:${seed.port}`);
    await stage.convicted(run, aboutBlocks);
    await stage.finished(run);
  },
});

Deno.test({
  name: "get --torrent finds the liars and the honest one in the DHT",
  ignore,
  async fn() {
    const garbage = ALL.filter((name) => /garbage|frame|bitfield/.test(name));
    const names = ["flips a bit in every block", "claims everything and sends nothing", ...garbage] as const;
    await using stage = await LiarStage.open(names, { dhtNodes: 8 });
    for (const liar of stage.liars) await announce(liar, stage.made, stage.swarm.dhtPorts);
    await stage.honest({ dht: true });
    await using run = stage.get(["--torrent", stage.made.torrent]);
    await stage.convicted(run, names);
    await stage.finished(run);
  },
});

for (const by of ["--torrent", "--magnet"] as const) {
  Deno.test({
    name: `get ${by} ends 8 when there are only liars, and leaves nothing under a final name`,
    ignore,
    async fn() {
      await using stage = await LiarStage.open(ALL);
      const source = by === "--torrent" ? stage.made.torrent : stage.made.magnet_v2 ?? "";
      await using run = stage.get([by, source, "--stall-timeout", "5"]);
      await using peak = new PeakMemory(run.pid);
      const result = await run.finished();
      assert.equal(result.code, 8, result.stderr);
      const sentence = result.stderr.split("\n").filter((line) => line.startsWith("nano-snap: ")).join("\n");
      assert.match(sentence, /^nano-snap: Cannot fetch .*: no data for \d+ s, .*[^.]$/);
      const left = [...Deno.readDirSync(stage.dataDir)].map((entry) => entry.name).sort();
      assert.deepEqual(left, [".nano-snap", "mirror_state.json"]);
      assert.ok(peak.kib < MAX_RSS_KIB, `${peak.kib} KiB`);
    },
  });
}

/** A published file, its liars, and a libtorrent swarm for the honest ones. */
class LiarStage implements AsyncDisposable {
  private constructor(
    readonly temp: TempDir,
    readonly swarm: LibtorrentSwarm,
    readonly made: MadeTorrent,
    readonly truth: Truth,
    readonly liars: readonly Liar[],
  ) {}

  static async open(
    names: readonly LieName[],
    options: { kind?: "hybrid" | "v1"; dhtNodes?: number } = {},
  ): Promise<LiarStage> {
    const [temp, swarm] = await Promise.all([tempDir(), LibtorrentSwarm.start(options)]);
    const path = temp.join("seed", "nano-ledger-snapshot.7z");
    Deno.mkdirSync(temp.join("seed"));
    Deno.writeFileSync(path, noise(SIZE));
    const made = await swarm.createTorrent({
      path,
      torrent: temp.join("snapshot.torrent"),
      pieceSize: PIECE_SIZE,
      kind: options.kind ?? "hybrid",
      // Three pieces of metadata.
      xSnapshot: { filler: "x".repeat(30_000) },
    });
    const truth = await truthOf(made.torrent, path);
    const liars = names.map((name) => new Liar(LIES[name], truth));
    return new LiarStage(temp, swarm, made, truth, liars);
  }

  get dataDir(): string {
    return this.temp.join("data");
  }

  honest(options: { dht?: boolean } = {}): Promise<SwarmSession> {
    return this.swarm.addSeed({
      ...options,
      dir: this.temp.join("seed"),
      torrent: this.made.torrent,
      upLimit: HONEST_RATE,
    });
  }

  /** `get` with every liar as a peer, and then these; or, where there is a DHT, with nobody but whom it names. */
  get(more: readonly string[], ...honest: readonly string[]): RunningProgram {
    const hasDht = this.swarm.dhtPorts.length > 0;
    const peers = hasDht ? [] : [...this.liars.map((liar) => liar.address), ...honest];
    const dht = hasDht ? ["--dht-bootstrap", this.swarm.bootstrap()] : ["--no-dht"];
    const args = ["get", "--json", ...dht, "--data-dir", this.dataDir, "--bind", "127.0.0.1"];
    const port = more.includes("--port") ? [] : ["--port", "0"];
    const log = ["--log-level", "DEBUG"];
    return nanoSnap(
      [...args, ...port, ...log, ...peers.flatMap((peer) => ["--peer", peer]), ...more],
      60_000,
    );
  }

  /** Waits until the log has named each one's fault, where it has one that can be proven. */
  async convicted(run: RunningProgram, names: readonly LieName[]): Promise<void> {
    const faults = names.map((name) => LIES[name]).flatMap((lie) => "fault" in lie ? [lie.fault] : []);
    assert.ok(faults.length > 0);
    await Promise.all(faults.map((fault) => run.stderrLine(fault, 50_000)));
  }

  /** The end: 0, and the file as it was published. */
  async finished(run: RunningProgram): Promise<void> {
    const result = await run.finished();
    assert.equal(result.code, 0, result.stderr);
    const { path } = JSON.parse(result.stdout) as { path: string };
    assert.equal(path, join(this.dataDir, "nano-ledger-snapshot.7z"));
    assert.equal(sha256OfFile(path), sha256OfFile(this.temp.join("seed", "nano-ledger-snapshot.7z")));
    assert.doesNotMatch(result.stderr, /Banned 127\.0\.0\.1 /);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const liar of this.liars) await liar[Symbol.asyncDispose]();
    await this.swarm[Symbol.asyncDispose]();
    await this.temp[Symbol.asyncDispose]();
  }
}

/** The most memory that a process had, which the system remembers for it: the last look before its end counts. */
class PeakMemory implements AsyncDisposable {
  kib = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(pid: number) {
    this.#timer = setInterval(() => this.#look(pid), 50);
  }

  #look(pid: number): void {
    try {
      const status = Deno.readTextFileSync(`/proc/${pid}/status`);
      this.kib = Math.max(this.kib, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    return Promise.resolve();
  }
}

/** Puts the liar's address into every DHT node, from that address, as any peer does it (BEP 5). */
async function announce(liar: Liar, made: MadeTorrent, dhtPorts: readonly number[]): Promise<void> {
  const [host, port] = liar.address.split(":") as [string, string];
  const infoHash = Buffer.from((made.v2 ?? "").slice(0, 40), "hex").toString("latin1");
  const id = `Liar${host.padEnd(16, "-")}`;
  const socket = createSocket("udp4");
  const ask = async (query: string, more: string, to: number): Promise<string> => {
    const message = `d1:ad2:id20:${id}${more}e1:q${query.length}:${query}1:t2:aa1:y1:qe`;
    const answer = new Promise<string>((resolve) =>
      socket.on("message", (bytes, from) => {
        const text = bytes.toString("latin1");
        if (from.port === to && text.includes("1:y1:r")) resolve(text);
      })
    );
    socket.send(Buffer.from(message, "latin1"), to, "127.0.0.1");
    return await within(answer, 5000, `${query} from ${host} to DHT node ${to}`);
  };
  try {
    socket.bind(0, host);
    await once(socket, "listening");
    for (const node of dhtPorts) {
      const found = await ask("get_peers", `9:info_hash20:${infoHash}`, node);
      const [, length, rest] = /5:token(\d+):(.*)/s.exec(found) ?? [];
      const token = `5:token${length}:${rest?.slice(0, Number(length))}`;
      await ask("announce_peer", `9:info_hash20:${infoHash}4:porti${port}e${token}`, node);
      socket.removeAllListeners("message");
    }
  } finally {
    socket.close();
  }
}

/** Bytes that look random and are the same each time. */
function noise(length: number): Uint8Array {
  return createCipheriv("aes-256-ctr", new Uint8Array(32), new Uint8Array(16)).update(new Uint8Array(length));
}
