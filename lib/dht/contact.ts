// Nodes and peers as BEP 5 packs them: an id of 20 bytes, four bytes of address, two of port. What a stranger names
// is only taken when it makes sense to send there.

import type { Endpoint } from "../ports.ts";

/** A DHT node: 20 bytes of id, and where it listens (IPv4 only). */
export interface Contact extends Endpoint {
  readonly id: Uint8Array;
}

/** Bytes of a node id, an info-hash or a target. */
export const ID_BYTES = 20;
/** Bytes of a node in `nodes`: id, IPv4 address, port. */
export const COMPACT_NODE_BYTES = 26;

/** The nodes of a compact list; a cut-off last one and those with port 0 are left out. */
export function parseNodes(compact: Uint8Array): Contact[] {
  const nodes: Contact[] = [];
  for (let at = 0; at + COMPACT_NODE_BYTES <= compact.length; at += COMPACT_NODE_BYTES) {
    const endpoint = parsePeer(compact.subarray(at + ID_BYTES, at + COMPACT_NODE_BYTES));
    if (endpoint !== undefined) nodes.push({ id: compact.slice(at, at + ID_BYTES), ...endpoint });
  }
  return nodes;
}

/** A peer of 6 or 18 bytes; undefined for another length or port 0. IPv6 is written without `::`. */
export function parsePeer(compact: Uint8Array): Endpoint | undefined {
  if (compact.length !== 6 && compact.length !== 18) return undefined;
  const ipBytes = compact.length - 2;
  const port = compact[ipBytes]! * 256 + compact[ipBytes + 1]!;
  if (port === 0) return undefined;
  if (ipBytes === 4) return { host: compact.subarray(0, 4).join("."), port };
  const groups: string[] = [];
  for (let i = 0; i < ipBytes; i += 2) groups.push((compact[i]! * 256 + compact[i + 1]!).toString(16));
  return { host: groups.join(":"), port };
}
