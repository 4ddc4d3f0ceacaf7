// Mutable items (BEP 44): the target under which one is stored, the bytes that its signature covers, and the
// signature itself, plain RFC 8032 Ed25519.
//
// A lookup may verify a hundred answers between two packets, so it uses node:crypto: 0.03 ms here against 0.68 ms of
// @noble/ed25519, the same verdicts on all vectors, and it too refuses S + L (malleability). What it does not
// refuse is a key of small order, under which anyone can sign anything; so each key is looked at once by noble, which
// also signs (rarely, and in constant code).

import { Buffer } from "node:buffer";
import { createPublicKey, hash, type KeyObject, verify } from "node:crypto";
import { getPublicKey, hashes, Point, sign } from "@noble/ed25519";
import { concatBytes, toHex, utf8 } from "../bytes.ts";
import { sha1 } from "../hash.ts";

/** A signed value at a place in the DHT: what the signature covers, and whose it is. */
export interface SignedItem {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 0 to 64 bytes; empty is the same as none. */
  readonly salt: Uint8Array;
  /** 0 to 2^53 - 1. */
  readonly seq: number;
  /** Bencoded, at most 1000 bytes, exactly as it came. */
  readonly value: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** Where the item of a key and salt is stored: SHA-1 of both, 20 fresh bytes. @see BEP 44 */
export function targetOf(publicKey: Uint8Array, salt: Uint8Array): Uint8Array {
  return sha1(concatBytes(publicKey, salt));
}

/**
 * The bytes that a mutable item's signature covers.
 *
 * Shape: `4:salt<n>:<salt>` (left out when the salt is empty), `3:seqi<seq>e`, `1:v`, then the value as bencoded.
 *
 * @returns A fresh buffer, the caller's.
 * @throws {RangeError} When a bound of `SignedItem` does not hold.
 * @see BEP 44, "Signature Verification"
 */
export function signedBytes({ salt, seq, value }: Pick<SignedItem, "salt" | "seq" | "value">): Uint8Array {
  if (salt.length > MAX_SALT_BYTES) throw new RangeError(`a salt of ${salt.length} bytes`);
  if (!Number.isSafeInteger(seq) || seq < 0) throw new RangeError(`a seq of ${seq}`);
  if (value.length === 0 || value.length > MAX_VALUE_BYTES) {
    throw new RangeError(`a value of ${value.length} bytes`);
  }
  const saltField = salt.length === 0 ? [] : [utf8(`4:salt${salt.length}:`), salt];
  return concatBytes(...saltField, utf8(`3:seqi${seq}e1:v`), value);
}

/** Whether the item is signed by its key. False, never an error, for anything a stranger may send. */
export function verifyItem(item: SignedItem): boolean {
  if (item.value.length === 0 || item.value.length > MAX_VALUE_BYTES) return false;
  if (!Number.isSafeInteger(item.seq) || item.seq < 0 || item.salt.length > MAX_SALT_BYTES) return false;
  return verifySignature(item.signature, signedBytes(item), item.publicKey);
}

/** Whether the signature of exactly these bytes is this key's. False for any wrong length or unusable key. */
export function verifySignature(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES || publicKey.length !== KEY_BYTES) return false;
  const key = usableKey(publicKey);
  return key !== undefined && verify(null, message, key, signature);
}

/** Whether 32 bytes are a public key that only one holder can sign for. */
export function isUsablePublicKey(publicKey: Uint8Array): boolean {
  return publicKey.length === KEY_BYTES && usableKey(publicKey) !== undefined;
}

/** Signs with a seed of 32 bytes. @returns 64 fresh bytes. @throws {RangeError} As `signedBytes`. */
export function signItem(seed: Uint8Array, item: Pick<SignedItem, "salt" | "seq" | "value">): Uint8Array {
  return sign(signedBytes(item), seed);
}

/** Signs any bytes with a seed of 32 bytes (RFC 8032). @returns 64 fresh bytes. */
export function signMessage(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return sign(message, seed);
}

/** The public key of a seed of 32 bytes. */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  return getPublicKey(seed);
}

/** The key as node:crypto wants it, or undefined for one that is no point or of small order; both are kept. */
function usableKey(publicKey: Uint8Array): KeyObject | undefined {
  const name = toHex(publicKey);
  if (keys.has(name)) return keys.get(name);
  if (keys.size >= MAX_KEPT_KEYS) keys.delete(keys.keys().next().value!);
  const key = importKey(publicKey);
  keys.set(name, key);
  return key;
}

function importKey(publicKey: Uint8Array): KeyObject | undefined {
  try {
    if (Point.fromBytes(publicKey).isSmallOrder()) return undefined;
    const der = Buffer.concat([SPKI_PREFIX, publicKey]);
    return createPublicKey({ key: der, format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}

hashes.sha512 = (message) => new Uint8Array(hash("sha512", message, "buffer"));

/** Keys seen last. One authority is the rule; a node that stores items meets a few more. */
const MAX_KEPT_KEYS = 64;
const keys = new Map<string, KeyObject | undefined>();
const MAX_SALT_BYTES = 64;
const MAX_VALUE_BYTES = 1000;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** SubjectPublicKeyInfo of Ed25519 up to the key (RFC 8410). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
