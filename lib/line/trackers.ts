// The trackers of one fetch: which of them are told about it, under which of the torrent's hashes. A hybrid torrent is
// two torrents to a tracker; its second name may be learnt only with the metadata.

import { toHex } from "../bytes.ts";
import type { Report } from "../events.ts";
import type { Endpoint } from "../ports.ts";
import { STREAM_TRACKERS } from "../stream.ts";
import type { SwarmHashes } from "../torrent/handshake.ts";
import type { PeerSource } from "../torrent/peer_owner.ts";
import { Announcer, type TransferStats } from "../torrent/tracker.ts";
import { UdpTrackers } from "../torrent/udp_trackers.ts";
import type { LineMachine } from "./machine.ts";

/** What the user says about trackers. */
export interface TrackerSettings {
  /** No tracker is told anything when false. */
  readonly enabled: boolean;
  /** URLs that the user named: each is told, whatever the torrent's own do. */
  readonly named: readonly string[];
}

/**
 * Lists of tiers, each to be announced to on its own: one per tracker that the user named, and one for the torrent's.
 * A pointer's torrent has the stream's trackers unless the user named others.
 */
export function trackerLists(
  target: { readonly trackers: readonly (readonly string[])[] | undefined },
  { enabled, named }: TrackerSettings,
): (readonly (readonly string[])[])[] {
  if (!enabled) return [];
  const own = target.trackers ?? (named.length > 0 ? [] : [STREAM_TRACKERS]);
  const rest = own.map((tier) => tier.filter((url) => !named.includes(url))).filter((tier) =>
    tier.length > 0
  );
  return [...new Set(named)].map((url) => [[url]]).concat(rest.length > 0 ? [rest] : []);
}

export interface TrackersOptions {
  readonly machine: LineMachine;
  readonly lists: readonly (readonly (readonly string[])[])[];
  readonly peerId: Uint8Array;
  readonly port: number;
  /** Addresses that we listen on; empty means all. */
  readonly bind: readonly string[];
  readonly stats: () => TransferStats;
  readonly needsPeers: () => boolean;
  readonly onPeer: (peer: Endpoint, source: PeerSource) => void;
  readonly report: Report;
  /** Ends the announcing; trackers that know us then hear of it. */
  readonly signal: AbortSignal;
}

export class Trackers implements AsyncDisposable {
  readonly #options: TrackersOptions;
  readonly #udp: UdpTrackers;
  readonly #key: number;
  readonly #announced = new Set<string>();
  readonly #announcers: Announcer[] = [];

  constructor(options: TrackersOptions) {
    this.#options = options;
    const { machine, bind } = options;
    this.#udp = new UdpTrackers({ ...machine, bind });
    const key = machine.random.bytes(4);
    this.#key = new DataView(key.buffer, key.byteOffset).getUint32(0);
  }

  /** Begins to announce each name that is not announced yet. @returns A promise for each that ends after `signal`. */
  announce({ v1, v2Short }: SwarmHashes): Promise<void>[] {
    const tasks: Promise<void>[] = [];
    for (const [infoHash, source] of [[v2Short, "tracker-v2"], [v1, "tracker-v1"]] as const) {
      if (infoHash === undefined || this.#announced.has(toHex(infoHash))) continue;
      this.#announced.add(toHex(infoHash));
      for (const tiers of this.#options.lists) {
        const announcer = this.#announcer(tiers, infoHash, source);
        this.#announcers.push(announcer);
        tasks.push(announcer.run(this.#options.signal));
      }
    }
    return tasks;
  }

  /** The content became whole in this run. */
  complete(): void {
    for (const announcer of this.#announcers) announcer.complete();
  }

  /** To be called when all that `announce` gave has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#udp[Symbol.asyncDispose]();
  }

  #announcer(
    tiers: readonly (readonly string[])[],
    infoHash: Uint8Array,
    source: "tracker-v1" | "tracker-v2",
  ): Announcer {
    const { machine, peerId, port, bind, stats, needsPeers, onPeer, report } = this.#options;
    return new Announcer({
      ...machine,
      tiers,
      infoHash,
      peerId,
      port,
      bind,
      key: this.#key,
      userAgent: machine.client.replace(" ", "/"),
      udp: this.#udp,
      stats,
      needsPeers,
      onPeers: (peers) => peers.forEach((peer) => onPeer(peer, source)),
      log: (level, text) =>
        report({
          kind: "note",
          level,
          logger: "mirror.session",
          text: `${text} (${source === "tracker-v1" ? "v1" : "v2"})`,
        }),
    });
  }
}
