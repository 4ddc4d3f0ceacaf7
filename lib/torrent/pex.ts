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

/** What a peer was told, and of which state of things. */
interface Told {
  dueMs: number;
  readonly known: Map<string, Endpoint>;
  version: number;
}

export class PexSender {
  readonly #told = new Map<number, Told>();
  #entries: ReadonlyMap<string, PexEntry> = new Map();
  /** Counts the changes of `#entries`: among many idle peers nobody's list is gone through in vain. */
  #version = 0;

  leave(peer: PeerCore): void {
    this.#told.delete(peer.number);
  }

  /** Tells each peer that takes PEX what changed, when it is its turn. */
  tick(peers: readonly PeerCore[], nowMs: number): void {
    this.#look(peers);
    const entries = this.#entries;
    for (const peer of peers) {
      const id = peer.theirs?.ids.ut_pex ?? 0;
      if (id === 0) continue;
      let told = this.#told.get(peer.number);
      // The first one comes a while after the start, when there is something to tell.
      if (told === undefined) {
        told = { dueMs: nowMs + PEX_MS / 6, known: new Map(), version: -1 };
        this.#told.set(peer.number, told);
      }
      if (nowMs < told.dueMs || told.version === this.#version) continue;
      const message = changes(told.known, entries, entryOf(peer));
      if (message === undefined) {
        told.version = this.#version;
        continue;
      }
      told.dueMs = nowMs + PEX_MS;
      peer.out.extended(id, message);
    }
  }

  #look(peers: readonly PeerCore[]): void {
    const entries = new Map<string, PexEntry>();
    for (const peer of peers) {
      const entry = entryOf(peer);
      if (entry !== undefined) entries.set(endpointKey(entry), entry);
    }
    if (isSame(entries, this.#entries)) return;
    this.#entries = entries;
    this.#version++;
  }
}

/** Whether two lists name the same peers; the order does not matter. */
function isSame(a: ReadonlyMap<string, PexEntry>, b: ReadonlyMap<string, PexEntry>): boolean {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) if (!b.has(key)) return false;
  return true;
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
