// publisher_state.json: which seq was given to which value. Upstream's four fields keep their names and meaning; ours
// beside them are what keeps a seq from ever being used for two values, whenever the machine dies:
//
//   reserve (both files written) -> put -> read back -> published (both files written)
//
// A seq that was reserved counts as used, whether the put was sent or not. A last-good copy is written first; the
// higher of both files counts, a damaged one is set aside, and nothing here ever lowers a seq. Without any sound copy
// of a file that once was there, nothing is published. One process at a time holds the state.

import { dirname } from "node:path";
import { encode } from "../bencode.ts";
import { parseHex, parseUtf8, toHex } from "../bytes.ts";
import { DirectoryHeld, invariant, PathUnusable, PointerUntrusted } from "../errors.ts";
import type { Report } from "../events.ts";
import { type JsonObject, readJsonFile, writeJsonFile } from "../json_file.ts";
import type { FileLock, Files } from "../ports.ts";
import { parsePointer, pointerHex } from "../snapshot/pointer.ts";

/** BEP 44 allows 2^63 - 1; readers that keep numbers as doubles, ours among them, do not. */
export const MAX_SEQ = Number.MAX_SAFE_INTEGER;

export interface PublisherStateOptions {
  readonly files: Files;
  readonly path: string;
  /** Whose seq it is. A file that holds another stream's keeps it from going lower, and is otherwise begun anew. */
  readonly stream: { readonly publicKey: Uint8Array; readonly salt: Uint8Array };
  /** Who we are, for whoever looks into the lock. */
  readonly pid: number;
  readonly report: Report;
}

/** A seq and what it was given to. */
interface Given {
  readonly seq: number;
  /** Bencoded, hex. */
  readonly value: string;
}

export class PublisherState implements Disposable {
  readonly #options: PublisherStateOptions;
  readonly #lock: FileLock;
  /** All keys of the file, those that we do not know too. */
  #json: JsonObject;
  #given: readonly Given[];
  /** Highest seq that is not ours to use; 0 for none. */
  #foreignSeq: number;
  /** Highest seq under which somebody else's value was seen in the DHT; 0 for none. */
  #seenSeq: number;

