// Unpacks gzip and zstd streams with the runtime's own decoders. One read of the archive is in flight at a time and
// what comes out is consumed before more goes in, so memory stays flat whatever the ratio. What is inside, a tar or
// the bare ledger, is told by the first bytes that come out.

import zlib from "node:zlib";
import { OperationFailed } from "../errors.ts";
import {
  type ArchiveFormat,
  type ArchiveSource,
  BadArchive,
  type LedgerSink,
  type Progress,
  readThrough,
} from "./archive.ts";
import { SNIFF_BYTES, sniffPayload } from "./sniff.ts";
import { TarReader } from "./tar.ts";
import { ZstdFrames } from "./zstd_frames.ts";

/** What the decoder hands out at once. */
const OUTPUT_BYTES = 1 << 20;

/**
 * Unpacks the whole stream into the sink.
 *
 * @param onProgress Told how much of the archive was read.
 * @throws {BadArchive} Damaged, cut short, or holding neither a tar nor a ledger. What the sink throws.
 * @throws {OperationFailed} When this runtime has no zstd.
 */
export async function unpackStream(
  kind: "gz" | "zst",
  source: ArchiveSource,
  sink: LedgerSink,
  onProgress: Progress,
): Promise<ArchiveFormat> {
  const frames = kind === "zst" ? new ZstdFrames() : undefined;
  const payload = new Payload(sink, frames);
  const decoder = new Decoder(kind, (bytes) => payload.write(bytes));
  try {
    await readThrough(source, async (bytes, at) => {
      frames?.feed(bytes);
      await decoder.write(bytes);
      onProgress(at + bytes.length, source.size);
    });
    frames?.end();
    await decoder.end();
  } finally {
    decoder.close();
  }
  return `${payload.end()}.${kind}`;
}

/** Tells a tar from a bare ledger by the first bytes, then passes everything on. */
class Payload {
  #head = new Uint8Array(0);
  #take: ((bytes: Uint8Array) => void) | undefined;
  #tar: TarReader | undefined;
  #produced = 0;

  constructor(readonly sink: LedgerSink, readonly frames: ZstdFrames | undefined) {}

  write(bytes: Uint8Array): void {
    this.#produced += bytes.length;
    // libzstd compares the two at the end of a frame; that is too late for a frame that never ends.
    const declared = this.frames?.declaredBytes;
    if (declared !== undefined && this.#produced > declared) {
      throw new BadArchive(`it unpacks to more than the ${declared} bytes it declares`);
    }
    if (this.#take !== undefined) return this.#take(bytes);
    const head = new Uint8Array(this.#head.length + bytes.length);
    head.set(this.#head);
    head.set(bytes, this.#head.length);
    this.#head = head;
    if (head.length >= SNIFF_BYTES) this.#begin();
  }

  end(): "tar" | "ldb" {
    if (this.#take === undefined) this.#begin();
    this.#tar?.end();
    return this.#tar === undefined ? "ldb" : "tar";
  }

  #begin(): void {
    const head = this.#head;
    const kind = sniffPayload(head);
    if (kind === undefined) throw new BadArchive("what it unpacks to is neither a tar nor an LMDB file");
    const { sink } = this;
    if (kind === "tar") {
      const tar = new TarReader(sink);
      this.#tar = tar;
      this.#take = (bytes) => tar.write(bytes);
    } else {
      sink.beginUnsized();
      this.#take = (bytes) => sink.write(bytes);
    }
    const declared = this.frames?.declaredBytes;
    if (declared !== undefined) sink.expect(declared);
    this.#head = new Uint8Array(0);
    this.#take(head);
  }
}

/** A node:zlib stream as two awaited calls: `write` returns when the bytes are through, or throws why they are not. */
class Decoder {
  readonly #stream: zlib.Gunzip;
  #failure: unknown;
  #onFailure: ((reason: unknown) => void) | undefined;

  constructor(kind: "gz" | "zst", consume: (bytes: Uint8Array) => void) {
    this.#stream = kind === "gz" ? zlib.createGunzip({ chunkSize: OUTPUT_BYTES }) : createZstd();
    this.#stream.on("error", (error: Error) => this.#fail(new BadArchive(faultOf(kind, error))));
    this.#stream.on("data", (bytes: Uint8Array) => {
      if (this.#failure !== undefined) return;
      try {
        consume(bytes);
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#orFailure((done) => this.#stream.write(bytes, () => done()));
  }

  async end(): Promise<void> {
    await this.#orFailure((done) => {
      this.#stream.once("end", done);
      this.#stream.end();
    });
  }

  close(): void {
    this.#stream.destroy();
  }

  /** The stream reports some failures only as an event, and then never calls back. */
  async #orFailure(start: (done: () => void) => void): Promise<void> {
    if (this.#failure === undefined) {
      await new Promise<void>((resolve, reject) => {
        this.#onFailure = reject;
        start(resolve);
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#onFailure?.(this.#failure);
  }
}

function createZstd(): zlib.Gunzip {
  // Reached by name: runtimes before Deno 2.9 lack it, and a named import would then not even link.
  if (typeof zlib.createZstdDecompress !== "function") {
    throw new OperationFailed(
      "Cannot unpack zstd: this runtime has no zstd decoder (Deno 2.9 and later have it)",
    );
  }
  return zlib.createZstdDecompress({ chunkSize: OUTPUT_BYTES }) as unknown as zlib.Gunzip;
}

function faultOf(kind: "gz" | "zst", error: Error): string {
  if ((error as { code?: string }).code === "Z_BUF_ERROR") return "its gzip stream ends too early";
  return `its ${kind === "gz" ? "gzip" : "zstd"} stream is damaged (${error.message})`;
}
