// A whole client in the simulated internet: the real session and swarm over a fake net, its content in memory.

import type { Endpoint } from "../../lib/ports.ts";
import type { Download } from "../../lib/torrent/download.ts";
import { hashesOf } from "../../lib/torrent/handshake.ts";
import type { PeerCore } from "../../lib/torrent/peer_core.ts";
import { Session } from "../../lib/torrent/session.ts";
import { Swarm, type SwarmListener } from "../../lib/torrent/swarm.ts";
import { TokenBucket } from "../../lib/torrent/token_bucket.ts";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";
import { seeded } from "../torrent/seeded.ts";
import type { LineRates, SimHost, World } from "./world.ts";

export interface SimPeerOptions extends LineRates {
  /** Pieces that it has at the start; nothing when not given. */
  readonly here?: "all" | Iterable<number>;
  readonly maxPeers?: number;
  /** `--down-limit` and `--up-limit`, bytes per second. */
  readonly downLimit?: number;
  readonly upLimit?: number;
  /** It takes and never gives: it unchokes nobody. */
  readonly isMiser?: boolean;
  /** Its pieces do not stay: it tells of none. */
  readonly isPassing?: boolean;
  readonly seed: number;
  /** Its content, instead of one in memory with what is `here`. */
  readonly download?: Download;
}

const PORT = 6881;

export class SimPeer implements AsyncDisposable {
  readonly host: SimHost;
  readonly session: Session;
  readonly swarm: Swarm;
  readonly download: Download;
  /** What ended its connections. */
  readonly closed: string[] = [];
  readonly faults: string[] = [];
  /** Told of each piece. */
  onGoodPiece: (piece: number) => void = () => {};
  /** When it had everything; undefined until then. */
  completeMs: number | undefined;
  #world: World;

  constructor(world: World, torrent: FixtureTorrent, options: SimPeerOptions) {
    const { clock } = world;
    const {
      here = [],
      maxPeers = 100,
      downLimit,
      upLimit,
      isMiser = false,
      isPassing = false,
      seed,
      download,
      ...rates
    } = options;
    this.#world = world;
    this.host = world.host(rates);
    const [down, up] = [downLimit, upLimit].map((rate) => rate && new TokenBucket(rate, clock.nowMs()));
    this.session = new Session({
      net: this.host,
      clock,
      maxPeers,
      downLimit: down || undefined,
      upLimit: up || undefined,
      listeners: [this.host.listenTcp({ host: this.host.address, port: PORT })],
      onClosed: (_, why) => this.closed.push(why),
    });
    world.mustNotFail(this.session.failed);
    const listener: SwarmListener = {
      onInfo: () => {},
      onLayers: () => {},
      onGoodPiece: (piece) => this.onGoodPiece(piece),
      onComplete: () => this.completeMs ??= clock.nowMs(),
      onFault: (_, why) => this.faults.push(why),
      onDhtNode: () => {},
    };
    this.swarm = new (isMiser ? Miser : Swarm)({
      hashes: hashesOf(torrent.info),
      wanted: undefined,
      peerId: new TextEncoder().encode(`-SIM000-${this.host.address}`.padEnd(20, "_").slice(0, 20)),
      client: "simulated",
      listenPort: PORT,
      dhtPort: undefined,
      random: seeded(seed),
      upLimit: up || undefined,
      listener,
    });
    this.download = download ?? torrent.download({
      here: here === "all" ? torrent.layout.pieces() : here,
      seed,
      isPassing,
    });
    this.session.add(this.swarm);
    this.swarm.learnInfo(torrent.info, torrent.layout, this.download.layers);
    this.swarm.start(this.download);
  }

  get endpoint(): Endpoint {
    return { host: this.host.address, port: PORT };
  }

  /** Learns of the others, and dials them. */
  learn(...others: readonly SimPeer[]): void {
    for (const other of others) this.session.learn(this.swarm, other.endpoint, "user");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session[Symbol.asyncDispose]();
    await this.#world.clock.run(() => true, 0);
  }
}

class Miser extends Swarm {
  override join(peer: PeerCore): void {
    super.join(peer);
    peer.setChoking = () => {};
  }
}
