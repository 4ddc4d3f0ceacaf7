// Words from the command line and the environment as checked values. Whoever reads the refusal must see which word
// it was: every value travels with the name it was given under.

import { parseHex } from "../bytes.ts";
import { parseEndpoint as endpointOf } from "../endpoint.ts";
import { UsageError } from "../errors.ts";
import type { Endpoint } from "../ports.ts";

/** A word and where it came from: a flag ("--port") or an environment variable ("PORT"). */
export interface Given {
  readonly text: string;
  readonly name: string;
}

/** A port, 0 (any free one) to 65535. @throws {UsageError} */
export function parsePort(given: Given): number {
  const port = /^\d{1,5}$/.test(given.text) ? Number(given.text) : Number.NaN;
  if (!(port <= 65535)) throw refused(given, "a port from 0 to 65535");
  return port;
}

/** A whole number from 1 on. @throws {UsageError} */
export function parseCount(given: Given, most: number): number {
  const count = /^\d{1,9}$/.test(given.text.trim()) ? Number(given.text) : Number.NaN;
  if (!(count >= 1 && count <= most)) throw refused(given, `a number from 1 to ${most}`);
  return count;
}

/** A number of bytes: "500000", "500K", "1.5M", "2G", in powers of 1000. @throws {UsageError} */
export function parseSize(given: Given): number {
  const match = /^(\d+(?:\.\d+)?)([kmg])?(?:b?)$/i.exec(given.text.trim());
  const bytes = match === null
    ? Number.NaN
    : Number(match[1]) * BYTES_PER_UNIT[(match[2] ?? "").toUpperCase()]!;
  if (!Number.isSafeInteger(Math.round(bytes))) throw refused(given, 'a size like "500K", "1.5M" or "2G"');
  return Math.round(bytes);
}

/** `HOST:PORT`, `192.0.2.1:6881` or `[2001:db8::1]:6881`; the host may be a name. @throws {UsageError} */
export function parseEndpoint(given: Given): Endpoint {
  const endpoint = endpointIn(given.text);
  if (endpoint === undefined) throw refused(given, "HOST:PORT, with an IPv6 address in brackets");
  return endpoint;
}

/** Endpoints between commas; empty places are skipped. @throws {UsageError} */
export function parseEndpoints(given: Given): Endpoint[] {
  return given.text.split(",").filter((part) => part.trim() !== "").map((part) =>
    parseEndpoint({ text: part, name: given.name })
  );
}

/** An address to listen on, without port or brackets. @throws {UsageError} */
export function parseAddress(given: Given): string {
  if (isIPv4(given.text) || isIPv6(given.text)) return given.text;
  throw refused(given, "an IPv4 or IPv6 address");
}

/** A time: seconds ("90"), or with a unit: "500ms", "90s", "5m", "2h", "1d". @returns Milliseconds. @throws {UsageError} */
export function parseDurationMs(given: Given): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(given.text.trim());
  const ms = match === null ? Number.NaN : Number(match[1]) * MS_PER_UNIT[match[2] ?? "s"]!;
  if (!Number.isSafeInteger(Math.round(ms))) throw refused(given, 'a time like "90", "90s", "5m" or "2h"');
  return Math.round(ms);
}

/** An Ed25519 public key: 64 hex digits; colons between them are skipped. @returns 32 bytes. @throws {UsageError} */
export function parseKey(given: Given): Uint8Array {
  const key = parseHex(given.text.replaceAll(":", "").trim());
  if (key?.length !== 32) throw refused(given, "a public key of 64 hex digits");
  return key;
}

/** An info-hash: 40 hex digits (v1, or v2 cut short) or 64 (v2). @throws {UsageError} */
export function parseInfoHash(given: Given): Uint8Array {
  const hash = parseHex(given.text.trim());
  if (hash?.length !== 20 && hash?.length !== 32) throw refused(given, "an info-hash of 40 or 64 hex digits");
  return hash;
}

/** One of a few words, whatever their case. @throws {UsageError} */
export function parseChoice<T extends string>(given: Given, choices: readonly T[]): T {
  const word = given.text.trim().toLowerCase();
  const choice = choices.find((one) => one === word);
  if (choice === undefined) throw refused(given, `one of ${choices.join(", ")}`);
  return choice;
}

/** The refusal of a value, naming it. */
export function refused(given: Given, what: string): UsageError {
  return new UsageError(`${given.name} must be ${what}, not "${given.text}"`);
}

/** What the shape alone lets through is refused here: addresses with a number too large or too few of them. */
function endpointIn(text: string): Endpoint | undefined {
  const endpoint = endpointOf(text);
  if (endpoint === undefined) return undefined;
  const { host } = endpoint;
  return isIPv6(host) || isIPv4(host) || isHostName(host) ? endpoint : undefined;
}

function isIPv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

/** The URL parser is the one place of the language that knows all forms of an IPv6 address. */
function isIPv6(text: string): boolean {
  return /^[0-9a-fA-F:.]+$/.test(text) && URL.canParse(`http://[${text}]/`);
}

/** RFC 1123, underscores allowed (container names have them); all digits would be a mistyped address. */
function isHostName(text: string): boolean {
  return text.length <= 253 && !/^[\d.]+$/.test(text) &&
    text.split(".").every((label) => /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label));
}

const BYTES_PER_UNIT: Readonly<Record<string, number>> = { "": 1, K: 1e3, M: 1e6, G: 1e9 };
const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
