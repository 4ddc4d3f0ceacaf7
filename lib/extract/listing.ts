// What an archive says is in it, without unpacking it. A .7z has a list of its entries, a tar a header before each; of a
// stream that is packed only the begin is decoded, until its first entry shows.

import { type ArchiveSource, BadArchive, headOf, type LedgerSink } from "./archive.ts";
import { LEDGER_NAME } from "./safe_path.ts";
import { listSevenZip } from "./seven_zip.ts";
import { type Container, sniff, SNIFF_BYTES } from "./sniff.ts";
import { unpackStream } from "./stream.ts";
import { TarReader } from "./tar.ts";

/** An entry as it is declared: a stranger's words. */
export interface ListedEntry {
  readonly name: string;
  /** Bytes. undefined where it does not say. */
  readonly size: number | undefined;
  readonly packedSize: number | undefined;
  /** CRC-32 in hex. */
  readonly checksum: string | undefined;
}

export interface ArchiveListing {
  readonly container: Exclude<Container, "ldb">;
  /** "LZMA2:24", "zstd", "deflate"; undefined for a bare tar. */
  readonly method: string | undefined;
  /** Of a stream that is packed the first only: whatever follows it shows when it is unpacked. */
  readonly entries: readonly ListedEntry[];
  readonly isComplete: boolean;
}

/**
 * Lists an archive.
 *
 * @returns undefined when it is none of the kinds that we take.
 * @throws {BadArchive} When it is damaged where it was looked at, or the first entry of a packed stream is no ledger.
 * @throws {OperationFailed} When this runtime has no zstd.
 */
export async function listArchive(source: ArchiveSource): Promise<ArchiveListing | undefined> {
  const container = sniff(headOf(source, SNIFF_BYTES));
  switch (container) {
    case "7z":
      return sevenZipListing(await listSevenZip(source));
    case "tar":
      return { container, method: undefined, entries: tarEntries(source), isComplete: true };
    case "gz":
    case "zst": {
      const entry = await firstEntry(container, source);
      const method = { gz: "deflate", zst: "zstd" }[container];
      return { container, method, entries: [entry], isComplete: false };
    }
    default:
      return undefined;
  }
}

function sevenZipListing(listed: readonly ReadonlyMap<string, string>[]): ArchiveListing {
  const count = (text: string | undefined) =>
    text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  const entries = listed.map((entry) => ({
    name: entry.get("Path") ?? "",
    size: count(entry.get("Size")),
    packedSize: count(entry.get("Packed Size")),
    checksum: entry.get("CRC") || undefined,
  }));
  const methods = new Set(listed.map((entry) => entry.get("Method")).filter((method) => method));
  return { container: "7z", method: [...methods].join(", ") || undefined, entries, isComplete: true };
}

/** A tar with more is none of ours, and one may be made of headers alone. */
const MAX_TAR_ENTRIES = 1000;
/** Headers begin at multiples of it, and so do reads. */
const TAR_BLOCK_BYTES = 512;

/** Enough has been seen. */
class Seen extends Error {
  constructor(readonly size: number | undefined) {
    super();
  }
}

/** Reads the headers, and goes over what lies between them. */
function tarEntries(source: ArchiveSource): ListedEntry[] {
  const entries: ListedEntry[] = [];
  const nowhere = { begin() {}, beginUnsized() {}, expect() {}, write() {}, writeAt() {}, addOthers() {} };
  const tar = new TarReader(nowhere, ({ name, size }) => {
    if (entries.length === MAX_TAR_ENTRIES) {
      throw new BadArchive(`it holds more than ${MAX_TAR_ENTRIES} entries`);
    }
    entries.push({ name, size, packedSize: undefined, checksum: undefined });
  });
  const buffer = new Uint8Array(TAR_BLOCK_BYTES);
  for (let at = 0; at < source.size;) {
    const skipped = tar.skip();
    at += skipped;
    if (skipped > 0) continue;
    const n = source.readAt(buffer, at);
    if (n === 0) break;
    tar.write(buffer.subarray(0, n));
    at += n;
  }
  tar.end();
  return entries;
}

async function firstEntry(container: "gz" | "zst", source: ArchiveSource): Promise<ListedEntry> {
  let declared: number | undefined;
  const look: LedgerSink = {
    begin(exactBytes) {
      throw new Seen(exactBytes);
    },
    beginUnsized() {},
    expect(atLeastBytes) {
      declared = atLeastBytes;
    },
    write() {
      throw new Seen(declared);
    },
    writeAt() {},
    addOthers() {},
  };
  try {
    await unpackStream(container, source, look, () => {});
  } catch (error) {
    if (!(error instanceof Seen)) throw error;
    // Both readers let nothing else pass.
    return { name: LEDGER_NAME, size: error.size, packedSize: undefined, checksum: undefined };
  }
  throw new BadArchive("it holds no entry");
}
