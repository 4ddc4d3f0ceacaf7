// The web seeds of one torrent: which there are, and that they are asked when, and only when, the rule says so.

import { isLocal } from "../address.ts";
import { isLoopback } from "../endpoint.ts";
import type { Clock, HttpStreams } from "../ports.ts";
import { MAX_WEB_SEEDS, MAX_WEB_SEEDS_AT_ONCE } from "./limits.ts";
import { FIRST_OUTSIDER } from "./outsider.ts";
import { RateMeter } from "./rate.ts";
import type { Swarm } from "./swarm.ts";
import type { TokenBucket } from "./token_bucket.ts";
import { WebSeed } from "./web_seed.ts";
import { WebSeedRule } from "./web_seed_rule.ts";

/** What the user says about web seeds. */
export interface WebSeedSettings {
  /** None is asked when false, the torrent's own neither. */
  readonly enabled: boolean;
  /** URLs that the user named. */
  readonly named: readonly string[];
}

/**
 * The URLs to use: those that the user named first. One that came with a torrent or a magnet may lie in this network, but
 * not with a query: a stranger's link must not make anything there do something.
 */
export function webSeedsOf(
  target: { readonly webSeeds?: readonly string[] | undefined },
  { enabled, named }: WebSeedSettings,
): string[] {
  if (!enabled) return [];
  const own = (target.webSeeds ?? []).filter((text) => {
    const { hostname, search } = new URL(text);
    return search === "" || !(isLoopback(hostname) || isLocal(hostname.replace(/^\[(.*)\]$/, "$1")));
  });
  return [...new Set([...named, ...own])].slice(0, MAX_WEB_SEEDS);
}

export interface WebSeedsOptions {
  readonly urls: readonly string[];
  readonly swarm: Swarm;
  readonly http: HttpStreams;
  readonly clock: Clock;
  readonly client: string;
  /** What their bytes count against: the limit of all that comes, and their own; undefined for none. */
  readonly downLimit: TokenBucket | undefined;
  readonly ownLimit: TokenBucket | undefined;
  readonly note: (level: "debug" | "info" | "warning", text: string) => void;
}

/** Runs until the signal aborts or the torrent is whole. To be called when its download has started. */
export async function runWebSeeds(options: WebSeedsOptions, signal: AbortSignal): Promise<void> {
  const { urls, swarm, clock, downLimit, ownLimit, note } = options;
  if (urls.length === 0) return;
  const rate = new RateMeter();
  const limits = [downLimit, ownLimit].filter((limit) => limit !== undefined);
  const seeds = urls.map((url, i) =>
    new WebSeed({ ...options, url, number: FIRST_OUTSIDER + i, limits, rate })
  );
  const rule = new WebSeedRule(clock.nowMs());
  const before = swarm.downRate.total;
  const working = new Set<Promise<void>>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const stop = new AbortController();
  const inner = AbortSignal.any([signal, stop.signal]);
  let isOn = false;
  let seenBytes = 0;
  let hungryTicks = 0;
  const mayGoOn = (seed: WebSeed) => isOn && !(seed.holdsFailedPiece && hasWillingPeer(swarm));
  while (!signal.aborted && swarm.download?.isComplete === false) {
    const nowMs = clock.nowMs();
    const webRate = rate.perSecond(nowMs);
    const wasOn: boolean = isOn;
    isOn = rule.look({
      nowMs,
      peersBytes: swarm.downRate.total - before - rate.total,
      peersRate: Math.max(0, swarm.downRate.perSecond(nowMs) - webRate),
      webRate,
      lineRate: downLimit?.bytesPerSec,
    });
    if (isOn !== wasOn) {
      note("info", isOn ? `Peers give less than they could: asking ${hosts(seeds)}` : RESTING);
    }
    // Pieces may be held back until a peer has told their hashes (block_reuse.ts), and none may tell as fast.
    const isHungry = isOn && wasOn && working.size === 0 && rate.total - seenBytes < LEAST_TICK_BYTES;
    seenBytes = rate.total;
    hungryTicks = isHungry ? hungryTicks + 1 : Math.max(0, hungryTicks - 1);
    if (hungryTicks > MOST_HUNGRY_TICKS) {
      hungryTicks = MOST_HUNGRY_TICKS;
      if (seeds.some((seed) => seed.isIdle(nowMs))) swarm.download.reuse?.feedOutsider();
    }
    for (const seed of isOn ? seeds : []) {
      if (working.size >= MAX_WEB_SEEDS_AT_ONCE || !seed.isIdle(nowMs) || !mayGoOn(seed)) continue;
      const work: Promise<void> = seed.work(() => mayGoOn(seed), inner).catch(failed.reject).finally(() =>
        working.delete(work)
      );
      working.add(work);
    }
    await Promise.race([clock.sleep(TICK_MS, signal), failed.promise]);
  }
  stop.abort();
  await Promise.all(working);
}

function hosts(seeds: readonly WebSeed[]): string {
  return [...new Set(seeds.map(({ host }) => `web seed ${host}`))].join(", ");
}

/** Somebody who would bring a piece that must come from one alone. */
function hasWillingPeer({ peers }: Swarm): boolean {
  for (const peer of peers) if (!peer.choked && peer.interested && !peer.snubbed) return true;
  return false;
}

const TICK_MS = 500;
/** Three seconds with nothing to do, less those with enough; a peer, which may tell hashes itself, waits half as long. */
const MOST_HUNGRY_TICKS = 6;
/** Who had less to bring, 1 MiB a second, and stands idle could have brought more. */
const LEAST_TICK_BYTES = 512 << 10;
const RESTING = "Peers give enough: web seeds are not asked for now";
