// One producer and many mirrors, all of our own kind, that begin at once: how long until the last mirror has everything.
// The session, the picker and the choker are the real ones; only the internet and the time are not.
//
// A piece here has few blocks, and a line is as slow as it takes for one piece to need the time that one of 32 MiB needs
// on a fast line: a hundred mirrors with as many pieces as the real stream has are then some million blocks.

import { Download } from "../../lib/torrent/download.ts";
import type { PieceIndex } from "../../lib/torrent/layout.ts";
import { PieceSet } from "../../lib/torrent/piece_set.ts";
import type { Storage } from "../../lib/torrent/storage.ts";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";
import { seeded } from "../torrent/seeded.ts";
import { SimPeer } from "./sim_peer.ts";
import { World } from "./world.ts";

export interface CrowdOptions {
  readonly seed: number;
  readonly mirrors: number;
  readonly pieces: number;
  /** A power of two, in bytes. */
  readonly pieceLength: number;
  /** Bytes per second that the producer can send, and that each mirror can. They can take four times as many. */
  readonly uplink: number;
  readonly uplinkOf?: (mirror: number) => number;
  /** Connections that each may have; the producer has one with everybody. */
  readonly maxPeers: number;
  /** Told once a (virtual) second how far it is. */
  readonly onSecond?: (crowd: Crowd) => void;
}

/** Such a world while it runs. */
export interface Crowd {
  readonly world: World;
  readonly producer: SimPeer;
  readonly mirrors: readonly SimPeer[];
}

export interface CrowdResult {
  /** Seconds of virtual time until the first mirror, half of them and the last had everything. */
  readonly firstSeconds: number;
  readonly medianSeconds: number;
  readonly lastSeconds: number;
  /** size / uplink × (1 + log2(mirrors + 1) / pieces): each piece leaves the producer once and doubles from there. */
  readonly idealSeconds: number;
  /** What the producer sent until the last mirror had everything, in copies of the snapshot. */
  readonly producerCopies: number;
  /** What came twice or was thrown away, in copies of the snapshot, over all mirrors. */
  readonly wastedCopies: number;
}

/** Runs one such world to its end. @throws When it does not end, or somebody is blamed for a fault. */
export async function runCrowd(options: CrowdOptions): Promise<CrowdResult> {
  const { seed, mirrors, pieces, pieceLength, uplink, uplinkOf = () => uplink, maxPeers } = options;
  const size = pieceLength * pieces;
  const torrent = new FixtureTorrent("v2", pieceLength, [size]);
  const storage = new SharedStorage(torrent);
  const world = new World({ stepMs: STEP_MS, packetBytes: PACKET_BYTES });
  const open = (number: number, up: number) => {
    const here = new PieceSet(pieces);
    if (number === 0) here.fill();
    const own = seed * 1000 + number;
    const { info, layout } = torrent;
    const download = new Download({
      info,
      layout,
      layers: torrent.layers(),
      storage,
      here,
      random: seeded(own),
    });
    return new SimPeer(world, torrent, {
      up,
      down: 4 * up,
      latencyMs: 20,
      seed: own + 500,
      maxPeers: number === 0 ? mirrors : maxPeers,
      download,
    });
  };
  const producer = open(0, uplink);
  const crowd = Array.from({ length: mirrors }, (_, i) => open(i + 1, uplinkOf(i)));
  const idealSeconds = size / uplink * (1 + Math.log2(mirrors + 1) / pieces);
  const random = seeded(seed);
  try {
    for (const [i, mirror] of crowd.entries()) {
      mirror.learn(producer);
      // As if each had asked a tracker that knew those before it.
      for (const other of shuffled(crowd.slice(0, i), random).slice(0, maxPeers / 2)) mirror.learn(other);
    }
    const { onSecond } = options;
    const watch = () => {
      onSecond?.({ world, producer, mirrors: crowd });
      world.clock.at(world.clock.nowMs() + 1000, watch);
    };
    if (onSecond !== undefined) watch();
    await world.run(
      () => crowd.every(({ completeMs }) => completeMs !== undefined),
      1000 * 20 * idealSeconds,
    );
    const faults = crowd.flatMap((mirror) => mirror.faults);
    if (faults.length > 0) throw new Error(`somebody was blamed: ${faults[0]}`);
    const times = crowd.map(({ completeMs }) => completeMs! / 1000).sort((a, b) => a - b);
    return {
      firstSeconds: times[0]!,
      medianSeconds: times[times.length >> 1]!,
      lastSeconds: times.at(-1)!,
      idealSeconds,
      producerCopies: producer.swarm.uploadedBytes / size,
      wastedCopies: crowd.reduce((sum, { download }) => sum + download.wastedBytes, 0) / size,
    };
  } catch (error) {
    throw new Error(`crowd ${seed} went wrong`, { cause: error });
  } finally {
    for (const peer of [producer, ...crowd]) await peer[Symbol.asyncDispose]();
  }
}

/** Half a latency: what happens meanwhile happens at once. */
const STEP_MS = 10;
/** A whole block and what is around it. */
const PACKET_BYTES = 17 << 10;

function shuffled<T>(all: T[], random: () => number): T[] {
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}

/** All have the same bytes in the end, and each block is hashed before it comes here: nothing needs to be kept. */
class SharedStorage implements Storage {
  constructor(readonly torrent: FixtureTorrent) {}

  write(): void {}

  read(piece: PieceIndex, begin: number, into: Uint8Array): void {
    this.torrent.copy(piece, begin, into);
  }

  facts(): never {
    throw new Error("there are no files");
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}
}
