// Peer exchange, our side of it (BEP 11): each peer hears once a minute which peers we gained and lost since it last
// heard. Only addresses that can be dialed are passed on: those we dialed, and those that told us their port.

import { endpointKey } from "./compact.ts";
import { encodePex } from "./extension.ts";
import type { PeerCore } from "./peer_core.ts";
import type { Endpoint } from "../ports.ts";

/** BEP 11: no more often than this, and no more than so many of each kind. */
const PEX_MS = 60_000;
const MAX_ADDED = 50;
const MAX_DROPPED = 50;

export interface PexEntry extends Endpoint {
  readonly isSeed: boolean;
  /** We reached it ourselves. */
  readonly isReachable: boolean;
}

export class PexSender {
  readonly #told = new Map<number, { dueMs: number; known: Map<string, Endpoint> }>();

  leave(peer: PeerCore): void {
    this.#told.delete(peer.number);
  }

  /** Tells each peer that takes PEX what changed, when it is its turn. */
  tick(peers: readonly PeerCore[], nowMs: number): void {
    const entries = new Map<string, PexEntry>();
    for (const peer of peers) {
      const entry = entryOf(peer);
      if (entry !== undefined) entries.set(endpointKey(entry), entry);
    }
    for (const peer of peers) {
      const id = peer.theirs?.ids.ut_pex ?? 0;
      if (id === 0) continue;
      let told = this.#told.get(peer.number);
      // The first one comes a while after the start, when there is something to tell.
      if (told === undefined) {
        this.#told.set(peer.number, told = { dueMs: nowMs + PEX_MS / 6, known: new Map() });
      }
      if (nowMs < told.dueMs) continue;
      const message = changes(told.known, entries, entryOf(peer));
      if (message === undefined) continue;
      told.dueMs = nowMs + PEX_MS;
      peer.out.extended(id, message);
    }
  }
}

/** What changed since the peer last heard; `known` is brought up to date with what is told. */
function changes(
  known: Map<string, Endpoint>,
  entries: ReadonlyMap<string, PexEntry>,
  itself: PexEntry | undefined,
): Uint8Array | undefined {
  const added: PexEntry[] = [];
  const dropped: Endpoint[] = [];
  const ownKey = itself && endpointKey(itself);
  for (const [key, entry] of entries) {
    if (added.length >= MAX_ADDED) break;
    if (known.has(key) || key === ownKey) continue;
    added.push(entry);
    known.set(key, entry);
  }
  for (const [key, endpoint] of known) {
    if (dropped.length >= MAX_DROPPED) break;
    if (entries.has(key)) continue;
    dropped.push(endpoint);
    known.delete(key);
  }
  return added.length + dropped.length === 0 ? undefined : encodePex({ added, dropped });
}

function entryOf(peer: PeerCore): PexEntry | undefined {
  if (!peer.isGreeted) return undefined;
  const isReachable = peer.source !== "incoming";
  const port = isReachable ? peer.endpoint.port : peer.theirs?.port;
  if (port === undefined) return undefined;
  return { host: peer.endpoint.host, port, isSeed: peer.isSeed, isReachable };
}
