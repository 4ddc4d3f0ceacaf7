// The typed face of py/swarm.py: a libtorrent DHT with its seeds and leeches on loopback, in one child process.
// Whatever a test starts through it dies with it.

import { PythonPeer } from "./support.ts";

/** The project's test pair (seed 00 01 … 1f), for which the swarm signs unless told otherwise. Never a real key. */
export const TEST_KEY = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";

export interface TorrentRecipe {
  /** The file, or the folder. */
  readonly path: string;
  /** Where the .torrent goes. */
  readonly torrent: string;
  readonly kind?: "hybrid" | "v1" | "v2";
  /** Bytes; a power of two; 32 MiB when not given. */
  readonly pieceSize?: number;
  readonly trackers?: readonly string[];
  readonly webSeeds?: readonly string[];
  /** Put into the info dict as compact JSON, as upstream does. */
  readonly xSnapshot?: Record<string, unknown>;
  /** The name inside the torrent, when it is not the file's own. */
  readonly name?: string;
  /** Where pad files go; libtorrent's default for the kind when not given (v1: nowhere, hybrid: with tail). */
  readonly padding?: "tail" | "no tail";
}

export interface MadeTorrent {
  /** Path of the .torrent. */
  readonly torrent: string;
  readonly v1: string | null;
  readonly v2: string | null;
  /** With all hashes, name and trackers. */
  readonly magnet: string;
  /** With the v2 hash and nothing else. */
  readonly magnet_v2: string | null;
  /** Bytes of all files, without padding. */
  readonly size: number;
  readonly pieces: number;
  readonly name: string;
}

export interface SessionOptions {
  readonly dht?: boolean;
  /** Bytes per second. */
  readonly upLimit?: number;
  readonly downLimit?: number;
  readonly utp?: boolean;
  readonly encryption?: boolean;
  /** "127.0.0.1:0" when not given. */
  readonly listen?: string;
  /** The file's name in the folder, when it is not the torrent's. */
  readonly name?: string;
  /** More settings_pack entries. */
  readonly settings?: Record<string, unknown>;
  /** Keeps what `handshakes` gives. */
  readonly logPeers?: boolean;
}

export interface SwarmSession {
  readonly session: number;
  readonly port: number;
}

export interface SwarmPeer {
  readonly host: string;
  readonly port: number;
  readonly client: string;
  /** Payload bytes. */
  readonly uploaded: number;
  readonly downloaded: number;
  /** The libtorrent session dialed. */
  readonly outgoing: boolean;
}

export interface SwarmStatus {
  /** Payload bytes since the session began, closed connections included. */
  readonly uploaded: number;
  readonly downloaded: number;
  readonly state: string;
  readonly progress: number;
  readonly peers: readonly SwarmPeer[];
}

export interface SwarmItem {
  /** 0 when nothing was found, and then the rest is absent. */
  readonly seq: number;
  /** Bencoded, hex. */
  readonly v?: string;
  readonly signature?: string;
}

export class LibtorrentSwarm implements AsyncDisposable {
  private constructor(readonly peer: PythonPeer, readonly dhtPorts: number[]) {}

