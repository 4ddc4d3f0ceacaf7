// Unpacks a .7z with 7-Zip itself, compiled to WebAssembly. The decoder sees one file, whose reads go to the
// ArchiveSource, and writes to its stdout, whose writes go to the sink: no file system is mounted, so no name in the
// archive can become a path. Two runs: the first lists, and nothing is unpacked unless the list is one data.ldb.

import sevenZipModule, { type SevenZipModuleFactory } from "7z-wasm";
import { OperationFailed } from "../errors.ts";
import { type ArchiveSource, BadArchive, headOf, type LedgerSink } from "./archive.ts";
import { checkEntry, type EntryKind, showName } from "./safe_path.ts";

/** The archive's directory, packed. One entry takes 60 to 200 bytes; packed LZMA grows at most some 7000-fold. */
const MAX_HEADER_BYTES = 16 << 10;
/** What a listing may print: one entry takes 200 bytes. */
const MAX_LISTING_BYTES = 16 << 10;
/** What is kept of the decoder's complaints. */
const MAX_COMPLAINTS = 20;

/** The package is CommonJS: what its types call the default export is the module itself. */
const sevenZip = sevenZipModule as unknown as SevenZipModuleFactory;

const START_HEADER_BYTES = 32;
const EXIT_OUT_OF_MEMORY = 8;
const ARCHIVE_PATH = "/archive.7z";

/**
 * Unpacks the one member into the sink.
 *
 * @throws {BadArchive} Damaged, cut short, encrypted, or holding anything but one `data.ldb`: the last three before
 *   the sink is begun. What the sink and the source throw.
 * @throws {OperationFailed} When the archive's dictionary is larger than the decoder's memory.
 */
export async function unpackSevenZip(source: ArchiveSource, sink: LedgerSink): Promise<void> {
  checkStartHeader(source);
  sink.begin(parseListing(await list(source)));
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

/** One sentence part out of what 7-Zip printed to stderr. */
function faultOf(complaints: readonly string[]): string {
  const all = complaints.join("\n");
  if (/encrypted|password/i.test(all)) return "it is encrypted";
  if (/CRC Failed/.test(all)) return "its data.ldb does not match the checksum in it (CRC)";
  if (/Data Error/.test(all)) return "its compressed data is damaged";
  if (/Unexpected end/.test(all)) return "it ends too early";
  if (/Headers Error|Cannot open the file/.test(all)) return "its 7z header is damaged";
  if (/Unsupported Method/.test(all)) return "it is packed with a method that 7-Zip does not have";
  const line = complaints.find((text) => text.trim() !== "") ?? "no reason given";
  return `7-Zip refuses it (${showName(line)})`;
}

/** The parts of Emscripten's file system that the package's types leave out. */
interface Node {
  id: number;
  mode: number;
  node_ops: Record<string, unknown>;
  stream_ops: Record<string, unknown>;
}
interface Stream {
  position: number;
  tty: unknown;
  stream_ops: Record<string, unknown>;
}

/** One fresh decoder, one command. What `onOutput` throws ends it and comes out of here. */
async function runSevenZip(
  command: readonly string[],
  source: ArchiveSource,
  onOutput: (bytes: Uint8Array) => void,
): Promise<{ code: number; complaints: string[] }> {
  const complaints: string[] = [];
  const module = await sevenZip({
    print: () => {},
    printErr: (line) => {
      if (complaints.length < MAX_COMPLAINTS) complaints.push(line);
    },
    // Its own way to quit would set the exit code of our process.
    quit: (_code, status) => {
      throw status;
    },
  });
  module.FS.writeFile(ARCHIVE_PATH, new Uint8Array(0));
  attachSource(module.FS.lookupPath(ARCHIVE_PATH).node as unknown as Node, source);
  const stdout = (module.FS as unknown as { streams: Stream[] }).streams[1]!;
  stdout.tty = undefined;
  stdout.stream_ops = {
    write(_stream: Stream, heap: Int8Array, at: number, length: number): number {
      onOutput(new Uint8Array(heap.buffer, heap.byteOffset + at, length));
      return length;
    },
  };
  let code: number | undefined;
  try {
    code = module.callMain([...command, "-t7z", "-bd", ARCHIVE_PATH]) as number | undefined;
  } catch (error) {
    // 7-Zip's own exceptions come out of WebAssembly as a number, a decoder that ran wild as a RuntimeError.
    if (typeof error === "number" || error instanceof WebAssembly.RuntimeError) {
      throw new BadArchive(faultOf([...complaints, "the decoder gave up"]));
    }
    throw error;
  }
  if (code === EXIT_OUT_OF_MEMORY) {
    throw new OperationFailed(
      "Cannot unpack the 7z archive: its dictionary is larger than the decoder's memory",
    );
  }
  return { code: code ?? 0, complaints };
}

/** Makes an empty file of the decoder's memory file system into a window onto the archive. */
function attachSource(node: Node, source: ArchiveSource): void {
  const { size } = source;
  const never = new Date(0);
  node.node_ops = {
    ...node.node_ops,
    getattr: () => ({
      dev: 1,
      ino: node.id,
      mode: node.mode,
      nlink: 1,
      uid: 0,
      gid: 0,
      rdev: 0,
      size,
      atime: never,
      mtime: never,
      ctime: never,
      blksize: 4096,
      blocks: Math.ceil(size / 512),
    }),
  };
  node.stream_ops = {
    read(_stream: Stream, heap: Int8Array, at: number, length: number, position: number): number {
      const n = Math.min(length, Math.max(0, size - position));
      return n === 0 ? 0 : source.readAt(new Uint8Array(heap.buffer, heap.byteOffset + at, n), position);
    },
    llseek(stream: Stream, offset: number, whence: number): number {
      return whence === 1 ? stream.position + offset : whence === 2 ? size + offset : offset;
    },
  };
}
