// The driver of announces: tells the trackers of one info-hash about us, by HTTP or UDP, until it is stopped, and
// hands on the peers that they name. TrackerTiers decides whom to tell what and when. A hybrid torrent has one of these per
// hash, with the same peer id, port and key: to trackers they are two torrents.
//
// Trackers are strangers and most are dead sometimes: nothing that they do ends the run, it only reaches the log. The
// log names their hosts; paths and queries may hold a user's secret.

import { isLocal, isWorthAsking } from "../address.ts";
import { chanceFrom } from "../chance.ts";
import { isLoopback } from "../endpoint.ts";
import { OperationFailed, WireFault } from "../errors.ts";
import type { Clock, Endpoint, HttpClient, Net, Random } from "../ports.ts";
import {
  HTTP_TRACKER_TIMEOUT_MS,
  MAX_TRACKER_REPLY_BYTES,
  TRACKER_FAREWELL_MS,
  TRACKER_LAST_WORD_MS,
  TRACKER_PATIENCE_MS,
  TRACKER_PEERS_WANTED,
} from "./limits.ts";
import { addressesOf } from "./tracker_host.ts";
import { type DueAnnounce, TrackerTiers } from "./tracker_tiers.ts";
import { type AnnounceReply, type AnnounceRequest, announceUrl, parseHttpReply } from "./tracker_wire.ts";
import type { UdpTrackers } from "./udp_trackers.ts";

/** Bytes of content in this run, and to go. */
export interface TransferStats {
  readonly downloaded: number;
  readonly uploaded: number;
  readonly left: number;
}

export interface AnnouncerOptions {
  /** URLs as lib/torrent/urls.ts lets them through. */
  readonly tiers: readonly (readonly string[])[];
  /** 20 bytes: v1, or v2 cut short. */
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  /** Where peers reach us, and the addresses that we listen on; empty means all. */
  readonly port: number;
  readonly bind: readonly string[];
  /** 32 bits. */
  readonly key: number;
  readonly userAgent: string;
  readonly net: Net;
  readonly http: HttpClient;
  readonly udp: UdpTrackers;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: () => TransferStats;
  /** Nobody is connected: trackers may be asked a little sooner. */
  readonly needsPeers: () => boolean;
  /**
   * Called with at most `MAX_TRACKER_PEERS`: neither with ourselves, as far as we can tell, nor with addresses of our
   * own network from a tracker outside.
   */
  readonly onPeers: (peers: readonly Endpoint[]) => void;
  readonly log: (level: "debug" | "info", text: string) => void;
}

