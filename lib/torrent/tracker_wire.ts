// What is said to trackers and what they answer, as bytes: queries and bencoded replies of HTTP trackers (BEP 3, 7,
// 23), packets of UDP trackers (BEP 15, 41). No state. A reply is a stranger's word: it is bounded, names instead of
// addresses are left out, and its texts are cut to fit a log line.

import { BDict, type Bencoded, decodePrefix, isList } from "../bencode.ts";
import { ByteReader, concatBytes, parseUtf8, utf8 } from "../bytes.ts";
import { WireFault } from "../errors.ts";
import type { Endpoint } from "../ports.ts";
import { formatIp, parseCompactPeers, parseIp } from "./compact.ts";
import { MAX_TRACKER_ID_BYTES, MAX_TRACKER_PEERS, MAX_TRACKER_TEXT, MAX_TRACKER_TOKENS } from "./limits.ts";

export type TrackerEvent = "none" | "completed" | "started" | "stopped";

/** What one announce says. */
export interface AnnounceRequest {
  /** 20 bytes: v1, or v2 cut short. */
  readonly infoHash: Uint8Array;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
  /** Where peers reach us. */
  readonly port: number;
  /** 32 bits: proves to a tracker that a new address is still us. */
  readonly key: number;
  /** Bytes of content in this run, and bytes to go. */
  readonly downloaded: number;
  readonly uploaded: number;
  readonly left: number;
  readonly event: TrackerEvent;
  readonly peersWanted: number;
  /** What this tracker wanted to hear again. */
  readonly trackerId: Uint8Array | undefined;
}

export type TrackerAnswer = AnnounceReply | {
  readonly kind: "refused";
  /** In the tracker's words, fit for a log. */
  readonly why: string;
};

export interface AnnounceReply {
  readonly kind: "reply";
  /** As it came, in any size and sign: whoever uses them must hold them within bounds. */
  readonly intervalSeconds: number | undefined;
  readonly minIntervalSeconds: number | undefined;
  readonly trackerId: Uint8Array | undefined;
  readonly warning: string | undefined;
  /** Our own address as the tracker sees it. */
  readonly externalIp: string | undefined;
  readonly peers: readonly Endpoint[];
}

/** What comes back from a UDP tracker. */
export type UdpReply =
  | { readonly action: "connect"; readonly transactionId: number; readonly connectionId: Uint8Array }
  | { readonly action: "announce"; readonly transactionId: number; readonly answer: TrackerAnswer }
  | { readonly action: "error"; readonly transactionId: number; readonly answer: TrackerAnswer };

/**
 * The URL that announces by HTTP: the tracker's own, its query kept, and libtorrent's parameters in its order. Left
 * out are those that would not be true of us (`supportcrypto`) or that nobody counts (`corrupt`, `redundant`).
 *
 * @throws {TypeError} When the tracker's URL is none.
 * @see BEP 3, "Trackers"; BEP 23
 */
export function announceUrl(tracker: string, request: AnnounceRequest): string {
  const url = new URL(tracker);
  const parameters = [
    `info_hash=${percentEncoded(request.infoHash)}`,
    `peer_id=${percentEncoded(request.peerId)}`,
    `port=${request.port}`,
    `uploaded=${request.uploaded}`,
    `downloaded=${request.downloaded}`,
    `left=${request.left}`,
    `key=${request.key.toString(16).toUpperCase().padStart(8, "0")}`,
    ...(request.event === "none" ? [] : [`event=${request.event}`]),
    `numwant=${request.peersWanted}`,
    "compact=1",
    "no_peer_id=1",
    ...(request.trackerId === undefined ? [] : [`trackerid=${percentEncoded(request.trackerId)}`]),
  ];
  const before = url.search === "" ? "?" : `${url.search}&`;
  return `${url.origin}${url.pathname}${before}${parameters.join("&")}`;
}

/**
 * Reads an HTTP tracker's reply. Peers may be compact, or a list of dictionaries; both families are joined.
 *
 * @throws {WireFault} When it is not a bencoded dictionary.
 */
export function parseHttpReply(body: Uint8Array): TrackerAnswer {
  // As libtorrent: what follows the dictionary (a newline, often) does not matter.
  const { value: reply } = decodePrefix(body, {
    mode: "lenient",
    maxDepth: MAX_REPLY_DEPTH,
    maxTokens: MAX_TRACKER_TOKENS,
  });
  if (!(reply instanceof BDict)) throw new WireFault("BEP 3", "the reply is not a dictionary");
  const failure = reply.bytes("failure reason");
  if (failure !== undefined) return { kind: "refused", why: shown(failure) };
  const warning = reply.bytes("warning message");
  const trackerId = reply.bytes("tracker id");
  const external = reply.bytes("external ip");
  const isAddress = external?.length === 4 || external?.length === 16;
  return {
    kind: "reply",
    intervalSeconds: reply.int("interval"),
    minIntervalSeconds: reply.int("min interval"),
    trackerId: trackerId !== undefined && trackerId.length <= MAX_TRACKER_ID_BYTES
      ? trackerId.slice()
      : undefined,
    warning: warning === undefined ? undefined : shown(warning),
    externalIp: isAddress ? formatIp(external!) : undefined,
    peers: bounded([...peersIn(reply, "peers", 4), ...peersIn(reply, "peers6", 16)]),
  };
}

/** BEP 15's first packet: 16 bytes. */
export function encodeUdpConnect(transactionId: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, UDP_PROTOCOL);
  view.setUint32(8, UDP_ACTIONS.connect);
  view.setUint32(12, transactionId);
  return bytes;
}

