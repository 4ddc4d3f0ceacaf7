// Addresses as four or sixteen bytes, and peers as an address and a port (BEP 5, 7, 11, 23).

import type { Endpoint } from "../ports.ts";

/**
 * Splits a compact list.
 *
 * @param ipBytes 4 or 16. A cut-off last entry is left out.
 * @returns One item per entry, undefined where the port is 0, so that indices fit a list of flags.
 */
export function parseCompactPeers(bytes: Uint8Array, ipBytes: 4 | 16): (Endpoint | undefined)[] {
  const size = ipBytes + 2;
  const peers: (Endpoint | undefined)[] = [];
  for (let at = 0; at + size <= bytes.length; at += size) {
    const port = bytes[at + ipBytes]! * 256 + bytes[at + ipBytes + 1]!;
    peers.push(port === 0 ? undefined : { host: formatIp(bytes.subarray(at, at + ipBytes)), port });
  }
  return peers;
}

/** An address of 4 or 16 bytes as text. IPv6 is written without `::`, which every parser takes. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! * 256 + bytes[i + 1]!).toString(16));
  return groups.join(":");
}

/** An IPv4 address in dotted form as 4 bytes; undefined when it is none. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [i, part] of parts.entries()) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
    bytes[i] = Number(part);
  }
  return bytes;
}

/** An endpoint as one string: the key under which it is remembered. IPv6 in brackets. */
export function endpointKey(endpoint: Endpoint): string {
  return endpoint.host.includes(":")
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}
