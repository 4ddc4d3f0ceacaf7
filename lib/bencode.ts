// Bencoding both ways (BEP 3), for bytes from strangers. Strict mode takes exactly the canonical form, so that
// encode(decode(x)) equals x; lenient mode also takes what libtorrent takes: dictionaries in any order (the first of
// two equal keys counts) and leading zeros. Every dictionary remembers the bytes of its values: what is hashed or
// signed is what came, never a re-encoding.
//
// Keys are binary strings, one character per byte (`piece layers` has raw hashes for keys). Byte strings are views
// into the input, not copies. Nothing is allocated by a length that the input only claims.

import { compareBytes, toBinaryString, utf8 } from "./bytes.ts";
import { WireFault } from "./errors.ts";

/** A decoded value. Integers are numbers within ±(2^53 - 1) and bigints outside. */
export type Bencoded = number | bigint | Uint8Array | readonly Bencoded[] | BDict;

/** What can be encoded: text becomes UTF-8, an object's or a Map's keys are binary strings and get sorted. */
export type Encodable =
  | number
  | bigint
  | string
  | Uint8Array
  | BDict
  | Verbatim
  | readonly Encodable[]
  | ReadonlyMap<string, Encodable>
  | { readonly [key: string]: Encodable | undefined };

/** Bytes that are not bencoding, or break a limit. */
export class BencodeFault extends WireFault {
  override readonly name = "BencodeFault";
  constructor(why: string, readonly at: number) {
    super("BEP 3", `bencoding: ${why} at byte ${at}`);
  }
}

/** Something already bencoded, put into what is encoded as it is: a signed value, an info dictionary. */
export class Verbatim {
  /** @param bytes Exactly one bencoded value; kept, not copied, and not checked. */
  constructor(readonly bytes: Uint8Array) {}
}

/** A dictionary: values by binary-string key, and each value's bytes as they came. */
export class BDict {
  readonly #source: Uint8Array;
  readonly #entries = new Map<string, { value: Bencoded; from: number; to: number }>();

  /** @internal Only the decoder makes one. @param source The whole input. */
  constructor(source: Uint8Array) {
    this.#source = source;
  }

