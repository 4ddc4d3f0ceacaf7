// What an address says about where it leads: strangers name addresses, and we only go where it makes sense to go.

import type { Endpoint } from "./ports.ts";

/** Whether text is an IPv4 address in dotted form. */
export function isIpv4(host: string): boolean {
  return IPV4.test(host) && host.split(".").every((part) => Number(part) <= 255);
}

/**
 * Whether to send to an address that a stranger named. Nobody is at 0.0.0.0/8 or from 224.0.0.0 on; private and
 * loopback addresses are only believed from a sender that has such an address itself, so that nobody outside can
 * point us at the machines of our own network. IPv6 (peers only) is 2000::/3, and fc00::/7 and ::1 among such.
 */
export function isWorthAsking(named: Endpoint, by: Endpoint): boolean {
  if (named.port < 1 || named.port > 65535) return false;
  if (named.host.includes(":")) {
    return GLOBAL_IPV6.test(named.host) || (isLocal(named.host) && isLocal(by.host));
  }
  if (!isIpv4(named.host)) return false;
  const first = Number(named.host.split(".")[0]);
  if (first === 0 || first >= 224) return false;
  return !isLocal(named.host) || isLocal(by.host);
}

/** Loopback, private, link-local (in IPv4 only: in IPv6 it names no place) and carrier-grade NAT addresses (RFC 6890). */
export function isLocal(host: string): boolean {
  if (host.includes(":")) return host === "::1" || UNIQUE_LOCAL_IPV6.test(host);
  const [a, b] = host.split(".").map(Number);
  if (a === undefined || b === undefined) return false;
  return a === 127 || a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) ||
    (a === 169 && b === 254) || (a === 100 && b >= 64 && b < 128);
}

/** Whether two IPv6 addresses begin with the same 64 bits, as those of one local network do. Link-local ones do not count. */
export function shareNetwork(a: string, b: string): boolean {
  const network = networkOf(a);
  return network !== undefined && network === networkOf(b);
}

/** The first four groups, without zeros before their digits. */
function networkOf(host: string): string | undefined {
  if (!GLOBAL_IPV6.test(host) && !UNIQUE_LOCAL_IPV6.test(host)) return undefined;
  const [head = "", tail] = host.toLowerCase().split("::");
  const groups = head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  while (tail !== undefined && groups.length + after.length < 8) groups.push("0");
  return [...groups, ...after].slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(":");
}

const IPV4 = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;
/** 2000::/3 and fc00::/7: a first group of four digits. */
const GLOBAL_IPV6 = /^[23][0-9a-f]{3}:/i;
const UNIQUE_LOCAL_IPV6 = /^f[cd][0-9a-f]{2}:/i;
