// The part of npm:bittorrent-dht (with its k-rpc and k-rpc-socket, which bring no types) that we rely on: the node
// that answers others, its routing table, and its transactions. Its own lookups are not used: their end waits for
// the slowest node, and they re-encode values. `_rpc` is not its public face, so a change of version has to look here.

import type { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import UntypedDht from "bittorrent-dht";
import type { Contact } from "./contact.ts";
import type { Endpoint } from "../ports.ts";
import type { PackageSocket } from "./package_socket.ts";

export interface NpmDht extends EventEmitter {
  readonly nodeId: Buffer;
  readonly nodes: {
    closest(target: Uint8Array, count: number): readonly Contact[];
    get(id: Uint8Array): unknown;
  };
  readonly _rpc: {
    readonly socket: {
      /** Asks; `done` is called once: with an error after the timeout, for a refusal, or when destroyed. */
      query(to: Endpoint, message: { q: string; a: object }, done: (error: Error | null) => void): void;
    };
  };
  listen(): void;
  removeNode(id: Buffer): void;
  destroy(closed: () => void): void;
}

export interface NpmDhtOptions {
  readonly socket: PackageSocket;
  /** A question is given up after this long, and up to a quarter more. */
  readonly timeout: number;
  readonly nodeId?: Buffer;
  /** Ours resolves and asks routers itself. */
  readonly bootstrap: false;
  readonly verify: (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean;
  /** Most announced peers kept, over all info-hashes, and for how long. */
  readonly maxPeers: number;
  readonly maxAge: number;
}

export function createNpmDht(options: NpmDhtOptions): NpmDht {
  const Dht = UntypedDht as unknown as new (options: NpmDhtOptions) => NpmDht;
  return new Dht(options);
}
