// peers.json: who had a snapshot whole when we fetched one, so that the next run dials them while it still looks for
// others. Mirrors follow one stream from day to day, and the one that had yesterday's has today's. A convenience, not
// trust: whatever is wrong with the file costs a look around, and what it names is only asked, as PEX's peers are.

import { dirname } from "node:path";
import { isIpv4 } from "../address.ts";
import { formatEndpoint, parseEndpoint } from "../endpoint.ts";
import { SnapError } from "../errors.ts";
import { type JsonObject, readJsonFile, writeJsonFile } from "../json_file.ts";
import type { Endpoint, Files } from "../ports.ts";

/** A peer, as far as it matters here. */
export interface SeenPeer {
  readonly isSeed: boolean;
  /** Where it can be dialed; undefined when nobody knows. */
  readonly dialable: Endpoint | undefined;
}

export class PeerCache {
  readonly #files: Files;
  readonly #path: string;
  /** The last seen last. */
  readonly #seen = new Map<string, Endpoint>();

  constructor(files: Files, path: string) {
    this.#files = files;
    this.#path = path;
  }

  /** Those of the run before; empty where the file cannot be used. */
  read(): readonly Endpoint[] {
    try {
      return readJsonFile(this.#files, this.#path, parsePeers, []).value;
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      return [];
    }
  }

  /** Takes note of who is connected and has everything. */
  note(peers: Iterable<SeenPeer>): void {
    for (const { isSeed, dialable } of peers) {
      if (!isSeed || dialable === undefined) continue;
      const key = formatEndpoint(dialable);
      this.#seen.delete(key);
      this.#seen.set(key, dialable);
    }
  }

  /** Writes them in the place of those that were there; without any, nothing. */
  save(): void {
    if (this.#seen.size === 0) return;
    const peers = [...this.#seen.keys()].slice(-MAX_PEERS);
    try {
      this.#files.makeDir(dirname(this.#path));
      writeJsonFile(this.#files, this.#path, { version: VERSION, peers });
    } catch (error) {
      // A disk that is full has said so where it matters.
      if (!(error instanceof SnapError)) throw error;
    }
  }
}

function parsePeers(json: JsonObject): Endpoint[] | undefined {
  const { version, peers } = json as { version?: unknown; peers?: unknown };
  if (version !== VERSION || !Array.isArray(peers)) return undefined;
  const found: Endpoint[] = [];
  for (const peer of peers.slice(0, MAX_PEERS) as unknown[]) {
    const endpoint = typeof peer === "string" ? parseEndpoint(peer) : undefined;
    if (endpoint === undefined || !isAddress(endpoint.host)) return undefined;
    found.push(endpoint);
  }
  return found;
}

/** A name would have to be looked up. */
function isAddress(host: string): boolean {
  return host.includes(":") || isIpv4(host);
}

/** Half of the connections that a user has by default: the others are for who is found now. */
const MAX_PEERS = 50;
const VERSION = 1;
