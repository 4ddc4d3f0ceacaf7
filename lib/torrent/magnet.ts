// Magnet links and bare info-hashes (BEP 9, 46, 52, 53), as a user gives them: what is wrong with one is a UsageError.
// Only what says which torrent is meant must be right; names, trackers, peers and web seeds are hints, and those
// that we cannot use are left out.

import { equalBytes, parseHex, toHex } from "../bytes.ts";
import { formatEndpoint, parseEndpoint } from "../endpoint.ts";
import { UsageError } from "../errors.ts";
import type { Endpoint } from "../ports.ts";
import { MAX_MAGNET_LENGTH, MAX_MAGNET_PEERS } from "./limits.ts";
import { trackerUrls, webSeedUrls } from "./urls.ts";

/** What a magnet says. At least one of the two hashes or the key is there. */
export interface Magnet {
  /** 20 bytes. May be the start of a v2 hash: BEP 52 allows it, and libtorrent accepts the metadata. */
  readonly infoHashV1: Uint8Array | undefined;
  /** 32 bytes. */
  readonly infoHashV2: Uint8Array | undefined;
  /** An authority's Ed25519 key, 32 bytes: the torrent is what its mutable item names (BEP 46). */
  readonly publicKey: Uint8Array | undefined;
  /** 1 to 64 bytes; only with a key. */
  readonly salt: Uint8Array | undefined;
  /** For people only: not a safe file name. */
  readonly name: string | undefined;
  readonly trackers: readonly string[];
  readonly webSeeds: readonly string[];
  readonly peers: readonly Endpoint[];
}

/** Exactly one of the hashes of a torrent. */
export type InfoHash =
  | { readonly infoHashV1: Uint8Array; readonly infoHashV2: undefined }
  | { readonly infoHashV1: undefined; readonly infoHashV2: Uint8Array };

/**
 * Reads a magnet. Parameters count in any case and with suffixes (`tr.1`); unknown ones are passed over. Takes the
 * first magnets of the OpenRai stream too: `btmh` without `1220`, DHT routers as trackers.
 *
 * @throws {UsageError}
 * @see BEP 9, "magnet URI format"; BEP 46; BEP 52, "Upgrade Path"
 */
export function parseMagnet(text: string): Magnet {
  const trimmed = text.trim();
  if (trimmed.length > MAX_MAGNET_LENGTH) {
    refuse(`it has ${trimmed.length} characters, more than ${MAX_MAGNET_LENGTH}`);
  }
  if (!/^magnet:\?/i.test(trimmed)) refuse(`"${shown(trimmed)}" does not begin with magnet:?`);
  const parameters = readParameters(trimmed.slice("magnet:?".length));

  const topics = parameters.get("xt") ?? [];
  const infoHashV1 = onlyOne("btih", topics, (text) => hexOf(text, 20) ?? base32Hash(text));
  const infoHashV2 = onlyOne("btmh", topics, v2Hash);
  const publicKey = onlyOne("btpk", parameters.get("xs") ?? [], (text) => hexOf(text, 32));
  if (infoHashV1 === undefined && infoHashV2 === undefined && publicKey === undefined) {
    refuse("it has no xt=urn:btih, xt=urn:btmh or xs=urn:btpk");
  }
  const salt = publicKey === undefined ? undefined : readSalt(parameters.get("s")?.[0] ?? "");
  const name = parameters.get("dn")?.[0]?.slice(0, MAX_NAME_LENGTH).toWellFormed();
  return {
    infoHashV1,
    infoHashV2,
    publicKey,
    salt,
    name: name === "" ? undefined : name,
    trackers: trackerUrls(parameters.get("tr") ?? []),
    webSeeds: webSeedUrls(parameters.get("ws") ?? []),
    peers: (parameters.get("x.pe") ?? []).map(parseEndpoint).filter((peer) => peer !== undefined)
      .slice(0, MAX_MAGNET_PEERS),
  };
}

/** Writes a magnet, parameters in the order of OpenRai's. What is absent is left out. */
export function formatMagnet(magnet: Partial<Magnet>): string {
  const parameters: string[] = [];
  const add = (key: string, value: string) => parameters.push(`${key}=${escaped(value)}`);
  if (magnet.infoHashV1 !== undefined) parameters.push(`xt=urn:btih:${toHex(magnet.infoHashV1)}`);
  if (magnet.infoHashV2 !== undefined) {
    parameters.push(`xt=urn:btmh:${SHA256_PREFIX}${toHex(magnet.infoHashV2)}`);
  }
  if (magnet.publicKey !== undefined) parameters.push(`xs=urn:btpk:${toHex(magnet.publicKey)}`);
  if (magnet.salt !== undefined && magnet.salt.length > 0) add("s", toHex(magnet.salt));
  if (magnet.name !== undefined) add("dn", magnet.name);
  for (const tracker of magnet.trackers ?? []) add("tr", tracker);
  for (const webSeed of magnet.webSeeds ?? []) add("ws", webSeed);
  // libtorrent reads a peer only when it is not escaped.
  for (const peer of magnet.peers ?? []) parameters.push(`x.pe=${formatEndpoint(peer)}`);
  return `magnet:?${parameters.join("&")}`;
}

