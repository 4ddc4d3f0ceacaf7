// The key that releases are signed with: not the authority's, which signs snapshots. Its public half is built in from
// deploy/RELEASE_PUBKEY; there it may say "none", and then there is nothing to check by.

import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { invariant } from "../errors.ts";

/**
 * Reads deploy/RELEASE_PUBKEY: comments, and one line with the key as SubjectPublicKeyInfo (RFC 8410) in base64, or
 * "none".
 *
 * @returns undefined for "none". @throws {InvariantBroken} When it is neither: the file is ours.
 */
export function parseReleaseKey(text: string): KeyObject | undefined {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) =>
    line !== "" && !line.startsWith("#")
  );
  const [line] = lines;
  invariant(line !== undefined && lines.length === 1, "RELEASE_PUBKEY has one line that is no comment");
  if (line === "none") return undefined;
  invariant(ED25519_LINE.test(line), "RELEASE_PUBKEY holds an Ed25519 key or none");
  return createPublicKey(`-----BEGIN PUBLIC KEY-----\n${line}\n-----END PUBLIC KEY-----\n`);
}

/** Whether the key's owner signed these bytes (Ed25519, RFC 8032; the signature as `openssl pkeyutl -rawin` writes it). */
export function isSignedBy(key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_BYTES && verify(null, bytes, key, signature);
}

export const SIGNATURE_BYTES = 64;
/** Twelve fixed bytes are sixteen characters, the key's 32 bytes the other forty-four. */
const ED25519_LINE = /^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$/;
