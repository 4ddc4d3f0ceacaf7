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

/** Whether text is an IPv4 address in dotted form. */
export function isIpv4(host: string): boolean {
  return IPV4.test(host) && host.split(".").every((part) => Number(part) <= 255);
}

/**
 * Whether to send to an address that a stranger named. Nobody is at 0.0.0.0/8 or from 224.0.0.0 on; private and
 * loopback addresses are only believed from a sender that has such an address itself, so that nobody outside can
 * point us at the machines of our own network. IPv6 addresses (peers only) pass when they are global.
 */
export function isWorthAsking(named: Endpoint, by: Endpoint): boolean {
  if (named.port < 1 || named.port > 65535) return false;
  if (named.host.includes(":")) return /^[23]/.test(named.host) && named.host.split(":")[0]!.length === 4;
  if (!isIpv4(named.host)) return false;
  const first = Number(named.host.split(".")[0]);
  if (first === 0 || first >= 224) return false;
  return !isLocal(named.host) || isLocal(by.host);
}

/** Loopback, private, link-local and carrier-grade NAT addresses (RFC 6890). */
export function isLocal(host: string): boolean {
  const [a, b] = host.split(".").map(Number);
  if (a === undefined || b === undefined) return false;
  return a === 127 || a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) ||
    (a === 169 && b === 254) || (a === 100 && b >= 64 && b < 128);
}

const IPV4 = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;
