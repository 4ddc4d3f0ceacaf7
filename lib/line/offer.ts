// Whole content that is offered to the world: a swarm in which we only give, announced under each of the torrent's
// names. Whoever opens one has made sure that the content is what the torrent says.

import { chanceFrom } from "../chance.ts";
import type { Report } from "../events.ts";
import { Download } from "../torrent/download.ts";
import { hashesOf } from "../torrent/handshake.ts";
import type { Layout } from "../torrent/layout.ts";
import type { Info } from "../torrent/metainfo.ts";
import type { PieceLayers } from "../torrent/piece_layers.ts";
import { PieceSet } from "../torrent/piece_set.ts";
import type { Storage } from "../torrent/storage.ts";
import { Swarm, type SwarmListener } from "../torrent/swarm.ts";
import type { Line } from "./line.ts";
import type { LineMachine } from "./machine.ts";
import { newPeerId, Presence } from "./presence.ts";

export interface OfferOptions {
  readonly machine: LineMachine;
  readonly line: Line;
  readonly info: Info;
  readonly layout: Layout;
  /** Whole; undefined for a v1 torrent. */
  readonly layers: PieceLayers | undefined;
  /** Read from, and the offer's to close. */
  readonly storage: Storage;
  /** As `trackerLists` makes them. */
  readonly trackers: readonly (readonly (readonly string[])[])[];
  /** Addresses that the line listens on; empty means all. */
  readonly bind: readonly string[];
  /** The logger's name. */
  readonly logger: string;
  readonly report: Report;
  /** Told of what must not happen. */
  readonly onBug: (error: unknown) => void;
}

export class Offer implements AsyncDisposable {
  readonly swarm: Swarm;
  readonly #options: OfferOptions;
  readonly #stop = new AbortController();
  readonly #presence: Presence;
  readonly #tasks: Promise<void>[];
  #complainedMs = -Infinity;
  #closed: Promise<void> | undefined;

  /** Begins at once. */
  constructor(options: OfferOptions) {
    const { machine, line, info, layout, layers, storage, trackers, bind, report } = options;
    this.#options = options;
    const peerId = newPeerId(machine);
    const random = chanceFrom(machine.random.bytes(16));
    this.swarm = new Swarm({
      hashes: hashesOf(info),
      wanted: undefined,
      peerId,
      client: machine.client,
      listenPort: line.port,
      dhtPort: line.dht === undefined ? undefined : line.port,
      random,
      upLimit: line.upLimit,
      listener: this.#listener(),
    });
    const here = new PieceSet(layout.pieceCount);
    here.fill();
    this.swarm.learnInfo(info, layout, layers);
    this.swarm.start(new Download({ info, layout, layers, storage, here, random }));
    this.#presence = new Presence({
      machine,
      line,
      swarm: this.swarm,
      trackers,
      peerId,
      bind,
      stats: () => ({ downloaded: 0, uploaded: this.swarm.uploadedBytes, left: 0 }),
      report,
      signal: this.#stop.signal,
    });
    line.session.add(this.swarm);
    this.#tasks = this.#presence.announce(hashesOf(info));
    for (const task of this.#tasks) task.catch(options.onBug);
  }

  /** Ends it: trackers are told, connections closed. Safe twice. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    this.#options.line.session.remove(this.swarm);
    // Nothing reads any more, and trackers may take their time to be told.
    this.#options.storage.close();
    await Promise.allSettled(this.#tasks);
    await this.#presence[Symbol.asyncDispose]();
  }

  #listener(): SwarmListener {
    const { report, machine: { clock }, line, logger } = this.#options;
    const note = (level: "debug" | "warning", text: string) => report({ kind: "note", level, logger, text });
    return {
      onInfo: () => {},
      onLayers: () => {},
      onGoodPiece: () => {},
      onComplete: () => {},
      onFault: (peer, why) => note("debug", `Closed ${peer.endpoint.host} (${peer.client}): it ${why}`),
      onDhtNode: (endpoint) => void line.dht?.tryNode(endpoint),
      onUnreadable: (why) => {
        if (clock.nowMs() - this.#complainedMs < COMPLAINT_MS) return;
        this.#complainedMs = clock.nowMs();
        note("warning", `Refused a peer's request: ${why}`);
      },
    };
  }
}

/** Whether any connected peer wants something of it. */
export function isWanted(swarm: Swarm): boolean {
  for (const peer of swarm.peers) if (peer.wanted) return true;
  return false;
}

/** A broken disk would say the same with each request. */
const COMPLAINT_MS = 60_000;
