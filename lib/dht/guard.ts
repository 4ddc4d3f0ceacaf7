// The gate before npm:bittorrent-dht, which trusts the shapes of what it decodes and throws inside its handlers.
// Every datagram is decoded here under limits and checked field by field; the package then gets a fresh encoding of
// the checked fields and nothing else, so that no key of a stranger's choosing (`__proto__`, a salt that is a number)
// reaches it. An item inside a reply is not judged here: a forged one is ignored where it is verified, and the
// nodes beside it are still of use.

import { type BDict, type Bencoded, decode, decodeDict, type Encodable, encode, isList } from "../bencode.ts";
import { toBinaryString } from "../bytes.ts";
import { WireFault } from "../errors.ts";
import { COMPACT_NODE_BYTES, ID_BYTES } from "./contact.ts";

/** What the package and our own lookups may act on. Views point into the datagram. */
export type Packet = Query | Reply | Refusal;

interface PacketBase {
  readonly transaction: Uint8Array;
  /** The checked fields, encoded again: all that the package sees. */
  readonly forPackage: Uint8Array;
}

export interface Query extends PacketBase {
  readonly kind: "query";
  readonly method: string;
  readonly id: Uint8Array;
  /** BEP 43: the sender never answers, so it belongs in no routing table. */
  readonly readOnly: boolean;
}

export interface Reply extends PacketBase {
  readonly kind: "reply";
  readonly id: Uint8Array;
  /** `r` as it came; id, token, nodes and values have been checked. */
  readonly body: BDict;
}

export interface Refusal extends PacketBase {
  readonly kind: "refusal";
  /** The number of a BEP 5 or BEP 44 error. */
  readonly code: number;
  /** What the node says about it; cut off where it is long. Its words: not to be trusted, nor printed as they are. */
  readonly text: string;
}

/**
 * Checks one datagram.
 *
 * @returns undefined for what is not KRPC at all: uTP, a tracker's answer, noise.
 * @throws {WireFault} When it is KRPC, and wrong.
 * @see BEP 5 and BEP 44 for the fields; the limits are libtorrent's for DHT packets
 */
export function readPacket(datagram: Uint8Array): Packet | undefined {
  if (datagram.length < MIN_BYTES || datagram[0] !== DICT_START || datagram.at(-1) !== END) return undefined;
  if (datagram.length > MAX_BYTES) throw fault(`a message of ${datagram.length} bytes`);
  const message = decodeDict(datagram, { mode: "lenient", maxDepth: MAX_DEPTH, maxTokens: MAX_TOKENS });
  const transaction = need(message.bytes("t"), "no transaction id");
  // libtorrent's errors carry both `e` and `r`: only `y` says what a message is.
  switch (text(message.bytes("y"))) {
    case "q":
      return readQuery(message, transaction);
    case "r":
      return readReply(message, transaction);
    case "e":
      return readRefusal(message, transaction);
    default:
      throw fault("neither query, reply nor error");
  }
}

function readQuery(message: BDict, transaction: Uint8Array): Query {
  check(
    transaction.length >= 1 && transaction.length <= MAX_TRANSACTION_BYTES,
    "a transaction id of that length",
  );
  const method = text(message.bytes("q"));
  const args = need(message.dict("a"), "a query without arguments");
  const id = bytesOf(args, "id", ID_BYTES);
  const fields = new Map<string, Encodable>([["id", id]]);
  switch (method) {
    case "ping":
      break;
    case "find_node":
    case "get":
      fields.set("target", bytesOf(args, "target", ID_BYTES));
      break;
    case "get_peers":
      fields.set("info_hash", bytesOf(args, "info_hash", ID_BYTES));
      break;
    case "announce_peer":
      readAnnounce(args, fields);
      break;
    case "put":
      readPut(args, fields);
      break;
    default:
      throw fault("a method that we do not know");
  }
  const forPackage = encode({ t: transaction, y: "q", q: method, a: fields });
  return { kind: "query", transaction, method, id, readOnly: message.int("ro") === 1, forPackage };
}

function readAnnounce(args: BDict, fields: Map<string, Encodable>): void {
  const port = args.has("port") ? need(args.int("port"), "a port that is no number") : 0;
  check(port >= 0 && port <= 65535, "a port out of range");
  fields.set("info_hash", bytesOf(args, "info_hash", ID_BYTES));
  fields.set("token", tokenOf(args));
  fields.set("port", port);
  fields.set("implied_port", args.int("implied_port") === 1 ? 1 : 0);
}

