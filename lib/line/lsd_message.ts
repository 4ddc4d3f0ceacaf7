// Local Service Discovery's one message (BEP 14), as text: who listens where, for which torrents.

import { parseHex, toHex } from "../bytes.ts";
import { formatEndpoint } from "../endpoint.ts";
import type { Endpoint } from "../ports.ts";

/** Where it is sent. */
export const LSD_GROUP: Endpoint = { host: "239.192.152.143", port: 6771 };
export const LSD_GROUP_IPV6: Endpoint = { host: "ff15::efc0:988f", port: 6771 };

export interface LsdMessage {
  readonly port: number;
  /** 20 bytes each. */
  readonly infoHashes: readonly Uint8Array[];
  /** The sender knows its own messages by it. */
  readonly cookie: string | undefined;
}

/** One torrent in each: libtorrent and others send it so. */
export function encodeLsd({ group, port, infoHash, cookie }: {
  /** One of the two above. */
  readonly group: Endpoint;
  readonly port: number;
  readonly infoHash: Uint8Array;
  readonly cookie: string;
}): Uint8Array {
  return new TextEncoder().encode(
    `BT-SEARCH * HTTP/1.1\r\nHost: ${formatEndpoint(group)}\r\nPort: ${port}\r\nInfohash: ${
      toHex(infoHash)
    }\r\n` +
      `cookie: ${cookie}\r\n\r\n\r\n`,
  );
}

/** undefined for anything else. */
export function parseLsd(bytes: Uint8Array): LsdMessage | undefined {
  if (bytes.length > MAX_MESSAGE_BYTES) return undefined;
  const [first, ...lines] = new TextDecoder().decode(bytes).split("\r\n");
  if (first !== "BT-SEARCH * HTTP/1.1") return undefined;
  let port = Number.NaN;
  let cookie: string | undefined;
  const infoHashes: Uint8Array[] = [];
  for (const line of lines) {
    // By hand: an expression that trims both ends takes half a second for a datagram of blanks.
    const colon = line.indexOf(":");
    const value = line.slice(colon + 1).trim();
    switch (line.slice(0, Math.max(0, colon)).toLowerCase()) {
      case "port":
        port = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
        break;
      case "cookie":
        cookie = value;
        break;
      case "infohash": {
        const hash = value.length === 40 ? parseHex(value) : undefined;
        if (hash !== undefined) infoHashes.push(hash);
        break;
      }
    }
  }
  return port >= 1 && port <= 65535 && infoHashes.length > 0 ? { port, infoHashes, cookie } : undefined;
}

/** BEP 14. Which bounds the torrents of one message, too. */
const MAX_MESSAGE_BYTES = 1400;
