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

/**
 * An address of 4 or 16 bytes as text, in the form that sockets give too: IPv6 shortest, IPv4 mapped into it as IPv4.
 * So equal addresses are equal texts, and a ban by text holds.
 */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (MAPPED_IPV4.every((byte, i) => bytes[i] === byte)) return bytes.subarray(12).join(".");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! * 256 + bytes[i + 1]!).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** An IPv4 or IPv6 address as 4 or 16 bytes; undefined when the text is none. */
export function parseIp(text: string): Uint8Array | undefined {
  if (!text.includes(":")) return parseIpv4(text);
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !URL.canParse(`http://[${text}]`)) return undefined;
  const [head, tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split("::");
  const left = head === "" ? [] : head!.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  const bytes = new Uint8Array(16);
  for (const [i, group] of [...left, ...zeros, ...right].entries()) {
    const value = Number.parseInt(group, 16);
    bytes[2 * i] = value >> 8;
    bytes[2 * i + 1] = value & 0xff;
  }
  return bytes;
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

/** What bans and limits count as one stranger: an IPv4 address, or the 64 bits that every owner of IPv6 has at least. */
export function networkOf(host: string): string {
  if (!host.includes(":")) return host;
  const bytes = parseIp(host);
  return bytes === undefined
    ? host
    : formatIp(Uint8Array.of(...bytes.subarray(0, 8), 0, 0, 0, 0, 0, 0, 0, 0));
}

/** A peer in compact form: address and port, 6 or 18 bytes; undefined when the host is no address. */
export function encodeCompactPeer({ host, port }: Endpoint): Uint8Array | undefined {
  const ip = parseIp(host);
  return ip && Uint8Array.of(...ip, port >> 8, port & 0xff);
}

/** An endpoint as one string: the key under which it is remembered. IPv6 in brackets. */
export function endpointKey(endpoint: Endpoint): string {
  return endpoint.host.includes(":")
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}

/** ::ffff:0:0/96. */
const MAPPED_IPV4 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] as const;