function readPut(args: BDict, fields: Map<string, Encodable>): void {
  const raw = need(args.raw("v"), "a put without a value");
  check(raw.length <= MAX_VALUE_BYTES, "a value over 1000 bytes");
  const value = decode(raw, { maxDepth: MAX_DEPTH, maxTokens: MAX_TOKENS });
  check(isPlain(value), "a value with integers over 2^53");
  fields.set("token", tokenOf(args));
  fields.set("v", value);
  if (!args.has("k") && !args.has("sig")) return;
  fields.set("k", bytesOf(args, "k", KEY_BYTES));
  fields.set("sig", bytesOf(args, "sig", SIGNATURE_BYTES));
  fields.set("seq", sequenceOf(args, "seq"));
  if (args.has("cas")) fields.set("cas", sequenceOf(args, "cas"));
  if (!args.has("salt")) return;
  const salt = need(args.bytes("salt"), "a salt that is no string");
  check(salt.length <= MAX_SALT_BYTES, "a salt over 64 bytes");
  if (salt.length > 0) fields.set("salt", salt);
}

function readReply(message: BDict, transaction: Uint8Array): Reply {
  check(transaction.length === OUR_TRANSACTION_BYTES, "a transaction id that is not ours");
  const body = need(message.dict("r"), "a reply without a body");
  const id = bytesOf(body, "id", ID_BYTES);
  const nodes = body.has("nodes") ? need(body.bytes("nodes"), "nodes that are no string") : undefined;
  check((nodes?.length ?? 0) % COMPACT_NODE_BYTES === 0, "nodes that are not a multiple of 26 bytes");
  if (body.has("token")) tokenOf(body);
  check(arePeers(body.get("values")), "values that are no peers");
  const forPackage = encode({ t: transaction, y: "r", r: { id, nodes } });
  return { kind: "reply", transaction, id, body, forPackage };
}

function readRefusal(message: BDict, transaction: Uint8Array): Refusal {
  check(transaction.length === OUR_TRANSACTION_BYTES, "a transaction id that is not ours");
  const [code, words] = need(message.list("e"), "an error that is no list");
  check(typeof code === "number", "an error without a number");
  const forPackage = encode({ t: transaction, y: "e", e: [code, "refused"] });
  const said = words instanceof Uint8Array ? toBinaryString(words.subarray(0, MAX_REASON_BYTES)) : "";
  return { kind: "refusal", transaction, code, text: said, forPackage };
}

/** A list of strings of 6 or 18 bytes; or, an old form, one string of several peers of 6. */
function arePeers(values: Bencoded | undefined): boolean {
  if (values === undefined) return true;
  if (values instanceof Uint8Array) return values.length % 6 === 0;
  return isList(values) &&
    values.every((one) => one instanceof Uint8Array && (one.length === 6 || one.length === 18));
}

/** Whether the package's codec, which knows no bigint, gives back what it was given. */
function isPlain(value: Bencoded): boolean {
  if (typeof value === "bigint") return false;
  if (typeof value === "number" || value instanceof Uint8Array) return true;
  return isList(value) ? value.every(isPlain) : [...value.entries()].every(([, item]) => isPlain(item));
}

function sequenceOf(args: BDict, key: string): number {
  const seq = need(args.int(key), `${key} is not an integer up to 2^53 - 1`);
  check(seq >= 0, `a negative ${key}`);
  return seq;
}

function tokenOf(from: BDict): Uint8Array {
  const token = need(from.bytes("token"), "a token that is no string");
  check(token.length >= 1 && token.length <= MAX_TOKEN_BYTES, "a token of that length");
  return token;
}

function bytesOf(from: BDict, key: string, length: number): Uint8Array {
  const bytes = from.bytes(key);
  check(bytes?.length === length, `${key} is not ${length} bytes`);
  return bytes!;
}

function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined || bytes.length > MAX_WORD_BYTES ? "" : toBinaryString(bytes);
}

function need<T>(value: T | undefined, why: string): T {
  if (value === undefined) throw fault(why);
  return value;
}

function check(ok: boolean, why: string): asserts ok {
  if (!ok) throw fault(why);
}

function fault(why: string): WireFault {
  return new WireFault("BEP 5", why);
}

const [DICT_START, END] = [0x64, 0x65];
/** `d1:rd2:id20:…e1:t2:xx1:y1:re` and a ping are longer; libtorrent refuses the same. */
const MIN_BYTES = 21;
/** A put of 1000 bytes with its salt, key and signature has 1,300; a full reply stays under 1,500. */
const MAX_BYTES = 2048;
/** As libtorrent's. */
const MAX_DEPTH = 10;
/** As libtorrent's. */
const MAX_TOKENS = 500;
/** Others use 2, 4 or 8; it is echoed, so it must not be long. */
const MAX_TRANSACTION_BYTES = 20;
/** k-rpc-socket's ids have two bytes, and libtorrent answers no others. */
const OUR_TRANSACTION_BYTES = 2;
/** libtorrent's have 4, ours 20; we echo it. */
const MAX_TOKEN_BYTES = 64;
/** Above every method and `y`. */
const MAX_WORD_BYTES = 20;
/** libtorrent's longest reason has some 40. */
const MAX_REASON_BYTES = 100;
/** BEP 44. */
const MAX_VALUE_BYTES = 1000;
const MAX_SALT_BYTES = 64;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
