// Bencoding both ways (BEP 3), for bytes from strangers. Strict mode takes exactly the canonical form, so that
// encode(decode(x)) equals x; lenient mode also takes dictionaries in any order, with the last of two equal keys.
// Every dictionary remembers the bytes of its values: what is hashed or signed is what came, never a re-encoding.
//
// Keys are binary strings, one character per byte (`piece layers` has raw hashes for keys). Byte strings are views
// into the input, not copies.

import { compareBytes, concatBytes, fromBinaryString, toBinaryString, utf8 } from "./bytes.ts";
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

/** A dictionary: values by binary-string key, and each value's bytes as they came. */
export class BDict {
  readonly #values = new Map<string, Bencoded>();
  readonly #spans = new Map<string, Uint8Array>();

  /** @internal Only the decoder fills one. */
  set(key: string, value: Bencoded, raw: Uint8Array): void {
    this.#values.set(key, value);
    this.#spans.set(key, raw);
  }

  get size(): number {
    return this.#values.size;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  keys(): IterableIterator<string> {
    return this.#values.keys();
  }

  entries(): IterableIterator<[string, Bencoded]> {
    return this.#values.entries();
  }

  get(key: string): Bencoded | undefined {
    return this.#values.get(key);
  }

  /** The value's bencoding exactly as it came: a view into the input. */
  raw(key: string): Uint8Array | undefined {
    return this.#spans.get(key);
  }

  /** The value if it is a byte string, otherwise undefined. */
  bytes(key: string): Uint8Array | undefined {
    const value = this.#values.get(key);
    return value instanceof Uint8Array ? value : undefined;
  }

  /** The value if it is an integer within ±(2^53 - 1), otherwise undefined. */
  int(key: string): number | undefined {
    const value = this.#values.get(key);
    return typeof value === "number" ? value : undefined;
  }

  /** The value if it is a dictionary, otherwise undefined. */
  dict(key: string): BDict | undefined {
    const value = this.#values.get(key);
    return value instanceof BDict ? value : undefined;
  }

  /** The value if it is a list, otherwise undefined. */
  list(key: string): readonly Bencoded[] | undefined {
    const value = this.#values.get(key);
    return isList(value) ? value : undefined;
  }
}

/** Whether a decoded value is a list. */
export function isList(value: Bencoded | undefined): value is readonly Bencoded[] {
  return Array.isArray(value);
}

/** How much a stranger may make us do. */
export interface DecodeOptions {
  /** "strict" (default) or "lenient": dictionary keys unsorted or twice. */
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
 * @throws {RangeError} For a number that is not an integer within ±(2^53 - 1), or a key above U+00FF.
 */
export function encode(value: Encodable): Uint8Array {
  const parts: Uint8Array[] = [];
  encodeInto(parts, value);
  return concatBytes(...parts);
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
    if (negative && this.#bytes[from] === ZERO) throw this.#fault("negative zero or a leading zero");
    const digits = toBinaryString(this.#bytes.subarray(from, this.at));
    this.at++;
    const number = Number(digits);
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
    const dict = new BDict();
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
      dict.set(toBinaryString(key), value, this.#bytes.subarray(from, this.at));
    }
    this.at++;
    return dict;
  }

  /** Walks over a canonical run of digits up to the terminator, which is left unread. */
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
    if (this.#bytes[from] === ZERO && this.at - from > 1) throw this.#fault("a leading zero");
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

function encodeInto(parts: Uint8Array[], value: Encodable): void {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not an integer within ±(2^53 - 1)`);
    parts.push(utf8(`i${value}e`.replace("i-0e", "i0e")));
  } else if (typeof value === "bigint") {
    parts.push(utf8(`i${value}e`));
  } else if (typeof value === "string") {
    encodeBytes(parts, utf8(value));
  } else if (value instanceof Uint8Array) {
    encodeBytes(parts, value);
  } else if (isEncodableList(value)) {
    parts.push(LIST_START);
    for (const item of value) encodeInto(parts, item);
    parts.push(END);
  } else if (value instanceof BDict) {
    encodeEntries(parts, [...value.entries()]);
  } else if (value instanceof Map) {
    encodeEntries(parts, [...value]);
  } else {
    encodeEntries(parts, Object.entries(value));
  }
}

function encodeEntries(
  parts: Uint8Array[],
  entries: readonly (readonly [string, Encodable | undefined])[],
): void {
  const sorted = entries
    .map(([key, value]) => ({ key: fromBinaryString(key), value }))
    .sort((a, b) => compareBytes(a.key, b.key));
  parts.push(DICT_START);
  for (const { key, value } of sorted) {
    if (value === undefined) continue;
    encodeBytes(parts, key);
    encodeInto(parts, value);
  }
  parts.push(END);
}

function encodeBytes(parts: Uint8Array[], bytes: Uint8Array): void {
  parts.push(utf8(`${bytes.length}:`), bytes);
}

function isEncodableList(value: Encodable): value is readonly Encodable[] {
  return Array.isArray(value);
}

const [I, L, D, E, MINUS, COLON, ZERO, NINE] = [0x69, 0x6c, 0x64, 0x65, 0x2d, 0x3a, 0x30, 0x39] as const;
const [LIST_START, DICT_START, END] = [utf8("l"), utf8("d"), utf8("e")] as const;
/** As libtorrent: more digits than a signed 64-bit integer has are an overflow. */
const MAX_INTEGER_DIGITS = 20;
/** 9,999,999,999 bytes: far above any input that fits memory, far below 2^53. */
const MAX_LENGTH_DIGITS = 10;
