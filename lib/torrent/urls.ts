// URLs of trackers and web seeds out of torrents and magnets. Such a URL is only a hint: one that we cannot use is
// dropped, and the torrent stays good.

import { MAX_TRACKERS, MAX_URL_LENGTH, MAX_WEB_SEEDS } from "./limits.ts";

/** A tracker's URL as it came, without space around it; undefined when it is not one that we can announce to. */
export function trackerUrl(text: string): string | undefined {
  const url = parse(text);
  if (url === undefined || !TRACKER_SCHEMES.has(url.protocol)) return undefined;
  if (url.protocol === "udp:" && (url.port === "" || DHT_ROUTERS.has(url.hostname.toLowerCase()))) {
    return undefined;
  }
  return text.trim();
}

/** A web seed's URL with spaces and the like escaped; undefined when it is not HTTP. */
export function webSeedUrl(text: string): string | undefined {
  const url = parse(text);
  return url !== undefined && WEB_SCHEMES.has(url.protocol) ? url.href : undefined;
}

/** The usable ones among some texts, each once, at most `MAX_TRACKERS`. */
export function trackerUrls(texts: Iterable<string>): string[] {
  return distinct(texts, trackerUrl, MAX_TRACKERS);
}

/** The usable ones among some texts, each once, at most `MAX_WEB_SEEDS`. */
export function webSeedUrls(texts: Iterable<string>): string[] {
  return distinct(texts, webSeedUrl, MAX_WEB_SEEDS);
}

function distinct(
  texts: Iterable<string>,
  read: (text: string) => string | undefined,
  most: number,
): string[] {
  const urls = new Set<string>();
  for (const text of texts) {
    if (urls.size === most) break;
    const url = read(text);
    if (url !== undefined) urls.add(url);
  }
  return [...urls];
}

function parse(text: string): URL | undefined {
  const trimmed = text.trim();
  if (trimmed.length > MAX_URL_LENGTH || CONTROL.test(trimmed)) return undefined;
  const url = URL.parse(trimmed);
  return url === null || url.hostname === "" ? undefined : url;
}

/** The parser would drop some of them in silence; others would reach a log. */
const CONTROL = /\p{Cc}/u;
const WEB_SCHEMES: ReadonlySet<string> = new Set(["http:", "https:"]);
const TRACKER_SCHEMES: ReadonlySet<string> = new Set([...WEB_SCHEMES, "udp:"]);
/** The first magnets of the OpenRai stream name these as trackers. They speak DHT only. */
const DHT_ROUTERS: ReadonlySet<string> = new Set([
  "router.bittorrent.com",
  "router.utorrent.com",
  "dht.transmissionbt.com",
]);