  /** Starts the process and a DHT of that many nodes (0: none) that know one another. */
  static async start(options: { dhtNodes?: number } = {}): Promise<LibtorrentSwarm> {
    const peer = await PythonPeer.start("swarm.py");
    const swarm = new LibtorrentSwarm(peer, []);
    try {
      if ((options.dhtNodes ?? 0) > 0) await swarm.addDhtNodes(options.dhtNodes ?? 0);
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
    return swarm;
  }

  /** For `--dht-bootstrap`: the first nodes, as HOST:PORT list. */
  bootstrap(count = 3): string {
    return this.dhtPorts.slice(0, count).map((port) => `127.0.0.1:${port}`).join(",");
  }

  async addDhtNodes(count: number): Promise<void> {
    const { ports } = await this.peer.call<{ ports: number[] }>("dht_nodes", { count });
    this.dhtPorts.push(...ports);
  }

  /** Node `index` dies without a word. */
  async stopDhtNode(index: number): Promise<void> {
    await this.peer.call("dht_stop", { index });
  }

  /** libtorrent's own put of a byte string (hex): looks the seq up, signs with seq + 1. */
  async dhtPut(
    value: string,
    options: { seed?: string; publicKey?: string; salt?: string; node?: number } = {},
  ): Promise<{ stored: number; seq: number }> {
    const { publicKey, ...rest } = options;
    return await this.peer.call("dht_put", {
      value,
      ...rest,
      ...(publicKey === undefined ? {} : { public_key: publicKey }),
    });
  }

  /** What a libtorrent node finds. */
  async dhtGet(options: { publicKey?: string; salt?: string; node?: number } = {}): Promise<SwarmItem> {
    const { publicKey, ...rest } = options;
    const key = publicKey === undefined ? {} : { public_key: publicKey };
    return await this.peer.call("dht_get", { ...rest, ...key });
  }

  /** Puts an item that was signed elsewhere into every node (or those of `nodes`); `v` is bencoded; all in hex. */
  async dhtPutRaw(
    item: { k: string; sig: string; seq: number; v: string; salt?: string; nodes?: number[] },
  ): Promise<{ stored: number; refusals: [number, string][] }> {
    return await this.peer.call("dht_put_raw", item);
  }

  async createTorrent(recipe: TorrentRecipe): Promise<MadeTorrent> {
    const { pieceSize, webSeeds, xSnapshot, ...rest } = recipe;
    return await this.peer.call("create_torrent", {
      ...rest,
      ...(pieceSize === undefined ? {} : { piece_size: pieceSize }),
      ...(webSeeds === undefined ? {} : { web_seeds: webSeeds }),
      ...(xSnapshot === undefined ? {} : { x_snapshot: xSnapshot }),
    });
  }

  /**
   * Seeds from `dir`; resolves once it seeds and, with `dht`, once a DHT node names it under each hash of the torrent.
   * `seedMode`: no check first, and no leaf hashes until a piece was read.
   */
  async addSeed(
    options: SessionOptions & { dir: string; torrent: string; seedMode?: boolean },
  ): Promise<SwarmSession> {
    const { seedMode, ...rest } = options;
    return await this.peer.call("add_seed", { ...inPython(rest), seed_mode: seedMode ?? false });
  }

  /** Downloads into `dir`; see `done`. */
  async addLeech(
    options: SessionOptions & { dir: string; torrent?: string; magnet?: string },
  ): Promise<SwarmSession> {
    return await this.peer.call("add_leech", inPython(options));
  }

  /** Resolves when the session has everything. */
  async done(of: SwarmSession, deadlineMs = 60_000): Promise<void> {
    await this.peer.call("wait_done", { session: of.session }, deadlineMs);
  }

  /** Resolves once the session has sent that much payload. */
  async uploaded(of: SwarmSession, bytes: number, deadlineMs = 60_000): Promise<void> {
    await this.peer.call("wait_uploaded", { session: of.session, bytes }, deadlineMs);
  }

  /** Resolves once the session has received that much payload. */
  async downloaded(of: SwarmSession, bytes: number, deadlineMs = 60_000): Promise<void> {
    await this.peer.call("wait_downloaded", { session: of.session, bytes }, deadlineMs);
  }

  /** Dials 127.0.0.1, or `host`. `asV2`: with the v2 hash, otherwise with v1 where the torrent has one. */
  async connect(
    from: SwarmSession,
    port: number,
    options: { host?: string; asV2?: boolean } = {},
  ): Promise<void> {
    const { host = "127.0.0.1", asV2 = false } = options;
    await this.peer.call("connect", { session: from.session, port, host, flags: asV2 ? 0x80 : 0 });
  }

  /** Lines of its peer log on handshakes and hashes, such as `==> HANDSHAKE [ ih: …`; needs `logPeers`. */
  async handshakes(of: SwarmSession): Promise<string[]> {
    const { lines } = await this.peer.call<{ lines: string[] }>("handshakes", { session: of.session });
    return lines;
  }

  async status(of: SwarmSession): Promise<SwarmStatus> {
    return await this.peer.call("status", { session: of.session });
  }

  /** Bytes per second; 0 is none. */
  async limits(of: SwarmSession, limits: { upLimit?: number; downLimit?: number }): Promise<void> {
    await this.peer.call("set_limits", { session: of.session, ...inPython(limits) });
  }

  async pause(of: SwarmSession): Promise<void> {
    await this.peer.call("pause", { session: of.session });
  }

  async resume(of: SwarmSession): Promise<void> {
    await this.peer.call("resume", { session: of.session });
  }

  async close(of: SwarmSession): Promise<void> {
    await this.peer.call("close", { session: of.session });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]();
  }
}

function inPython(options: object): Record<string, unknown> {
  const names: Record<string, string> = {
    upLimit: "up_limit",
    downLimit: "down_limit",
    logPeers: "log_peers",
  };
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [names[name] ?? name, value]));
}
