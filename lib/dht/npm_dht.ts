// The part of npm:bittorrent-dht (with its k-rpc and k-rpc-socket, which bring no types) that we rely on: the node
// that answers others, its routing table, and its transactions. Its own lookups are not used: their end waits for
// the slowest node, and they re-encode values. Two of its answers are set right (BEP 44): an item put again as it is
// refreshes it, where the package says 302; and a reply with an item names nodes too, so that a lookup goes on from
// it. `_rpc` and `_values` are not its public face, so a change of version has to look here.

import type { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import UntypedDht from "bittorrent-dht";
import { type Encodable, encode } from "../bencode.ts";
import { equalBytes, toHex } from "../bytes.ts";
import type { Contact } from "./contact.ts";
import type { Endpoint } from "../ports.ts";
import type { PackageSocket } from "./package_socket.ts";
import { targetOf } from "./signature.ts";

export interface NpmDht extends EventEmitter {
  readonly nodeId: Buffer;
  readonly nodes: {
    closest(target: Uint8Array, count: number): readonly Contact[];
    get(id: Uint8Array): unknown;
  };
  readonly _rpc: {
    readonly socket: {
      /** Asks; `done` is called once: with an error after the timeout, for a refusal, or when destroyed. */
      query(
        to: Endpoint,
        message: { q: string; a: object },
        done: (error: (Error & { readonly code?: unknown }) | null) => void,
      ): void;
      /** Ends a question as if its time were up. */
      cancel(transactionId: number, error: Error): void;
    };
  };
  listen(): void;
  removeNode(id: Buffer): void;
  destroy(closed: () => void): void;
}

export interface NpmDhtOptions {
  readonly socket: PackageSocket;
  readonly nodeId?: Buffer;
  /** Ours resolves and asks routers itself. */
  readonly bootstrap: false;
  readonly verify: (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean;
  /** Most announced peers kept, over all info-hashes, and for how long. */
  readonly maxPeers: number;
  readonly maxAge: number;
}

export function createNpmDht(options: NpmDhtOptions): NpmDht {
  return new StoringDht({ ...options, timeout: PACKAGE_TIMEOUT_MS });
}

/** Ends one of its questions, which got no answer. @param transaction As it was sent: two bytes. */
export function cancelQuery(dht: NpmDht, transaction: Uint8Array): void {
  const error = Object.assign(new Error("Query timed out"), { code: "ETIMEDOUT" });
  dht._rpc.socket.cancel(transaction[0]! * 256 + transaction[1]!, error);
}

/** What the package keeps under a target: the fields of a put, decoded by its codec. */
interface Stored {
  readonly v: Encodable;
  readonly k?: Uint8Array;
  readonly sig?: Uint8Array;
  readonly salt?: Uint8Array;
  readonly seq?: number;
}

interface GetQuery {
  readonly a: { readonly target: Uint8Array };
}

/** The guard has checked the fields' presence and sizes. */
interface PutQuery {
  readonly a: Stored & { readonly cas?: number };
}

/** The package's class as far as the two answers need it. */
interface Internals extends NpmDht {
  readonly _values: {
    get(name: string): Stored | undefined;
    peek(name: string): Stored | undefined;
    set(name: string, value: Stored): void;
    remove(name: string): void;
  };
  readonly _rpc: NpmDht["_rpc"] & {
    response(to: { address: string }, query: GetQuery, body: object, nodes: readonly Contact[]): void;
  };
  _generateToken(host: string): Buffer;
  _onget(query: GetQuery, from: { address: string }): void;
  _onput(query: PutQuery, from: { address: string }): void;
}

const Package = UntypedDht as unknown as new (
  options: NpmDhtOptions & { readonly timeout: number },
) => Internals;

class StoringDht extends Package {
  override _onget(query: GetQuery, from: { address: string }): void {
    const { target } = query.a;
    const stored = this._values.get(toHex(target));
    if (stored === undefined) return super._onget(query, from);
    const { v, k, sig, seq } = stored;
    const item = k === undefined ? { v } : { v, k, sig, seq };
    const token = this._generateToken(from.address);
    this._rpc.response(
      from,
      query,
      { id: this.nodeId, token, ...item },
      this.nodes.closest(target, NODES_NAMED),
    );
  }

  override _onput(query: PutQuery, from: { address: string }): void {
    const { k, salt, seq, cas, v } = query.a;
    if (k === undefined) return super._onput(query, from);
    const name = toHex(targetOf(k, salt ?? NO_SALT));
    const before = this._values.peek(name);
    const isRefresh = before !== undefined && before.seq === seq && (cas === undefined || cas === seq) &&
      equalBytes(encode(before.v), encode(v));
    if (!isRefresh) return super._onput(query, from);
    // As if it came for the first time: the package checks its token and signature, and takes it.
    this._values.remove(name);
    super._onput(query, from);
    if (this._values.peek(name) === undefined) this._values.set(name, before);
  }
}

const NO_SALT = new Uint8Array(0);
/** Never reached, as our socket ends questions by our own clock: the package's timer would run four times a second. */
const PACKAGE_TIMEOUT_MS = 3_600_000;
/** BEP 5's k. */
const NODES_NAMED = 8;
