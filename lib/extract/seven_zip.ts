// Unpacks a .7z with 7-Zip itself (seven_zip_run.ts). Two runs: the first lists, and nothing is unpacked unless the list
// is one data.ldb. What the list tells of the stream says, too, whether several threads can decode it (blocks.ts).

import { type ArchiveSource, BadArchive, headOf, type LedgerSink } from "./archive.ts";
import { type BlockCrew, threadsFor, unpackBlocks } from "./blocks.ts";
import type { Lzma2Stream } from "./lzma2.ts";
import { checkEntry, type EntryKind, showName } from "./safe_path.ts";
import { faultOf, runSevenZip } from "./seven_zip_run.ts";

/** The archive's directory, packed. One entry takes 60 to 200 bytes; packed LZMA grows at most some 7000-fold. */
const MAX_HEADER_BYTES = 16 << 10;
/** What a listing may print: one entry takes 200 bytes. */
const MAX_LISTING_BYTES = 16 << 10;
const START_HEADER_BYTES = 32;

/**
 * Unpacks the one member into the sink.
 *
 * @param crew Threads that may decode with this one; undefined for this one alone.
 * @throws {BadArchive} Damaged, cut short, encrypted, or holding anything but one `data.ldb`: the last three before
 *   the sink is begun. What the sink and the source throw.
 * @throws {OperationFailed} When the archive's dictionary is larger than the decoder's memory.
 */
export async function unpackSevenZip(
  source: ArchiveSource,
  sink: LedgerSink,
  crew?: BlockCrew,
): Promise<void> {
  checkStartHeader(source);
  const listing = await list(source);
  sink.begin(parseListing(listing));
  const stream = lzma2StreamOf(listing);
  if (crew !== undefined && stream !== undefined && stream.packedEnd <= source.size) {
    const threads = threadsFor(stream, crew);
    if (threads > 1) return await unpackBlocks(stream, { source, sink, crew, threads });
  }
  const { code, complaints } = await runSevenZip(["x", "-so"], source, (bytes) => sink.write(bytes));
  if (code !== 0) throw new BadArchive(faultOf(complaints));
}

/**
 * What the archive's own list says of its entries, as 7-Zip names it: "Path", "Size", "Packed Size", "CRC", "Method".
 * Nothing is unpacked.
 *
 * @throws {BadArchive} Damaged, encrypted, or with more entries than a ledger's archive can have.
 */
export async function listSevenZip(source: ArchiveSource): Promise<readonly ReadonlyMap<string, string>[]> {
  checkStartHeader(source);
  return entriesIn(await list(source));
}

/** The 32 bytes that say where the archive's directory lies: with it, a cut is seen before anything is decoded. */
function checkStartHeader(source: ArchiveSource): void {
  const head = headOf(source, START_HEADER_BYTES);
  if (head.length < START_HEADER_BYTES) throw new BadArchive("its 7z header is cut short");
  const view = new DataView(head.buffer);
  const offset = view.getBigUint64(12, true);
  const length = view.getBigUint64(20, true);
  if (length === 0n) throw new BadArchive("it holds no entry");
  if (length > MAX_HEADER_BYTES) {
    throw new BadArchive(`its list of entries takes ${length} bytes, more than one entry can need`);
  }
  const end = BigInt(START_HEADER_BYTES) + offset + length;
  if (end > BigInt(source.size)) throw new BadArchive(`it is cut short: ${source.size} of ${end} bytes`);
  if (end < BigInt(source.size)) {
    throw new BadArchive(`it has ${BigInt(source.size) - end} bytes after its end`);
  }
}

/** What `7zz l -slt -ba` prints. */
async function list(source: ArchiveSource): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  const { code, complaints } = await runSevenZip(["l", "-slt", "-ba"], source, (bytes) => {
    text += decoder.decode(bytes, { stream: true });
    if (text.includes("Enter password")) throw new BadArchive("it is encrypted");
    if (text.length > MAX_LISTING_BYTES) throw new BadArchive("it holds more than one entry");
  });
  if (code !== 0) throw new BadArchive(faultOf(complaints));
  return text;
}

