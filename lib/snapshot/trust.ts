// The highest item ever accepted, per key and salt: what keeps an old pointer from being played back to us. Entries
// hold the signed item itself and are verified when they are read, so a damaged seq cannot lock the stream and a
// forged one cannot open it. Two files are written with the same content, last-good first; the higher of both
// counts, and a file that is torn or foreign is set aside and named. Nothing here ever lowers a seq.

import { dirname } from "node:path";
import { equalBytes, parseHex, toHex } from "../bytes.ts";
import { type SignedItem, verifyItem } from "../dht/signature.ts";
import { invariant } from "../errors.ts";
import type { Report } from "../events.ts";
import { isJsonObject, type JsonObject, readJsonFile, writeJsonFile } from "../json_file.ts";
import type { Files } from "../ports.ts";

/** Nothing below this may be accepted. */
export interface Floor {
  /** 0 when nothing is known. */
  readonly seq: number;
  /** The value accepted at that seq; undefined where only a seq is vouched for. */
  readonly value: Uint8Array | undefined;
}

/** Whose stream. */
export interface Stream {
  readonly publicKey: Uint8Array;
  readonly salt: Uint8Array;
}

export class TrustStore {
  readonly #files: Files;
  readonly #path: string;
  /** By stream; least recently raised first. */
  readonly #items: Map<string, SignedItem>;
  readonly #vouched = new Map<string, number>();
  /** Whether both files hold what `#items` does. */
  #bothWritten: boolean;

  private constructor(files: Files, path: string, items: Map<string, SignedItem>, bothWritten: boolean) {
    this.#files = files;
    this.#path = path;
    this.#items = items;
    this.#bothWritten = bothWritten;
  }

  /**
   * Reads trust.json and its last-good copy beside it.
   *
   * @param report Hears which file was damaged, where it is now, and what still holds.
   * @throws {PathUnusable} When a file is there and cannot be read.
   */
  static open({ files, path, report }: { files: Files; path: string; report: Report }): TrustStore {
    const items = new Map<string, SignedItem>();
    const warnings: string[] = [];
    let sound = 0;
    for (const one of [path, lastGoodPath(path)]) {
      const { value, warning } = readJsonFile<SignedItem[] | null>(files, one, parseItems, null);
      if (warning !== undefined) warnings.push(warning);
      if (value === null) continue;
      sound++;
      for (const item of value) {
        const known = items.get(nameOf(item));
        if (known === undefined || item.seq > known.seq) items.set(nameOf(item), item);
      }
    }
    const rest = sound > 0
      ? "the other copy is whole and counts"
      : "no copy is left, so an old snapshot would not be recognised as old this once";
    for (const warning of warnings) {
      report({ kind: "note", level: "warning", logger: "mirror.discovery", text: `${warning}; ${rest}` });
    }
    return new TrustStore(files, path, items, sound === 2);
  }

  /** What may not be gone below. */
  floor(stream: Stream): Floor {
    const item = this.#items.get(nameOf(stream));
    const vouched = this.#vouched.get(nameOf(stream)) ?? 0;
    if (item !== undefined && item.seq >= vouched) return { seq: item.seq, value: item.value };
    return { seq: vouched, value: undefined };
  }

  /** The item accepted last, for whoever wants to keep it alive in the DHT or show it. */
  accepted(stream: Stream): SignedItem | undefined {
    return this.#items.get(nameOf(stream));
  }

  /** Counts a seq that another file vouches for (upstream's mirror_state.json) beside our own; never lowers. */
  vouch(stream: Stream, seq: number): void {
    const name = nameOf(stream);
    this.#vouched.set(name, Math.max(seq, this.#vouched.get(name) ?? 0));
  }

  /**
   * Raises the floor to this item, on stable storage before it returns.
   *
   * @param item Verified, not below the floor, and not another value at the floor's seq.
   * @throws {PathUnusable | NotEnoughSpace}
   */
  accept(item: SignedItem): void {
    const floor = this.floor(item);
    const agrees = floor.value === undefined || equalBytes(floor.value, item.value);
    invariant(
      item.seq > floor.seq || (item.seq === floor.seq && agrees),
      "trust is never lowered or exchanged",
    );
    const known = this.#items.get(nameOf(item));
    if (known?.seq === item.seq && this.#bothWritten) return;
    this.#items.delete(nameOf(item));
    this.#items.set(nameOf(item), item);
    if (this.#items.size > MAX_STREAMS) this.#items.delete(this.#items.keys().next().value!);
    this.#save();
  }

  #save(): void {
    const json = { version: VERSION, pointers: [...this.#items.values()].map(toJson) };
    this.#files.makeDir(dirname(this.#path));
    writeJsonFile(this.#files, lastGoodPath(this.#path), json);
    writeJsonFile(this.#files, this.#path, json);
    this.#bothWritten = true;
  }
}

function lastGoodPath(path: string): string {
  return path.replace(/\.json$/, "") + ".last-good.json";
}

function nameOf({ publicKey, salt }: Stream): string {
  return `${toHex(publicKey)} ${toHex(salt)}`;
}

function toJson(item: SignedItem): JsonObject {
  return {
    key: toHex(item.publicKey),
    salt: toHex(item.salt),
    seq: item.seq,
    value: toHex(item.value),
    signature: toHex(item.signature),
  };
}

/** undefined when one entry is wrong: then nothing of the file is worth more than the other copy. */
function parseItems(json: JsonObject): SignedItem[] | undefined {
  const pointers = json["pointers"];
  if (json["version"] !== VERSION || !Array.isArray(pointers) || pointers.length > MAX_STREAMS) {
    return undefined;
  }
  const items: SignedItem[] = [];
  for (const one of pointers as unknown[]) {
    const item = isJsonObject(one) ? parseItem(one) : undefined;
    if (item === undefined || !verifyItem(item)) return undefined;
    items.push(item);
  }
  return items;
}

function parseItem(json: JsonObject): SignedItem | undefined {
  const [publicKey, salt, value, signature] = [json["key"], json["salt"], json["value"], json["signature"]]
    .map(
      (hex) => typeof hex === "string" ? parseHex(hex) : undefined,
    );
  const seq = json["seq"];
  if (publicKey === undefined || salt === undefined || value === undefined || signature === undefined) {
    return undefined;
  }
  return typeof seq === "number" ? { publicKey, salt, seq, value, signature } : undefined;
}

const VERSION = 1;
/** A user follows one or two; the file stays under a quarter of what readJsonFile takes. */
const MAX_STREAMS = 100;