  private constructor(options: PublisherStateOptions, lock: FileLock, copies: readonly JsonObject[]) {
    this.#options = options;
    this.#lock = lock;
    const streams = copies.map((copy) => ofStream(copy, options.stream));
    this.#given = streams.flatMap(givenIn);
    const otherStreams = copies.filter((copy, i) => copy !== streams[i]).flatMap(givenIn);
    this.#seenSeq = Math.max(0, ...copies.map((copy) => numberIn(copy, "foreign_dht_seq") ?? 0));
    this.#foreignSeq = Math.max(
      this.#seenSeq,
      ...otherStreams.map(({ seq }) => seq),
      // Two copies that give one seq to two values: neither may go on with it.
      ...this.#given.filter((a) => this.#given.some((b) => a.seq === b.seq && a.value !== b.value))
        .map(({ seq }) => seq),
    );
    this.#json = [...streams].sort((a, b) => highestIn(b) - highestIn(a))[0] ?? {};
  }

  /**
   * Reads the file and its last-good copy beside it, and holds both until it is disposed of.
   *
   * @throws {DirectoryHeld} When another process publishes with it.
   * @throws {PathUnusable} When no copy is sound although there was one.
   */
  static open(options: PublisherStateOptions): PublisherState {
    const { files, path, pid } = options;
    files.makeDir(dirname(path));
    const lock = files.lock(`${path}.lock`, `${pid}\n`);
    if (lock === undefined) {
      throw new DirectoryHeld(`Cannot publish: another process is publishing with ${path}`);
    }
    try {
      return new PublisherState(options, lock, readCopies(options));
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** The highest seq that was ever given or seen: another value needs a higher one. 0 at the very beginning. */
  get floor(): number {
    return Math.max(this.#foreignSeq, ...this.#given.map(({ seq }) => seq));
  }

  /** What was published and read back last. */
  get last(): { readonly seq: number; readonly infoHash: string } | undefined {
    const seq = numberIn(this.#json, "last_dht_seq") ?? 0;
    const infoHash = this.#json["last_dht_info_hash"];
    return seq > 0 && typeof infoHash === "string" ? { seq, infoHash } : undefined;
  }

  /** Whether this seq is this value's: given to it by us, and nobody else's was seen there or above. */
  isOurs(seq: number, value: Uint8Array): boolean {
    const hex = toHex(value);
    return seq > this.#foreignSeq && this.#given.some((one) => one.seq === seq && one.value === hex);
  }

  /** Whether somebody else's value was seen as new as all of ours, and nothing was published above it since. */
  get isOutdone(): boolean {
    return this.#seenSeq > 0 && this.#seenSeq >= Math.max(0, ...this.#given.map(({ seq }) => seq));
  }

  /** Whether this is the value that we gave a seq to last. */
  isLatest(value: Uint8Array): boolean {
    const latest = this.#given.toSorted((a, b) => b.seq - a.seq)[0];
    return latest?.value === toHex(value);
  }

  /** Remembers that somebody else's value was seen under a seq: ours go above it. */
  sawForeign(seq: number): void {
    if (seq <= this.#foreignSeq) return;
    this.#foreignSeq = this.#seenSeq = seq;
    this.#save({ foreign_dht_seq: seq });
  }

  /**
   * Gives a seq to a value, on stable storage before it returns.
   *
   * @param seq Above the floor, or this value's already.
   * @throws {PointerUntrusted} When no seq is left. `PathUnusable` or `NotEnoughSpace` when it cannot be written.
   */
  reserve(seq: number, value: Uint8Array): void {
    if (this.isOurs(seq, value)) return;
    if (seq > MAX_SEQ) {
      throw new PointerUntrusted(
        `Cannot publish: the seq ${this.floor} of this key and salt is the last there is`,
      );
    }
    invariant(seq > this.floor, "a seq is given to one value");
    // Two are kept: what was published last may be what is put again, if this one never is.
    this.#given = [...this.#given.filter((one) => one.seq === this.last?.seq), { seq, value: toHex(value) }];
    this.#save({ reserved_dht_seq: seq, reserved_dht_value: toHex(value) });
  }

  /** Notes that a seq was put and read back, on stable storage before it returns. */
  published(seq: number, value: Uint8Array): void {
    invariant(this.isOurs(seq, value), "only what was reserved is published");
    const pointer = parsePointer(value);
    const infoHash = pointer === undefined ? toHex(value) : pointerHex(pointer);
    const revision = numberIn(this.#json, "last_seq") ?? 0;
    const isNewSnapshot = this.#json["last_info_hash"] !== infoHash;
    if (!isNewSnapshot && this.last?.seq === seq && this.last.infoHash === infoHash) return;
    this.#save({
      last_seq: isNewSnapshot ? revision + 1 : revision,
      last_info_hash: infoHash,
      last_dht_seq: seq,
      last_dht_info_hash: infoHash,
    });
  }

  /** Lets others have it. */
  [Symbol.dispose](): void {
    this.#lock.release();
  }

  #save(changed: JsonObject): void {
    const { files, path, stream } = this.#options;
    this.#json = { ...this.#json, ...namesOf(stream), foreign_dht_seq: this.#foreignSeq, ...changed };
    writeJsonFile(files, lastGoodPath(path), this.#json);
    writeJsonFile(files, path, this.#json);
  }
}

/** Sound copies, the file itself first. */
function readCopies({ files, path, report }: PublisherStateOptions): JsonObject[] {
  const paths = [path, lastGoodPath(path)];
  const copies: JsonObject[] = [];
  const warnings: string[] = [];
  for (const one of paths) {
    const { value, warning } = readJsonFile<JsonObject | null>(files, one, parse, null);
    if (value !== null) copies.push(value);
    if (warning !== undefined) warnings.push(warning);
  }
  const setAside = paths.map((one) => `${one}.bad`).filter((one) => files.stat(one) !== undefined);
  if (copies.length === 0 && setAside.length > 0) {
    const damaged = setAside.join(" and ");
    throw new PathUnusable(
      `Cannot publish: ${damaged} cannot be read, so the last seq is unknown; put a good ${path} in its place, ` +
        `or remove ${damaged} to go on from the seq that the DHT has`,
    );
  }
  for (const text of warnings) {
    report({
      kind: "note",
      level: "warning",
      logger: "producer.publish",
      text: `${text}; the other copy is whole and counts`,
    });
  }
  return copies;
}

/** undefined when a field that we go by is not what it must be. */
function parse(json: JsonObject): JsonObject | undefined {
  const numbers = ["last_seq", "last_dht_seq", "reserved_dht_seq", "foreign_dht_seq"];
  const texts = ["last_info_hash", "last_dht_info_hash", "reserved_dht_value", "dht_pubkey", "dht_salt"];
  const isSound = numbers.every((key) => (json[key] ?? 0) === 0 || numberIn(json, key) !== undefined) &&
    texts.every((key) => (json[key] ?? "") === "" || typeof json[key] === "string");
  return isSound ? json : undefined;
}

/** The copy as it is, or without anything that belongs to another stream's seq. */
function ofStream(copy: JsonObject, stream: PublisherStateOptions["stream"]): JsonObject {
  const ours = namesOf(stream);
  const isOurs = Object.entries(ours).every(([key, text]) => copy[key] === undefined || copy[key] === text);
  if (isOurs) return copy;
  const theirs = ["last_dht_seq", "last_dht_info_hash", "reserved_dht_seq", "reserved_dht_value"];
  return Object.fromEntries(Object.entries(copy).filter(([key]) => !theirs.includes(key)));
}

function namesOf({ publicKey, salt }: PublisherStateOptions["stream"]): Record<string, string> {
  return { dht_pubkey: toHex(publicKey), dht_salt: parseUtf8(salt) ?? toHex(salt) };
}

/** What a copy says was given: our reservation, and what upstream's fields tell, whose value is the raw hash. */
function givenIn(copy: JsonObject): Given[] {
  const given: Given[] = [];
  const reservedSeq = numberIn(copy, "reserved_dht_seq") ?? 0;
  if (reservedSeq > 0) given.push({ seq: reservedSeq, value: String(copy["reserved_dht_value"] ?? "") });
  const lastSeq = numberIn(copy, "last_dht_seq") ?? 0;
  if (lastSeq > 0 && lastSeq !== reservedSeq) {
    const hash = parseHex(String(copy["last_dht_info_hash"] ?? ""));
    given.push({ seq: lastSeq, value: hash === undefined ? "" : toHex(encode(hash)) });
  }
  return given;
}

function highestIn(copy: JsonObject): number {
  return Math.max(0, ...givenIn(copy).map(({ seq }) => seq));
}

function numberIn(json: JsonObject, key: string): number | undefined {
  const value = json[key];
  return Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : undefined;
}

function lastGoodPath(path: string): string {
  return path.replace(/\.json$/, "") + ".last-good.json";
}
