// Our side of a simulated swarm: the real Session and Swarm, fetching into memory, as lib/mirror/fetch.ts drives them.

import type { Endpoint } from "../../lib/ports.ts";
import { utf8 } from "../../lib/bytes.ts";
import type { Stranger } from "../../lib/torrent/company.ts";
import { hashesOf } from "../../lib/torrent/handshake.ts";
import { parseInfo } from "../../lib/torrent/metainfo.ts";
import type { PeerSource } from "../../lib/torrent/peer_owner.ts";
import type { PieceLayers } from "../../lib/torrent/piece_layers.ts";
import type { Download } from "../../lib/torrent/download.ts";
import { Session } from "../../lib/torrent/session.ts";
import { Swarm, type SwarmListener } from "../../lib/torrent/swarm.ts";
import type { OldBlocks } from "../../lib/torrent/block_reuse.ts";
import { type FixtureTorrent, MemoryStorage } from "../torrent/fixture_torrent.ts";
import { OldCopy } from "../torrent/old_copy.ts";
import type { World } from "./world.ts";
import { seeded } from "../torrent/seeded.ts";

export class Leech implements SwarmListener, AsyncDisposable {
  readonly swarm: Swarm;
  readonly session: Session;
  readonly storage: MemoryStorage;
  /** Why connections ended, in order. */
  readonly closed: string[] = [];
  /** Hosts that were banned, as it was told. */
  readonly banned: string[] = [];
  /** Each piece, as often as it was told of. */
  readonly pieces: number[] = [];
  isComplete = false;
  readonly #world: World;
  readonly #torrent: FixtureTorrent;
  readonly #seed: number;
  readonly #oldBlocks: OldBlocks | undefined;
  /** What lies on its disk already; undefined for nothing. */
  readonly old: OldCopy | undefined;

  /**
   * @param options.isMagnet Only the v2 hash is known at first.
   * @param options.oldHas Blocks that an older copy on its disk has; `isLikely`: it is of a kind that has some.
   */
  constructor(world: World, torrent: FixtureTorrent, options: {
    readonly seed: number;
    readonly isMagnet: boolean;
    readonly oldHas?: ((piece: number, block: number) => boolean) | undefined;
    readonly isLikely?: boolean;
  }) {
    this.#world = world;
    this.#torrent = torrent;
    this.storage = new MemoryStorage(torrent.layout);
    const { infoHashV2 } = torrent.info;
    const { isMagnet, seed, oldHas, isLikely } = options;
    this.#seed = seed;
    if (oldHas !== undefined) {
      const later = (task: () => void) => world.clock.at(world.clock.nowMs() + DISK_MS, task);
      this.old = new OldCopy({ torrent, storage: this.storage, has: oldHas, later });
      this.#oldBlocks = this.old.blocks(isLikely);
    }
    this.swarm = new Swarm({
      hashes: isMagnet ? { v1: undefined, v2Short: infoHashV2!.subarray(0, 20) } : hashesOf(torrent.info),
      wanted: isMagnet ? { infoHashV2: infoHashV2! } : undefined,
      peerId: utf8("-NS0100-leech......."),
      client: "nano-snap",
      listenPort: undefined,
      dhtPort: undefined,
      random: seeded(seed),
      upLimit: undefined,
      listener: this,
    });
    this.session = new Session({
      net: world.host(),
      clock: world.clock,
      maxPeers: 100,
      listeners: [],
      onClosed: (_, why) => this.closed.push(why),
    });
    world.mustNotFail(this.session.failed);
    this.session.add(this.swarm);
    if (isMagnet) return;
    const layers = torrent.layers();
    this.swarm.learnInfo(torrent.info, torrent.layout, layers);
    this.swarm.start(this.#download(layers));
  }

  learn(endpoint: Endpoint, source: PeerSource = "dht-v2"): void {
    this.session.learn(this.swarm, endpoint, source);
  }

  onInfo(bytes: Uint8Array): void {
    const info = parseInfo(bytes);
    // Later, as in the program: not from inside the peer's event.
    const learn = async () => {
      await Promise.resolve();
      const layers = this.#torrent.layers("unknown");
      this.swarm.learnInfo(info, this.#torrent.layout, layers);
      this.swarm.start(this.#download(layers));
      this.session.flush();
    };
    this.#world.mustNotFail(learn());
  }

  onLayers(): void {}

  onGoodPiece(piece: number): void {
    this.pieces.push(piece);
  }

  onComplete(): void {
    this.isComplete = true;
  }

  onFault({ endpoint }: Stranger, _why: string, isBanned: boolean): void {
    if (isBanned) this.banned.push(endpoint.host);
  }

  onDhtNode(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session[Symbol.asyncDispose]();
    await this.#world.clock.run(() => true, 0);
  }

  #download(layers: PieceLayers | undefined): Download {
    const { storage } = this;
    const old = this.#oldBlocks;
    return this.#torrent.download({ storage, seed: this.#seed, ...(layers && { layers }), old });
  }
}

/** What a look at a piece of an older copy takes. */
const DISK_MS = 5;