  /** @internal Only the decoder fills one. The value's bencoding is `from` to `to` of the input. */
  add(key: string, value: Bencoded, from: number, to: number): void {
    if (!this.#entries.has(key)) this.#entries.set(key, { value, from, to });
  }

  get size(): number {
    return this.#entries.size;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** In the order they came, which in strict mode is that of their bytes. */
  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  *entries(): IterableIterator<[string, Bencoded]> {
    for (const [key, { value }] of this.#entries) yield [key, value];
  }

  get(key: string): Bencoded | undefined {
    return this.#entries.get(key)?.value;
  }

  /** The value's bencoding exactly as it came: a view into the input. */
  raw(key: string): Uint8Array | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined ? undefined : this.#source.subarray(entry.from, entry.to);
  }

  /** The value if it is a byte string, otherwise undefined. */
  bytes(key: string): Uint8Array | undefined {
    const value = this.get(key);
    return value instanceof Uint8Array ? value : undefined;
  }

  /** The value if it is an integer within ±(2^53 - 1), otherwise undefined. */
  int(key: string): number | undefined {
    const value = this.get(key);
    return typeof value === "number" ? value : undefined;
  }

  /** The value if it is a dictionary, otherwise undefined. */
  dict(key: string): BDict | undefined {
    const value = this.get(key);
    return value instanceof BDict ? value : undefined;
  }

  /** The value if it is a list, otherwise undefined. */
  list(key: string): readonly Bencoded[] | undefined {
    const value = this.get(key);
    return isList(value) ? value : undefined;
  }
}

/** Whether a decoded value is a list. */
export function isList(value: Bencoded | undefined): value is readonly Bencoded[] {
  return Array.isArray(value);
}

/** How much a stranger may make us do. */
export interface DecodeOptions {
  /** "strict" (default) or "lenient": dictionary keys unsorted or twice, leading zeros. */
  readonly mode?: "strict" | "lenient";
  /** Deepest nesting of lists and dictionaries; default 100. */
  readonly maxDepth?: number;
  /** Most values and keys together; default 2,000,000. */
  readonly maxTokens?: number;
}

/**
 * Decodes one value that must fill the input.
 *
 * @throws {BencodeFault} When the input is not exactly one value or breaks a limit.
 * @see BEP 3; limits as in libtorrent's bdecode.
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): Bencoded {
  const { value, length } = decodePrefix(bytes, options);
  if (length !== bytes.length) throw new BencodeFault(`${bytes.length - length} bytes too many`, length);
  return value;
}

/**
 * Decodes one value at the start of the input; other bytes may follow (ut_metadata appends raw data).
 *
 * @returns The value, and how many bytes it took.
 * @throws {BencodeFault}
 */
export function decodePrefix(
  bytes: Uint8Array,
  options: DecodeOptions = {},
): { value: Bencoded; length: number } {
  const decoder = new Decoder(bytes, options);
  const value = decoder.value(0);
  return { value, length: decoder.at };
}

/** Decodes a value that must be a dictionary. @throws {BencodeFault} */
export function decodeDict(bytes: Uint8Array, options: DecodeOptions = {}): BDict {
  const value = decode(bytes, options);
  if (!(value instanceof BDict)) throw new BencodeFault("not a dictionary", 0);
  return value;
}

/**
 * Encodes canonically: keys sorted by their bytes, object members that are undefined left out.
 *
 * @returns A fresh buffer, the caller's.
 * @throws {RangeError} For a number that is not an integer within ±(2^53 - 1), a bigint of more than 20 digits, or a
 * key with a character above U+00FF.
 */
export function encode(value: Encodable): Uint8Array {
  const out = new Output();
  encodeInto(out, value);
  return out.taken();
}

/** One walk over the input. Recursion is bounded by `maxDepth`. */
class Decoder {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #strict: boolean;
  readonly #maxDepth: number;
  #tokensLeft: number;

  constructor(bytes: Uint8Array, options: DecodeOptions) {
    this.#bytes = bytes;
    this.#strict = options.mode !== "lenient";
    this.#maxDepth = options.maxDepth ?? 100;
    this.#tokensLeft = options.maxTokens ?? 2_000_000;
  }

  value(depth: number): Bencoded {
    this.#countToken();
    switch (this.#bytes[this.at]) {
      case undefined:
        throw this.#fault("the input ends");
      case I:
        return this.#integer();
      case L:
        return this.#list(depth + 1);
      case D:
        return this.#dict(depth + 1);
      default:
        return this.#string();
    }
  }

  #integer(): number | bigint {
    this.at++;
    const negative = this.#bytes[this.at] === MINUS;
    if (negative) this.at++;
    const from = this.at;
    this.#digits(MAX_INTEGER_DIGITS, E);
    if (negative && this.#strict && this.#bytes[from] === ZERO) throw this.#fault("negative zero");
    const digits = toBinaryString(this.#bytes.subarray(from, this.at));
    this.at++;
    const number = Number(digits);
    if (number === 0) return 0;
    if (number <= Number.MAX_SAFE_INTEGER) return negative ? -number : number;
    return negative ? -BigInt(digits) : BigInt(digits);
  }

  #string(): Uint8Array {
    const from = this.at;
    this.#digits(MAX_LENGTH_DIGITS, COLON);
    let length = 0;
    for (let i = from; i < this.at; i++) length = length * 10 + (this.#bytes[i]! - ZERO);
    this.at++;
    if (length > this.#bytes.length - this.at) throw this.#fault(`a string of ${length} bytes is cut off`);
    const value = this.#bytes.subarray(this.at, this.at + length);
    this.at += length;
    return value;
  }

  #list(depth: number): readonly Bencoded[] {
    this.#enter(depth);
    const items: Bencoded[] = [];
    while (this.#bytes[this.at] !== E) items.push(this.value(depth));
    this.at++;
    return items;
  }

  #dict(depth: number): BDict {
    this.#enter(depth);
    const dict = new BDict(this.#bytes);
    let previous: Uint8Array | undefined;
    while (this.#bytes[this.at] !== E) {
      this.#countToken();
      const keyAt = this.at;
      const key = this.#string();
      if (this.#strict && previous !== undefined && compareBytes(previous, key) >= 0) {
        throw new BencodeFault("a key that is not above the one before", keyAt);
      }
      previous = key;
      const from = this.at;
      const value = this.value(depth);
      dict.add(toBinaryString(key), value, from, this.at);
    }
    this.at++;
    return dict;
  }

  /** Walks over a run of digits (in strict mode a canonical one) up to the terminator, which is left unread. */
  #digits(most: number, terminator: number): void {
    const from = this.at;
    for (;;) {
      const byte = this.#bytes[this.at];
      if (byte === terminator && this.at > from) break;
      if (byte === undefined) throw this.#fault("the input ends");
      if (byte < ZERO || byte > NINE) throw this.#fault("a digit is missing");
      if (this.at - from >= most) throw this.#fault("a number is too long");
      this.at++;
    }
    if (this.#strict && this.#bytes[from] === ZERO && this.at - from > 1) throw this.#fault("a leading zero");
  }

  #enter(depth: number): void {
    if (depth > this.#maxDepth) throw this.#fault(`nesting deeper than ${this.#maxDepth}`);
    this.at++;
  }

  #countToken(): void {
    if (--this.#tokensLeft < 0) throw this.#fault("too many values");
  }

  #fault(why: string): BencodeFault {
    return new BencodeFault(why, this.at);
  }
}

/** Bytes on their way out, in a buffer that doubles. */
class Output {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** @param text ASCII only. */
  ascii(text: string): void {
    this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[this.#length++] = text.charCodeAt(i);
  }

  /** @throws {RangeError} When a character is above U+00FF. */
  key(text: string): void {
    this.ascii(`${text.length}:`);
    this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0xff) throw new RangeError(`character ${code} of a key does not fit a byte`);
      this.#bytes[this.#length++] = code;
    }
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  string(bytes: Uint8Array): void {
    this.ascii(`${bytes.length}:`);
    this.raw(bytes);
  }

  taken(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

function encodeInto(out: Output, value: Encodable): void {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not an integer within ±(2^53 - 1)`);
    out.ascii(`i${value === 0 ? 0 : value}e`);
  } else if (typeof value === "bigint") {
    if (value >= MAX_BIGINT || value <= -MAX_BIGINT) {
      throw new RangeError(`${value} has more than ${MAX_INTEGER_DIGITS} digits`);
    }
    out.ascii(`i${value}e`);
  } else if (typeof value === "string") {
    out.string(utf8(value));
  } else if (value instanceof Uint8Array) {
    out.string(value);
  } else if (isEncodableList(value)) {
    out.ascii("l");
    for (const item of value) encodeInto(out, item);
    out.ascii("e");
  } else if (value instanceof Verbatim) {
    out.raw(value.bytes);
  } else if (value instanceof BDict) {
    encodeEntries(out, [...value.entries()]);
  } else if (value instanceof Map) {
    encodeEntries(out, [...value]);
  } else {
    encodeEntries(out, Object.entries(value));
  }
}

/** Binary strings compare as their bytes do. */
function encodeEntries(out: Output, entries: [string, Encodable | undefined][]): void {
  entries.sort(([a], [b]) => a < b ? -1 : 1);
  out.ascii("d");
  for (const [key, value] of entries) {
    if (value === undefined) continue;
    out.key(key);
    encodeInto(out, value);
  }
  out.ascii("e");
}

function isEncodableList(value: Encodable): value is readonly Encodable[] {
  return Array.isArray(value);
}

const [I, L, D, E, MINUS, COLON, ZERO, NINE] = [0x69, 0x6c, 0x64, 0x65, 0x2d, 0x3a, 0x30, 0x39] as const;
/** As libtorrent: more digits than a signed 64-bit integer has are an overflow. */
const MAX_INTEGER_DIGITS = 20;
const MAX_BIGINT = 10n ** BigInt(MAX_INTEGER_DIGITS);
/** 9,999,999,999 bytes: far above any input that fits memory, far below 2^53. */
const MAX_LENGTH_DIGITS = 10;