/**
 * Reads an info-hash: 40 hex digits for v1 (or the start of a v2 hash), 64 for v2, with or without the multihash's
 * `1220` before them.
 *
 * @throws {UsageError}
 */
export function parseInfoHash(text: string): InfoHash {
  const trimmed = text.trim();
  const infoHashV2 = v2Hash(trimmed);
  if (infoHashV2 !== undefined) return { infoHashV1: undefined, infoHashV2 };
  const infoHashV1 = hexOf(trimmed, 20);
  if (infoHashV1 !== undefined) return { infoHashV1, infoHashV2: undefined };
  throw new UsageError(`Cannot use the info-hash "${shown(trimmed)}": it is neither 40 nor 64 hex digits`);
}

/** Values by lower-case key, number suffixes taken off, percent-decoded, in order. */
function readParameters(query: string): Map<string, string[]> {
  const parameters = new Map<string, string[]>();
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (equals < 0) continue;
    const key = pair.slice(0, equals).toLowerCase().replace(/\.\d+$/, "");
    const text = pair.slice(equals + 1);
    const value = percentDecoded(key === "dn" ? text.replaceAll("+", " ") : text);
    if (value === undefined) {
      if (ESSENTIAL.has(key)) refuse(`"${shown(pair)}" is not percent-encoded UTF-8`);
      continue;
    }
    const values = parameters.get(key);
    if (values === undefined) parameters.set(key, [value]);
    else values.push(value);
  }
  return parameters;
}

function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** The one value of a kind of URN; undefined when none is of that kind. */
function onlyOne(
  kind: string,
  urns: readonly string[],
  read: (text: string) => Uint8Array | undefined,
): Uint8Array | undefined {
  const prefix = `urn:${kind}:`;
  let found: Uint8Array | undefined;
  for (const urn of urns) {
    if (urn.slice(0, prefix.length).toLowerCase() !== prefix) continue;
    const value = read(urn.slice(prefix.length)) ?? refuse(`"${shown(urn)}" is malformed`);
    if (found !== undefined && !equalBytes(found, value)) refuse(`it has two different ${prefix} values`);
    found = value;
  }
  return found;
}

function readSalt(text: string): Uint8Array | undefined {
  if (text === "") return undefined;
  const salt = parseHex(text);
  if (salt === undefined || salt.length > MAX_SALT_BYTES) {
    refuse(`its salt "${shown(text)}" is not hex of at most ${MAX_SALT_BYTES} bytes`);
  }
  return salt;
}

function v2Hash(text: string): Uint8Array | undefined {
  const full = text.length === 68 && text.startsWith(SHA256_PREFIX) ? text.slice(SHA256_PREFIX.length) : text;
  return hexOf(full, 32);
}

function hexOf(text: string, bytes: number): Uint8Array | undefined {
  return text.length === 2 * bytes ? parseHex(text) : undefined;
}

/** 32 characters of RFC 4648's base32, which are 20 bytes. */
function base32Hash(text: string): Uint8Array | undefined {
  if (!/^[a-z2-7]{32}$/i.test(text)) return undefined;
  const bytes = new Uint8Array(20);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const character of text.toLowerCase()) {
    bits = (bits << 5) | BASE32.indexOf(character);
    held += 5;
    if (held < 8) continue;
    held -= 8;
    bytes[at++] = bits >>> held;
    bits &= (1 << held) - 1;
  }
  return bytes;
}

/** As Python's `quote(text, safe="")`, which the stream's own magnets are made with. */
function escaped(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Text from outside, fit for one line of an error. */
function shown(text: string): string {
  const clean = text.replace(/\p{Cc}/gu, "?");
  return clean.length > MAX_SHOWN ? `${clean.slice(0, MAX_SHOWN)}…` : clean;
}

function refuse(why: string): never {
  throw new UsageError(`Cannot use the magnet: ${why}`);
}

/** What says which torrent is meant. */
const ESSENTIAL: ReadonlySet<string> = new Set(["xt", "xs", "s"]);
/** The multihash's name and length: SHA-256, 32 bytes. */
const SHA256_PREFIX = "1220";
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
/** BEP 44. */
const MAX_SALT_BYTES = 64;
/** Characters: a file name has no more. */
const MAX_NAME_LENGTH = 255;
const MAX_SHOWN = 80;
