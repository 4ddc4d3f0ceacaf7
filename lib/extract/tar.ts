// Reads a tar stream that must hold one file, the ledger, and nothing else (POSIX.1-2001 ustar and pax, GNU tar).
// Own code instead of modern-tar, which the tests use as the other side: that one hands out web streams, and takes
// every type of entry it does not know, a GNU sparse file too, for a plain file, so that a ledger would come out wrong.

import { parseUtf8 } from "../bytes.ts";
import { BadArchive, type LedgerSink } from "./archive.ts";
import { checkEntry, type EntryKind, showName } from "./safe_path.ts";

const BLOCK_BYTES = 512;
/** One extended header; GNU tar's and Python's take one block, a few with extended attributes. */
const MAX_EXTENDED_BYTES = 64 << 10;
/** Extended headers before the entry: pax writes at most one global and one local, GNU one for a long name. */
const MAX_EXTENDED_HEADERS = 8;
/** Zeros after the entry: tar fills up to its record, which `tar -b` rarely makes longer than 1 MiB. */
const MAX_TRAILER_BYTES = 16 << 20;

/** An entry as its header declares it. */
export interface TarEntry {
  readonly name: string;
  readonly size: number;
}

/** header -> (extended -> extendedPadding -> header)* -> body -> padding -> header -> trailer */
type State = "header" | "extended" | "body" | "padding" | "trailer";

export class TarReader {
  readonly #sink: LedgerSink;
  readonly #onEntry: ((entry: TarEntry) => void) | undefined;
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #state: State = "header";
  /** Filled of `#block` or of `#extended`. */
  #filled = 0;
  /** Bytes of the body or of padding still to come. */
  #left = 0;
  #padding = 0;
  #extended = new Uint8Array(0);
  #extendedType = "";
  #extendedHeaders = 0;
  #overrides: { name?: string; size?: number } = {};
  #found = false;
  #trailer = 0;

  /** @param onEntry For who only lists: told of each entry, whatever it is, and the sink gets nothing. */
  constructor(sink: LedgerSink, onEntry?: (entry: TarEntry) => void) {
    this.#sink = sink;
    this.#onEntry = onEntry;
  }

