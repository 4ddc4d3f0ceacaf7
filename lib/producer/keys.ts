// The producer's key: 32 bytes from which Ed25519 makes everything else, as hex in a variable or a file that is nobody
// else's to read. It is never a word of the command line, where other users would see it, and it leaves this file only
// as signatures: no error and no log line quotes what was read.

import { parseHex, parseUtf8, toHex, utf8 } from "../bytes.ts";
import { publicKeyOf, type SignedItem, signItem, signMessage } from "../dht/signature.ts";
import { PathUnusable, UsageError } from "../errors.ts";
import type { Files, Random } from "../ports.ts";

/** A private key that can sign and cannot be shown. */
export class SigningKey {
  readonly #seed: Uint8Array;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;

  /** @param seed 32 bytes; copied. */
  constructor(seed: Uint8Array) {
    if (seed.length !== SEED_BYTES) throw new RangeError(`a seed of ${seed.length} bytes`);
    this.#seed = seed.slice();
    this.publicKey = publicKeyOf(this.#seed);
  }

  /** Signs a mutable item (BEP 44). @throws {RangeError} As `signItem`. */
  signItem(item: Pick<SignedItem, "salt" | "seq" | "value">): SignedItem {
    return { ...item, publicKey: this.publicKey, signature: signItem(this.#seed, item) };
  }

  /** Signs any bytes. @returns 64 fresh bytes. */
  signMessage(message: Uint8Array): Uint8Array {
    return signMessage(this.#seed, message);
  }
}

/**
 * Reads a private key: hex of the seed's 32 bytes, or of 64 bytes that begin with it. Space around it does not count.
 *
 * @param name Where it comes from, for the refusal.
 * @throws {UsageError} It says how much was there, never what.
 */
export function parsePrivateKey(text: string, name: string): SigningKey {
  const digits = text.trim();
  const bytes = parseHex(digits);
  if (bytes?.length === SEED_BYTES || bytes?.length === 2 * SEED_BYTES) {
    return new SigningKey(bytes.subarray(0, SEED_BYTES));
  }
  const what = digits === ""
    ? "nothing"
    : /^[0-9a-fA-F]*$/.test(digits)
    ? `${digits.length} of them`
    : "something else";
  throw new UsageError(`${name} must hold a private key of 64 or 128 hex digits, not ${what}`);
}

/**
 * Reads a private key from a file.
 *
 * @returns The key, and a sentence when others than its owner can read the file.
 * @throws {PathUnusable} When it cannot be read. @throws {UsageError} As `parsePrivateKey`.
 */
export function readKeyFile(files: Files, path: string): { key: SigningKey; warning: string | undefined } {
  const bytes = files.read(path, MAX_KEY_FILE_BYTES);
  if (bytes === undefined) throw new PathUnusable(`Cannot read the key file ${path}: no such file`);
  const key = parsePrivateKey(parseUtf8(bytes) ?? "?", `The key file ${path}`);
  const mode = files.stat(path)?.mode ?? 0;
  const isOpen = (mode & FOR_OTHERS) !== 0;
  return { key, warning: isOpen ? `Others can read the private key in ${path}: chmod 600 it` : undefined };
}

/**
 * Makes a key in a new file that only its owner can read.
 *
 * @throws {PathUnusable} When something is there already, or the file cannot be made.
 */
export function createKeyFile(files: Files, random: Random, path: string): SigningKey {
  if (files.stat(path) !== undefined) {
    throw new PathUnusable(
      `Cannot make a key in ${path}: something is there already, and a key is never replaced`,
    );
  }
  const seed = random.bytes(SEED_BYTES);
  const key = new SigningKey(seed);
  files.writeNew(path, utf8(`${toHex(seed)}\n`), 0o600);
  return key;
}

const SEED_BYTES = 32;
/** A key is 129 bytes at most; who points at another file hears of it. */
const MAX_KEY_FILE_BYTES = 4096;
/** Group and all others: read, write and execute. */
const FOR_OTHERS = 0o077;
