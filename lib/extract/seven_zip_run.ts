// 7-Zip itself, compiled to WebAssembly, run once for one command. It sees one file, whose reads go to an
// ArchiveSource, and what it writes to its stdout goes to a function: no file system is mounted, so no name in an
// archive can become a path.

import { OperationFailed } from "../errors.ts";
import { type ArchiveSource, BadArchive } from "./archive.ts";
import { showName } from "./safe_path.ts";
import { attach, nodeAt, openSevenZip, type Stream } from "./seven_zip_wasm.ts";

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
): Promise<{ code: number; complaints: readonly string[] }> {
  const { FS, complaints, run } = await openSevenZip();
  FS.writeFile(ARCHIVE_PATH, new Uint8Array(0));
  attach(nodeAt(FS, ARCHIVE_PATH), {
    size: () => source.size,
    read: (bytes, at) => source.readAt(bytes, at),
  });
  const stdout = (FS as unknown as { streams: Stream[] }).streams[1]!;
  stdout.tty = undefined;
  stdout.stream_ops = {
    write(_stream: Stream, heap: Int8Array, at: number, length: number): number {
      onOutput(new Uint8Array(heap.buffer, heap.byteOffset + at, length));
      return length;
    },
  };
  const code = run([...command, "-t7z", "-bd", ARCHIVE_PATH]);
  if (code === undefined) throw new BadArchive(faultOf(complaints));
  if (code === EXIT_OUT_OF_MEMORY) {
    throw new OperationFailed(
      "Cannot unpack the 7z archive: its dictionary is larger than the decoder's memory",
    );
  }
  return { code, complaints };
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
