// Whose signature counts. Trust begins here: the key is built in from AUTHORITY_PUBKEY, and a flag or one of two
// environment names (the newer and the older of upstream's) replaces it.

import embedded from "../../AUTHORITY_PUBKEY" with { type: "text" };
import { parseHex } from "../bytes.ts";
import { isUsablePublicKey } from "../dht/signature.ts";
import { equalBytes } from "../bytes.ts";
import { UsageError } from "../errors.ts";

/** Where a key may be named. An empty text is none. */
export interface AuthoritySources {
  /** `--authority` or one of its aliases. */
  readonly flag?: string | undefined;
  /** Of the environment, `PRODUCER_SIGNING_PUBKEY` and `AUTHORITY_PUBKEY` are looked at. */
  readonly env?: { readonly [name: string]: string | undefined };
}

/**
 * The authority's key: flag over environment over built in.
 *
 * @returns 32 fresh bytes.
 * @throws {UsageError} For a key that is none, and when both environment names are set and differ.
 */
export function chooseAuthority({ flag, env = {} }: AuthoritySources): Uint8Array {
  if (isNamed(flag)) return parseAuthority(flag, "--authority");
  const named = ENVIRONMENT_NAMES.flatMap((name) => {
    const text = env[name];
    return isNamed(text) ? [{ name, key: parseAuthority(text, name) }] : [];
  });
  const [first, second] = named;
  if (first === undefined) return parseAuthority(embedded, "the built-in AUTHORITY_PUBKEY");
  if (second !== undefined && !equalBytes(first.key, second.key)) {
    throw new UsageError(`Cannot tell whom to trust: ${first.name} and ${second.name} name different keys`);
  }
  return first.key;
}

/**
 * Reads a key of 64 hex digits; colons between them are left out, as upstream does.
 *
 * @param source Named in the error.
 * @throws {UsageError}
 */
export function parseAuthority(text: string, source: string): Uint8Array {
  const plain = text.trim().replaceAll(":", "");
  const key = parseHex(plain);
  if (key?.length !== 32) {
    throw new UsageError(`Cannot use the key of ${source}: "${shown(plain)}" is not 64 hex digits`);
  }
  if (!isUsablePublicKey(key)) {
    throw new UsageError(`Cannot use the key of ${source}: ${plain} is not an Ed25519 public key`);
  }
  return key;
}

function isNamed(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== "";
}

/** A wrong key may be anything, even a private one pasted by mistake: enough to recognise it, and no more. */
function shown(text: string): string {
  return text.length <= 8 ? text : `${text.slice(0, 8)}… (${text.length} characters)`;
}

const ENVIRONMENT_NAMES = ["PRODUCER_SIGNING_PUBKEY", "AUTHORITY_PUBKEY"] as const;
