// HOST:PORT as people and magnets write it, and back.

import type { Endpoint } from "./ports.ts";

/**
 * Reads `host:port`, `1.2.3.4:port` or `[v6]:port`. An IPv6 address becomes the shortest text for it, as sockets
 * write it, so that one machine has one name.
 *
 * @returns undefined when it is none of them, or the port is not 1 to 65535.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = SHAPE.exec(text.trim());
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port < 1 || port > 65535 || host.length > MAX_HOST_LENGTH) return undefined;
  if (match?.[1] === undefined) return { host: host.toLowerCase(), port };
  const url = URL.parse(`http://[${host}]/`);
  return url === null ? undefined : { host: url.hostname.slice(1, -1), port };
}

/** The shape that parseEndpoint() reads. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether a host, as sockets or URLs (in brackets) write it, means this machine and nothing else. */
export function isLoopback(host: string): boolean {
  const plain = host.toLowerCase().replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  return plain === "localhost" || plain.endsWith(".localhost") || LOOPBACK.test(plain);
}

/** An IPv6 address in brackets, or letters, digits, dots, hyphens and underscores; then the port. */
const SHAPE = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+)):(\d{1,5})$/i;
/** 127.0.0.0/8, ::1, the first in IPv6's clothes, and the two that stand for "any", which connect here too. */
const LOOPBACK = /^(127(\.\d+){3}|0\.0\.0\.0|::1?|::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4})$/;
/** RFC 1035: a name has at most 253 characters. */
const MAX_HOST_LENGTH = 253;
