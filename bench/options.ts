// What the benches' own downloads are asked for: loopback, a named torrent, named peers, and nothing else.

import type { GetOptions } from "../mod.ts";

/** @param peers "127.0.0.1:6881" each. */
export function getOptions(
  { torrent, dataDir, peers, ...more }:
    & { readonly torrent: string; readonly dataDir: string; readonly peers: readonly string[] }
    & Pick<GetOptions, "maxPeers" | "stallTimeoutMs">,
): GetOptions {
  return {
    authorityKey: new Uint8Array(32),
    salt: new Uint8Array(),
    dataDir,
    source: { kind: "torrent", path: torrent },
    extract: false,
    keepArchive: false,
    force: false,
    port: 0,
    bind: ["127.0.0.1"],
    dht: { enabled: false, bootstrap: undefined },
    peers: peers.map((peer) => ({ host: peer.split(":")[0]!, port: Number(peer.split(":")[1]) })),
    trackers: [],
    useTrackers: false,
    downLimit: undefined,
    upLimit: undefined,
    discoverTimeoutMs: 60_000,
    ...more,
  };
}