export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #tiers: TrackerTiers;
  /** Announces under way, and since when. */
  readonly #asking = new Map<Promise<void>, number>();
  readonly #stop = new AbortController();
  /** Our own addresses, as trackers see them. */
  readonly #ownHosts: Set<string>;
  #wake = new AbortController();
  #bug: { readonly error: unknown } | undefined;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#tiers = new TrackerTiers({ tiers: options.tiers, random: chanceFrom(options.random.bytes(16)) });
    this.#ownHosts = new Set(options.bind);
  }

  /** The content became whole in this run, and trackers hear of it now. */
  complete(): void {
    this.#tiers.complete();
    this.#wake.abort();
  }

  /**
   * Announces until the signal aborts, then says `stopped` where we are known: at most `TRACKER_FAREWELL_MS` later
   * nothing is waited for any more.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, needsPeers } = this.#options;
    while (!signal.aborted && this.#bug === undefined) {
      this.#wake = new AbortController();
      for (let due; (due = this.#tiers.next(clock.nowMs(), needsPeers())) !== undefined;) this.#start(due);
      const nowMs = clock.nowMs();
      const deadlineMs = this.#tiers.deadlineMs(nowMs, needsPeers()) ?? Infinity;
      const pauseMs = Math.min(deadlineMs - nowMs, LONGEST_PAUSE_MS);
      await clock.sleep(pauseMs, AbortSignal.any([signal, this.#wake.signal]));
    }
    if (this.#bug === undefined) await this.#sayFarewell();
    this.#stop.abort();
    await Promise.all(this.#asking.keys());
    if (this.#bug !== undefined) throw this.#bug.error;
  }

  #start(due: DueAnnounce): void {
    const task = this.#ask(due).then((reply) => {
      const nowMs = this.#options.clock.nowMs();
      if (reply === undefined) this.#tiers.failed(due.url, nowMs);
      else this.#tiers.succeeded(due.url, reply, nowMs);
    }).catch((error) => {
      this.#bug ??= { error };
    }).finally(() => {
      this.#asking.delete(task);
      this.#wake.abort();
    });
    this.#asking.set(task, this.#options.clock.nowMs());
  }

  /** @returns undefined when the tracker did not answer as it should; the log says why. */
  async #ask({ url, event, trackerId }: DueAnnounce): Promise<AnnounceReply | undefined> {
    const { infoHash, peerId, port, key, stats, log, udp } = this.#options;
    const host = URL.parse(url)?.host ?? "";
    const peersWanted = event === "stopped" ? 0 : TRACKER_PEERS_WANTED;
    const request = { infoHash, peerId, port, key, ...stats(), event, peersWanted, trackerId };
    const { signal } = this.#stop;
    const onReply = (reply: AnnounceReply, from: Endpoint) => {
      if (reply.warning !== undefined) log("info", `Tracker ${host} warns: ${reply.warning}`);
      log("debug", `Tracker ${host}: ${event === "none" ? "" : `${event}, `}${reply.peers.length} peers`);
      if (!signal.aborted && event !== "stopped") this.#handOn(reply, from);
    };
    try {
      if (url.startsWith("udp:")) return await udp.announce(url, request, { signal, onReply });
      return await this.#askByHttp(url, request, onReply);
    } catch (error) {
      if (!(error instanceof OperationFailed || error instanceof WireFault)) throw error;
      if (!signal.aborted) log("debug", `Tracker ${host} failed: ${error.message}`);
      return undefined;
    }
  }

  async #askByHttp(
    url: string,
    request: AnnounceRequest,
    onReply: (reply: AnnounceReply, from: Endpoint) => void,
  ): Promise<AnnounceReply> {
    const { net, http, userAgent, bind } = this.#options;
    const { hostname, pathname } = new URL(url);
    const addresses = await addressesOf(net, hostname, this.#stop.signal);
    const hosts = [hostname, ...addresses];
    // A torrent may name a service of this very machine that obeys a mere GET. libtorrent draws the line here too.
    if (!pathname.startsWith("/announce") && hosts.some(isLoopback)) {
      throw new OperationFailed("on this machine, only a path that begins with /announce is a tracker's");
    }
    const { status, body } = await http.get(announceUrl(url, request), {
      timeoutMs: HTTP_TRACKER_TIMEOUT_MS,
      maxBytes: MAX_TRACKER_REPLY_BYTES,
      signal: this.#stop.signal,
      headers: { "user-agent": userAgent },
      from: sourceFor(addresses, bind),
    });
    const answer = parseAnswer(status, body);
    if (answer.kind === "refused") throw new OperationFailed(`it refuses: ${answer.why}`);
    onReply(answer, { host: hosts.find(isLocal) ?? hostname, port: 0 });
    return answer;
  }

  #handOn({ externalIp, peers }: AnnounceReply, from: Endpoint): void {
    const { port, bind, onPeers } = this.#options;
    if (externalIp !== undefined) this.#ownHosts.add(externalIp);
    const isOurs = (peer: Endpoint) =>
      peer.port === port && (this.#ownHosts.has(peer.host) || (bind.length === 0 && isLoopback(peer.host)));
    const others = peers.filter((peer) => isWorthAsking(peer, from) && !isOurs(peer));
    if (others.length > 0) onPeers(others);
  }

  /** Who may be about to answer is heard first, so that nobody is told that we stop before that we started. */
  async #sayFarewell(): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    const endMs = nowMs + TRACKER_FAREWELL_MS;
    const fresh = [...this.#asking].filter(([, askedMs]) => nowMs - askedMs < TRACKER_PATIENCE_MS);
    await this.#atMost(TRACKER_LAST_WORD_MS, Promise.all(fresh.map(([task]) => task)));
    const farewells = this.#tiers.farewells().map(async (steps) => {
      for (const step of steps) if (await this.#ask(step) === undefined) return;
    });
    await this.#atMost(endMs - clock.nowMs(), Promise.all(farewells));
  }

  async #atMost(ms: number, work: Promise<unknown>): Promise<void> {
    const done = new AbortController();
    const ended = work.catch((error) => this.#bug ??= { error }).finally(() => done.abort());
    await Promise.race([ended, this.#options.clock.sleep(ms, done.signal)]);
  }
}

/**
 * Which of the addresses that we are bound to an announce leaves from; undefined when we are bound to none.
 *
 * @throws {OperationFailed} When none of them is of a family that the tracker has.
 */
function sourceFor(addresses: readonly string[], bind: readonly string[]): string | undefined {
  if (bind.length === 0 || bind.includes("0.0.0.0") || bind.includes("::")) return undefined;
  const families = new Set((addresses.length > 0 ? addresses : bind).map((host) => host.includes(":")));
  const source = bind.find((host) => families.has(host.includes(":")));
  if (source === undefined) throw new OperationFailed("it has no address of a family that we are bound to");
  return source;
}

/** Some trackers send their reason along with a status that says the same. @throws {OperationFailed | WireFault} */
function parseAnswer(status: number, body: Uint8Array): ReturnType<typeof parseHttpReply> {
  if (status === 200) return parseHttpReply(body);
  try {
    const answer = parseHttpReply(body);
    if (answer.kind === "refused") return answer;
  } catch (error) {
    if (!(error instanceof WireFault)) throw error;
  }
  throw new OperationFailed(`it answers with status ${status}`);
}

/** How often it is looked whether peers are needed. */
const LONGEST_PAUSE_MS = 30_000;
