// The bytes of a resume journal. A header, written whole or not at all, says what was known when the journal was
// opened; behind it lie records of eight bytes, appended as pieces come. Reading stops at the first record that does
// not check, so that a torn tail or a page that never reached the disk costs what lies behind it and no more.
//
// Header: "nsresume" | u32 version | u32 length of the body | SHA-256 of the body | body, bencoded.
// Record: u32 kind << 28 | value, u32 check over that, the record's place and the header it belongs to.

import { BDict, decode, encode } from "../bencode.ts";
import { equalBytes, parseUtf8, utf8 } from "../bytes.ts";
import { sha256 } from "../hash.ts";
import { PieceSet } from "./piece_set.ts";

/** What a header says. */
export interface JournalHeader {
  /** The torrent's v2 info-hash, or the v1 one where there is none. */
  readonly torrent: Uint8Array;
  /** Which boot the records belong to; undefined where the system doesn't tell. */
  readonly boot: string | undefined;
  /** What makes each data file itself, in torrent order; see journal owner. Text, to be compared only. */
  readonly identities: readonly string[];
  /** Each data file's size and mtime, when a clean stop closed them; otherwise undefined. */
  readonly closed: readonly string[] | undefined;
  /** Pieces written in `boot`. Each set has the torrent's piece count as its size. */
  readonly recorded: PieceSet;
  /** Those of them that are on stable storage. */
  readonly stable: PieceSet;
  /** Pieces that may be good and must be hashed again. */
  readonly suspect: PieceSet;
}

/** A piece was written, a piece was found bad, or the first `value` records are on stable storage. */
export type RecordKind = "have" | "lost" | "checkpoint";

/** Bytes of a record. */
export const RECORD_BYTES = 8;

/** A header as bytes, and the seed of the records' checks that goes with it. */
export function encodeHeader(header: JournalHeader): { bytes: Uint8Array; seed: number } {
  const body = encode({
    boot: header.boot,
    closed: header.closed,
    identities: header.identities,
    pieces: header.recorded.size,
    recorded: header.recorded.bits,
    stable: header.stable.bits,
    suspect: header.suspect.bits,
    torrent: header.torrent,
  });
  const bytes = new Uint8Array(PREFIX_BYTES + body.length);
  const view = new DataView(bytes.buffer);
  const digest = sha256(body);
  bytes.set(MAGIC);
  view.setUint32(8, VERSION);
  view.setUint32(12, body.length);
  bytes.set(digest, 16);
  bytes.set(body, PREFIX_BYTES);
  return { bytes, seed: seedOf(digest) };
}

/** Reads a header; `length` is where the records begin. A text says why it cannot be read. */
export function decodeHeader(
  bytes: Uint8Array,
): { header: JournalHeader; length: number; seed: number } | string {
  if (bytes.length < PREFIX_BYTES) return `it has ${bytes.length} bytes`;
  if (!equalBytes(bytes.subarray(0, 8), MAGIC)) return "it is something else";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(8) !== VERSION) return `its format is ${view.getUint32(8)}, not ${VERSION}`;
  const length = PREFIX_BYTES + view.getUint32(12);
  if (length > bytes.length) return "its header is cut off";
  const digest = bytes.subarray(16, PREFIX_BYTES);
  const body = bytes.subarray(PREFIX_BYTES, length);
  if (!equalBytes(sha256(body), digest)) return "its header is damaged";
  const header = readBody(body);
  return header === undefined ? "its header lacks a field" : { header, length, seed: seedOf(digest) };
}

/** Writes a record. @param place How many records are before it. @param value 0 to 2^28 - 1. */
export function encodeRecord(
  into: DataView,
  at: number,
  record: {
    readonly kind: RecordKind;
    readonly value: number;
    readonly place: number;
    readonly seed: number;
  },
): void {
  const word = (KINDS.indexOf(record.kind) << KIND_SHIFT | record.value) >>> 0;
  into.setUint32(at, word);
  into.setUint32(at + 4, checkOf(word, record.place, record.seed));
}

/** The records up to the first that does not check. */
export function* decodeRecords(
  bytes: Uint8Array,
  seed: number,
): Generator<{ readonly kind: RecordKind; readonly value: number }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0, place = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES, place++) {
    const word = view.getUint32(at);
    const kind = KINDS[word >>> KIND_SHIFT];
    if (kind === undefined || view.getUint32(at + 4) !== checkOf(word, place, seed)) return;
    yield { kind, value: word & MAX_VALUE };
  }
}

function readBody(body: Uint8Array): JournalHeader | undefined {
  const dict = attempt(() => decode(body));
  if (!(dict instanceof BDict)) return undefined;
  const torrent = dict.bytes("torrent");
  const size = dict.int("pieces");
  const identities = texts(dict, "identities");
  if (torrent === undefined || size === undefined || identities === undefined) return undefined;
  const sets = ["recorded", "stable", "suspect"].map((key) => {
    const bits = dict.bytes(key);
    return bits && attempt(() => PieceSet.parse(bits, size));
  });
  const [recorded, stable, suspect] = sets;
  if (recorded === undefined || stable === undefined || suspect === undefined) return undefined;
  const boot = dict.bytes("boot");
  return {
    torrent: torrent.slice(),
    boot: boot && parseUtf8(boot),
    identities,
    closed: texts(dict, "closed"),
    recorded,
    stable,
    suspect,
  };
}

function texts(dict: BDict, key: string): string[] | undefined {
  return dict.list(key)?.map((item) => item instanceof Uint8Array ? parseUtf8(item) ?? "" : "");
}

/** What `read` gives, undefined where it throws: whatever is wrong with a journal, it is set aside. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Not against malice: whoever can write here can write the data. Each bit of the three reaches each of the check. */
function checkOf(word: number, place: number, seed: number): number {
  let mixed = word ^ Math.imul(place + 1, 0x9e3779b1) ^ seed;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function seedOf(digest: Uint8Array): number {
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0);
}

const MAGIC = utf8("nsresume");
const VERSION = 1;
const PREFIX_BYTES = 48;
/** 0 is none: a page of zeros holds no records. */
const KINDS: readonly (RecordKind | undefined)[] = [undefined, "have", "lost", "checkpoint"];
const KIND_SHIFT = 28;
const MAX_VALUE = 2 ** KIND_SHIFT - 1;