/**
 * The declared size of the one entry of a list.
 *
 * @throws {BadArchive} When the list is anything but one plain, unencrypted `data.ldb`.
 */
export function parseListing(text: string): number {
  const entries = entriesIn(text);
  if (entries.length === 0) throw new BadArchive("it holds no entry");
  for (const one of entries) checkListed(one);
  if (entries.length > 1) {
    throw new BadArchive(`it holds more than one entry, also ${showName(entries[1]!.get("Path") ?? "")}`);
  }
  return Number(entries[0]!.get("Size"));
}

/**
 * The stream of a list that `parseListing` takes: packed by LZMA2 and nothing besides, no filter and no cipher, in one
 * stream, which begins behind the start header.
 *
 * @returns undefined where it is anything else.
 */
export function lzma2StreamOf(text: string): Lzma2Stream | undefined {
  const [entry] = entriesIn(text);
  const method = /^LZMA2:([0-9]{1,10})([bkm]?)$/.exec(entry?.get("Method") ?? "");
  const packed = /^[0-9]{1,15}$/.exec(entry?.get("Packed Size") ?? "");
  const crc = /^[0-9A-F]{8}$/.exec(entry?.get("CRC") ?? "");
  if (entry === undefined || method === null || packed === null || crc === null) return undefined;
  const [, count = "", unit = ""] = method;
  const dictionaryBytes = unit === ""
    ? 2 ** Number(count)
    : Number(count) * UNIT_BYTES[unit as "b" | "k" | "m"];
  return {
    packedAt: START_HEADER_BYTES,
    packedEnd: START_HEADER_BYTES + Number(packed[0]),
    bytes: Number(entry.get("Size")),
    crc: parseInt(crc[0], 16),
    dictionaryBytes,
  };
}

/** How 7-Zip writes the size of a dictionary that is no power of two. */
const UNIT_BYTES = { b: 1, k: 1 << 10, m: 1 << 20 } as const;

/**
 * Reads `key = value` lines, an empty line between entries. A name cannot smuggle in a line: 7-Zip prints control
 * characters as "_", and a second value for a key is refused all the same.
 */
function entriesIn(text: string): Map<string, string>[] {
  const entries: Map<string, string>[] = [];
  let entry: Map<string, string> | undefined;
  for (const line of text.split("\n").map((line) => line.replace(/\r$/, ""))) {
    if (line === "") {
      entry = undefined;
      continue;
    }
    const parts = /^([A-Z][A-Za-z ]*) = ?(.*)$/.exec(line);
    if (parts === null) throw new BadArchive("its list of entries cannot be read");
    const [, key, value] = parts as unknown as [string, string, string];
    if (entry === undefined) entries.push(entry = new Map());
    if (entry.has(key)) throw new BadArchive("its list of entries cannot be read");
    entry.set(key, value);
  }
  return entries;
}

function checkListed(entry: ReadonlyMap<string, string>): void {
  checkEntry({ name: entry.get("Path") ?? "", kind: kindOf(entry.get("Attributes") ?? "") });
  if (entry.get("Encrypted") === "+") throw new BadArchive("it is encrypted");
  if (entry.get("Anti") === "+") throw new BadArchive("its entry is an order to delete, not a file");
  const size = Number(entry.get("Size"));
  if (!/^[0-9]+$/.test(entry.get("Size") ?? "") || !Number.isSafeInteger(size)) {
    throw new BadArchive("it does not say how large its entry is");
  }
}

/** Windows' letters, then the mode as `ls` prints it where the packer knew one: `A -rw-r--r--`, `D drwxr-xr-x`. */
function kindOf(attributes: string): EntryKind {
  const words = attributes.split(" ").filter((word) => word !== "");
  const mode = words.find((word) => word.length >= 10);
  const letters = words.find((word) => word.length < 10) ?? "";
  if (letters.includes("D")) return "directory";
  if (letters.includes("L")) return "link";
  switch (mode?.[0]) {
    case undefined:
    case "-":
      return "file";
    case "d":
      return "directory";
    case "l":
      return "link";
    default:
      return "special";
  }
}