/**
 * BEP 15's announce: 98 bytes, and the URL's path and query as BEP 41 wants them.
 *
 * @param packet.connectionId 8 bytes, from the tracker.
 * @param packet.urlData Path and query; may be empty.
 */
export function encodeUdpAnnounce(packet: {
  readonly connectionId: Uint8Array;
  readonly transactionId: number;
  readonly request: AnnounceRequest;
  readonly urlData: string;
}): Uint8Array {
  const { request } = packet;
  const bytes = new Uint8Array(98);
  const view = new DataView(bytes.buffer);
  bytes.set(packet.connectionId, 0);
  view.setUint32(8, UDP_ACTIONS.announce);
  view.setUint32(12, packet.transactionId);
  bytes.set(request.infoHash, 16);
  bytes.set(request.peerId, 36);
  view.setBigUint64(56, BigInt(request.downloaded));
  view.setBigUint64(64, BigInt(request.left));
  view.setBigUint64(72, BigInt(request.uploaded));
  view.setUint32(80, UDP_EVENTS[request.event]);
  // 84: our address; zero lets the tracker take the packet's.
  view.setUint32(88, request.key);
  view.setInt32(92, request.peersWanted);
  view.setUint16(96, request.port);
  return concatBytes(bytes, ...urlOptions(utf8(packet.urlData)));
}

/**
 * Reads a packet from a UDP tracker. Longer ones than needed are fine: extensions may follow.
 *
 * @param ipBytes 4 when it came over IPv4, 16 over IPv6: that is how its peers are written.
 * @throws {WireFault} When it is too short or of an unknown kind.
 */
export function parseUdpReply(bytes: Uint8Array, ipBytes: 4 | 16): UdpReply {
  const r = new ByteReader(bytes, "BEP 15");
  const action = r.u32();
  const transactionId = r.u32();
  switch (action) {
    case UDP_ACTIONS.connect:
      return { action: "connect", transactionId, connectionId: r.bytes(8).slice() };
    case UDP_ACTIONS.announce: {
      const intervalSeconds = r.u32();
      r.bytes(8); // leechers and seeders
      const peers = bounded(parseCompactPeers(r.bytes(r.remaining), ipBytes));
      return { action: "announce", transactionId, answer: { ...PLAIN_REPLY, intervalSeconds, peers } };
    }
    case UDP_ACTIONS.error:
      return {
        action: "error",
        transactionId,
        answer: { kind: "refused", why: shown(r.bytes(r.remaining)) },
      };
    default:
      throw new WireFault("BEP 15", `action ${action}`);
  }
}

/** A tracker's words on one line. */
function shown(bytes: Uint8Array): string {
  // One character is at most 4 bytes; the rest need not be decoded.
  const text = new TextDecoder().decode(bytes.subarray(0, 4 * MAX_TRACKER_TEXT));
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim().slice(0, MAX_TRACKER_TEXT)
    .toWellFormed();
}

function peersIn(reply: BDict, key: string, ipBytes: 4 | 16): (Endpoint | undefined)[] {
  const value = reply.get(key);
  if (value instanceof Uint8Array) {
    return parseCompactPeers(value.subarray(0, MAX_TRACKER_PEERS * (ipBytes + 2)), ipBytes);
  }
  return isList(value) ? value.slice(0, MAX_TRACKER_PEERS).map(listedPeer) : [];
}

/** A name instead of an address is left out: we look up no names for strangers. */
function listedPeer(item: Bencoded): Endpoint | undefined {
  const dict = item instanceof BDict ? item : undefined;
  const port = dict?.int("port") ?? 0;
  const ip = dict?.bytes("ip");
  const text = ip === undefined || ip.length > MAX_IP_TEXT ? undefined : parseUtf8(ip);
  if (text === undefined || port < 1 || port > 65535) return undefined;
  const bytes = parseIp(text);
  return bytes === undefined ? undefined : { host: formatIp(bytes), port };
}

/** The first of them, without gaps. */
function bounded(peers: readonly (Endpoint | undefined)[]): Endpoint[] {
  return peers.filter((peer) => peer !== undefined).slice(0, MAX_TRACKER_PEERS);
}

/** Every byte that is not unreserved (RFC 3986) as %XX. */
function percentEncoded(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += /[A-Za-z0-9._~-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** BEP 41: type 2, a length, that many bytes; as often as it takes. The packet's end ends the options. */
function urlOptions(data: Uint8Array): Uint8Array[] {
  const options: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += 255) {
    const part = data.subarray(at, at + 255);
    options.push(Uint8Array.of(URL_DATA, part.length), part);
  }
  return options;
}

const PLAIN_REPLY = {
  kind: "reply",
  minIntervalSeconds: undefined,
  trackerId: undefined,
  warning: undefined,
  externalIp: undefined,
} as const;
const UDP_PROTOCOL = 0x41727101980n;
const UDP_ACTIONS = { connect: 0, announce: 1, error: 3 } as const;
const UDP_EVENTS: Readonly<Record<TrackerEvent, number>> = { none: 0, completed: 1, started: 2, stopped: 3 };
const URL_DATA = 2;
/** A list of dictionaries is 3 deep; what else is in a reply is passed over, to this depth. */
const MAX_REPLY_DEPTH = 10;
/** An IPv6 address with an IPv4 tail has 45 characters. */
const MAX_IP_TEXT = 45;
