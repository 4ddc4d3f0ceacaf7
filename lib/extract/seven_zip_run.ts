// 7-Zip itself, compiled to WebAssembly, run once for one command. It sees one file, whose reads go to an
// ArchiveSource, and what it writes to its stdout goes to a function: no file system is mounted, so no name in an
// archive can become a path.

import sevenZipModule, { type SevenZipModuleFactory } from "7z-wasm";
import { OperationFailed } from "../errors.ts";
import { type ArchiveSource, BadArchive } from "./archive.ts";
import { showName } from "./safe_path.ts";

/** What is kept of the decoder's complaints. */
const MAX_COMPLAINTS = 20;

/** The package is CommonJS: what its types call the default export is the module itself. */
const sevenZip = sevenZipModule as unknown as SevenZipModuleFactory;

const EXIT_OUT_OF_MEMORY = 8;
const ARCHIVE_PATH = "/archive.7z";

/**
 * One fresh decoder, one command. What `onOutput` and the source throw ends it and comes out of here.
 *
 * @returns The exit code, and the first lines of its stderr.
 * @throws {BadArchive} When the decoder gives up. @throws {OperationFailed} When its memory is not enough.
 */
export async function runSevenZip(
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

/** One sentence part out of what 7-Zip printed to stderr. */
export function faultOf(complaints: readonly string[]): string {
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
