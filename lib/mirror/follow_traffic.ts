// What goes in and out over all swarms of a run, those that are gone included.

import type { Traffic } from "../events.ts";
import type { Swarm } from "../torrent/swarm.ts";

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

  moment(nowMs: number): Omit<Traffic, "dhtNodes"> {
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
