// What all swarms of a run move together, for status.json, the metrics and the heartbeat: those that are gone included.

import type { Traffic } from "../events.ts";
import type { Swarm } from "../torrent/swarm.ts";

/** All but the DHT, which is the line's. */
export type SwarmsMoment = Omit<Traffic, "dhtNodes">;

export class SwarmTraffic {
  readonly #swarms = new Set<Swarm>();
  #uploadedBefore = 0;
  #downloadedBefore = 0;

  add(swarm: Swarm): void {
    this.#swarms.add(swarm);
  }

  /** Its bytes still count. Safe twice. */
  remove(swarm: Swarm): void {
    if (!this.#swarms.delete(swarm)) return;
    this.#uploadedBefore += swarm.uploadedBytes;
    this.#downloadedBefore += swarm.downRate.total;
  }

  /** Peers that are still in their handshake count as connections only: nobody knows yet what they have. */
  moment(nowMs: number): SwarmsMoment {
    let [uploadedBytes, downloadedBytes] = [this.#uploadedBefore, this.#downloadedBefore];
    let [upRate, downRate, peers, seeds, connections] = [0, 0, 0, 0, 0];
    for (const swarm of this.#swarms) {
      uploadedBytes += swarm.uploadedBytes;
      downloadedBytes += swarm.downRate.total;
      upRate += swarm.upRate(nowMs);
      downRate += swarm.downRate.perSecond(nowMs);
      connections += swarm.connections;
      for (const peer of swarm.peers) {
        if (!peer.isGreeted) continue;
        if (peer.isSeed) seeds++;
        else peers++;
      }
    }
    return { uploadedBytes, downloadedBytes, upRate, downRate, peers, seeds, connections };
  }
}