  /** Takes the next bytes of the archive, in any cut. @throws {BadArchive} And what the sink throws. */
  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += this.#take(bytes.subarray(at));
  }

  /** For who only lists: how many bytes come that need not be shown. They count as taken from here on. */
  skip(): number {
    if (this.#state !== "body" || this.#onEntry === undefined) return 0;
    const n = this.#left;
    this.#skip(this.#padding);
    return n;
  }

  /** The archive has ended. @throws {BadArchive} When it was cut short or holds no ledger. */
  end(): void {
    if (this.#state === "trailer" && this.#trailer >= 2 * BLOCK_BYTES) return;
    throw new BadArchive("its tar ends too early");
  }

  /** How many bytes it took: at least one. */
  #take(bytes: Uint8Array): number {
    switch (this.#state) {
      case "header": {
        const n = this.#fill(this.#block, bytes);
        if (this.#filled === BLOCK_BYTES) this.#onHeader();
        return n;
      }
      case "extended": {
        const n = this.#fill(this.#extended, bytes);
        if (this.#filled === this.#extended.length) this.#onExtended();
        return n;
      }
      case "body": {
        const n = Math.min(this.#left, bytes.length);
        if (this.#onEntry === undefined) this.#sink.write(bytes.subarray(0, n));
        this.#left -= n;
        if (this.#left === 0) this.#skip(this.#padding);
        return n;
      }
      case "padding": {
        const n = Math.min(this.#left, bytes.length);
        this.#left -= n;
        if (this.#left === 0) this.#expect("header");
        return n;
      }
      case "trailer":
        this.#trailer += bytes.length;
        if (!isZero(bytes) || this.#trailer > MAX_TRAILER_BYTES) {
          throw new BadArchive("it goes on after the end of its tar");
        }
        return bytes.length;
    }
  }

  #fill(field: Uint8Array, bytes: Uint8Array): number {
    const n = Math.min(field.length - this.#filled, bytes.length);
    field.set(bytes.subarray(0, n), this.#filled);
    this.#filled += n;
    return n;
  }

  #expect(state: "header" | "extended"): void {
    this.#state = state;
    this.#filled = 0;
  }

  #skip(bytes: number): void {
    this.#left = bytes;
    this.#state = "padding";
    if (bytes === 0) this.#expect("header");
  }

  #onHeader(): void {
    const block = this.#block;
    if (isZero(block)) {
      if (!this.#found) throw new BadArchive("its tar holds no entry");
      this.#trailer = BLOCK_BYTES;
      this.#state = "trailer";
      return;
    }
    if (!hasChecksum(block)) throw new BadArchive("a tar header in it does not match its checksum");
    const type = String.fromCharCode(block[156]!);
    const size = numberAt(block, 124, 12);
    if (isExtended(type)) this.#beginExtended(type, size);
    else this.#beginEntry(type, size);
  }

  #beginExtended(type: string, size: number): void {
    if (size > MAX_EXTENDED_BYTES || ++this.#extendedHeaders > MAX_EXTENDED_HEADERS) {
      throw new BadArchive(
        `its tar has more extended headers than we take (${MAX_EXTENDED_BYTES} bytes each)`,
      );
    }
    this.#extended = new Uint8Array(size);
    this.#extendedType = type;
    this.#padding = paddingOf(size);
    this.#expect("extended");
    if (size === 0) this.#onExtended();
  }

  #onExtended(): void {
    if (this.#extendedType === "L") this.#overrides.name = textUntilNul(this.#extended);
    else this.#onPaxRecords();
    this.#skip(this.#padding);
  }

  /** Records are `<length> <key>=<value>\n`, the length in decimal and counting itself. The last one rules. */
  #onPaxRecords(): void {
    const bytes = this.#extended;
    for (let at = 0; at < bytes.length;) {
      const space = bytes.indexOf(0x20, at);
      const length = space < 0 ? NaN : decimal(textUntilNul(bytes.subarray(at, space)));
      if (!(length > space - at + 1) || at + length > bytes.length) {
        throw new BadArchive("its tar has a malformed pax header");
      }
      const record = textUntilNul(bytes.subarray(space + 1, at + length - 1));
      const equals = record.indexOf("=");
      this.#onPaxRecord(record.slice(0, equals), record.slice(equals + 1));
      at += length;
    }
  }

  #onPaxRecord(key: string, value: string): void {
    if (key.startsWith("GNU.sparse.")) {
      throw new BadArchive("its tar holds a sparse file, which we do not take");
    }
    if (key === "path") this.#overrides.name = value;
    if (key === "size") {
      this.#overrides.size = decimal(value);
      if (!Number.isSafeInteger(this.#overrides.size)) {
        throw new BadArchive("its tar declares an absurd size");
      }
    }
  }

  #beginEntry(type: string, headerSize: number): void {
    const name = this.#overrides.name ?? nameOf(this.#block);
    const size = this.#overrides.size ?? headerSize;
    const kind = KINDS[type] ?? "special";
    if (this.#onEntry === undefined) {
      if (this.#found) throw new BadArchive(`it holds more than one entry, also ${showName(name)}`);
      checkEntry({ name, kind });
      this.#sink.begin(size);
    } else {
      this.#onEntry({ name, size });
      this.#extendedHeaders = 0;
    }
    this.#found = true;
    this.#overrides = {};
    // Links and folders have nothing behind them, whatever they say.
    const bytes = kind === "link" || kind === "directory" ? 0 : size;
    this.#padding = paddingOf(bytes);
    this.#left = bytes;
    this.#state = "body";
    if (bytes === 0) this.#skip(0);
  }
}

/** Type flags; every other one, GNU's sparse and multi-volume ones too, is "special". */
const KINDS: Readonly<Record<string, EntryKind>> = {
  "0": "file",
  "\0": "file",
  "1": "link",
  "2": "link",
  "5": "directory",
};

/** Local and global pax headers, and GNU's long name. GNU's long link target (K) only comes before a link. */
function isExtended(type: string): boolean {
  return type === "x" || type === "g" || type === "L";
}

function nameOf(block: Uint8Array): string {
  const name = textUntilNul(block.subarray(0, 100));
  // GNU's magic is "ustar  ": where POSIX has the prefix it keeps times.
  const prefix = block[262] === 0 ? textUntilNul(block.subarray(345, 500)) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function textUntilNul(bytes: Uint8Array): string {
  const nul = bytes.indexOf(0);
  const text = parseUtf8(nul < 0 ? bytes : bytes.subarray(0, nul));
  if (text === undefined) throw new BadArchive("its tar has a name that is not UTF-8");
  return text;
}

/** A number field: octal digits with spaces or NULs around, or GNU's big-endian binary with the top bit set. */
function numberAt(block: Uint8Array, at: number, length: number): number {
  let value = 0;
  if ((block[at]! & 0x80) !== 0) {
    value = block[at]! & 0x7f;
    for (let i = at + 1; i < at + length; i++) value = value * 256 + block[i]!;
  } else {
    const text = String.fromCharCode(...block.subarray(at, at + length)).replace(/^ +|[ \0]+$/g, "");
    if (!/^[0-7]*$/.test(text)) throw new BadArchive("a tar header in it has a malformed number");
    value = text === "" ? 0 : Number.parseInt(text, 8);
  }
  if (!Number.isSafeInteger(value)) throw new BadArchive("its tar declares an absurd size");
  return value;
}

function decimal(text: string): number {
  return /^[0-9]{1,20}$/.test(text) ? Number(text) : NaN;
}

/** The sum of all header bytes, those of the checksum itself counted as spaces. */
function hasChecksum(block: Uint8Array): boolean {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK_BYTES; i++) if (i < 148 || i >= 156) sum += block[i]!;
  return numberAt(block, 148, 8) === sum;
}

function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
