// What several swarms of one line move together, for status.json and the metrics.

import type { Traffic } from "../events.ts";
import type { Swarm } from "../torrent/swarm.ts";
import type { Line } from "./line.ts";

/**
 * A moment of all swarms. Peers that are still in their handshake count as connections only: nobody knows yet what
 * they have.
 *
 * @param before What swarms moved that are gone by now, in bytes.
 */
export function trafficOf(
  swarms: Iterable<Swarm>,
  { line, nowMs, before }: {
    readonly line: Pick<Line, "dht">;
    readonly nowMs: number;
    readonly before: { readonly downloadedBytes: number; readonly uploadedBytes: number };
  },
): Traffic {
  const sum = { ...before, downRate: 0, upRate: 0, peers: 0, seeds: 0, connections: 0 };
  for (const swarm of swarms) {
    sum.downloadedBytes += swarm.downRate.total;
    sum.uploadedBytes += swarm.uploadedBytes;
    sum.downRate += swarm.downRate.perSecond(nowMs);
    sum.upRate += swarm.upRate(nowMs);
    sum.connections += swarm.connections;
    for (const peer of swarm.peers) {
      if (!peer.isGreeted) continue;
      if (peer.isSeed) sum.seeds++;
      else sum.peers++;
    }
  }
  return { ...sum, dhtNodes: line.dht?.nodeCount ?? 0 };
}
