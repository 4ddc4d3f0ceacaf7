// One swarm's presence: it is announced under each of the torrent's names, to trackers and in the DHT, again and again,
// and whoever they name is handed to the session. A hybrid has two names; the second may be learnt only with the metadata.

import { toHex } from "../bytes.ts";
import type { Report } from "../events.ts";
import type { Endpoint } from "../ports.ts";
import type { SwarmHashes } from "../torrent/handshake.ts";
import type { PeerSource } from "../torrent/peer_owner.ts";
import type { Swarm } from "../torrent/swarm.ts";
import type { TransferStats } from "../torrent/tracker.ts";
import { Beacon } from "./beacon.ts";
import { Hunt } from "./hunt.ts";
import type { Line } from "./line.ts";
import type { LineMachine } from "./machine.ts";
import { Trackers } from "./trackers.ts";

export interface PresenceOptions {
  readonly machine: LineMachine;
  readonly line: Line;
  readonly swarm: Swarm;
  /** As `trackerLists` makes them. */
  readonly trackers: readonly (readonly (readonly string[])[])[];
  /** The swarm's, 20 bytes. */
  readonly peerId: Uint8Array;
  /** Addresses that we listen on; empty means all. */
  readonly bind: readonly string[];
  readonly stats: () => TransferStats;
  /** Who is gone in a moment and gives nothing looks in the DHT without a word; trackers name nobody to such. */
  readonly isSilent?: boolean;
  readonly report: Report;
  /** Ends the announcing; trackers that know us then hear of it. */
  readonly signal: AbortSignal;
}

export class Presence implements AsyncDisposable {
  readonly #options: PresenceOptions;
  readonly #trackers: Trackers;
  readonly #hunted = new Set<string>();

  constructor(options: PresenceOptions) {
    this.#options = options;
    const { machine, line, swarm, trackers, peerId, bind, stats, report, signal } = options;
    this.#trackers = new Trackers({
      machine,
      lists: trackers,
      peerId,
      port: line.port,
      bind,
      stats,
      needsPeers: () => swarm.connections === 0,
      onPeer: (peer, source) => line.session.learn(swarm, peer, source),
      report,
      signal,
    });
  }

  /** Begins to announce each name that is not announced yet. @returns A promise for each that ends after `signal`. */
  announce({ v1, v2Short }: SwarmHashes): Promise<void>[] {
    const tasks = this.#trackers.announce({ v1, v2Short });
    const { line, swarm, signal } = this.#options;
    for (const [infoHash, source] of [[v2Short, "dht-v2"], [v1, "dht-v1"]] as const) {
      if (infoHash === undefined || this.#hunted.has(toHex(infoHash))) continue;
      this.#hunted.add(toHex(infoHash));
      if (line.dht !== undefined) tasks.push(this.#huntFor(infoHash, source));
      const { lsd } = line;
      if (lsd === undefined) continue;
      tasks.push(lsd.announce(infoHash, (peer) => line.session.learn(swarm, peer, source), signal));
    }
    return tasks;
  }

  /** The content became whole in this run. */
  complete(): void {
    this.#trackers.complete();
  }

  /** To be called when all that `announce` gave has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#trackers[Symbol.asyncDispose]();
  }

  /** Announces ourselves in the DHT and learns of others, again and again. */
  async #huntFor(infoHash: Uint8Array, source: PeerSource): Promise<void> {
    const { machine: { clock }, line, swarm, isSilent = false, signal } = this.#options;
    const dht = line.dht!;
    const onPeer = (peer: Endpoint) => line.session.learn(swarm, peer, source);
    const hunt = new Hunt();
    const beacon = new Beacon();
    for (; !signal.aborted; await clock.sleep(TICK_MS, signal)) {
      // A seed needs nobody; it only must not be forgotten.
      const isDue = swarm.download?.isComplete === true
        ? beacon.isDue(clock.nowMs())
        : hunt.isDue(clock.nowMs(), swarm.connections, line.maxPeers);
      if (!isDue) continue;
      const { stored } = isSilent
        ? { ...await dht.getPeers(infoHash, { signal, onPeer }), stored: 0 }
        : await dht.announce(infoHash, line.port, { signal, onPeer });
      hunt.onLook(clock.nowMs(), swarm.connections);
      beacon.onAnnounce(clock.nowMs(), stored);
    }
  }
}

/** `-NS0100-` and twelve random letters or digits (BEP 20). */
export function newPeerId({ random }: Pick<LineMachine, "random">): Uint8Array {
  const letters = "0123456789abcdefghijklmnopqrstuvwxyz";
  const id = [...random.bytes(12)].map((byte) => letters[byte % letters.length]).join("");
  return new TextEncoder().encode(`-NS0100-${id}`);
}

const TICK_MS = 1000;
