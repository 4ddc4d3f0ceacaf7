// What an archive says is in it, without unpacking it. A .7z has a list of its entries; of a stream only the begin is
// decoded, until its first entry shows.

import { type ArchiveSource, BadArchive, headOf, type LedgerSink, readThrough } from "./archive.ts";
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
  /** Of a stream the first only: whatever follows it shows when it is unpacked. */
  readonly entries: readonly ListedEntry[];
  readonly isComplete: boolean;
}

/**
 * Lists an archive.
 *
 * @returns undefined when it is none of the kinds that we take.
 * @throws {BadArchive} When it is damaged where it was looked at, or its first entry is no ledger.
 * @throws {OperationFailed} When this runtime has no zstd.
 */
export async function listArchive(source: ArchiveSource): Promise<ArchiveListing | undefined> {
  const container = sniff(headOf(source, SNIFF_BYTES));
  switch (container) {
    case "7z":
      return sevenZipListing(await listSevenZip(source));
    case "tar":
    case "gz":
    case "zst": {
      const entry = await firstEntry(container, source);
      const method = { tar: undefined, gz: "deflate", zst: "zstd" }[container];
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

/** Enough has been seen. */
class Seen extends Error {
  constructor(readonly size: number | undefined) {
    super();
  }
}

async function firstEntry(container: "tar" | "gz" | "zst", source: ArchiveSource): Promise<ListedEntry> {
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
    if (container === "tar") {
      const tar = new TarReader(look);
      await readThrough(source, (bytes) => tar.write(bytes));
      tar.end();
    } else await unpackStream(container, source, look, () => {});
  } catch (error) {
    if (!(error instanceof Seen)) throw error;
    // Both readers let nothing else pass.
    return { name: LEDGER_NAME, size: error.size, packedSize: undefined, checksum: undefined };
  }
  throw new BadArchive("it holds no entry");
}
