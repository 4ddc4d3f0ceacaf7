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
import { ZSTD_MAGIC_BYTES, ZstdFrames } from "./zstd_frames.ts";

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
  const payload = new Payload(sink, () => frames?.declaredBytes);
  const consume = (bytes: Uint8Array) => payload.write(bytes);
  const inflater = frames === undefined ? new Decoder("gzip", consume) : new ZstdDecoders(frames, consume);
  try {
    await readThrough(source, async (bytes, at) => {
      await inflater.write(bytes);
      onProgress(at + bytes.length, source.size);
    });
    await inflater.end();
  } finally {
    inflater.close();
  }
  return `${payload.end()}.${kind}`;
}

/** Tells a tar from a bare ledger by the first bytes, then passes everything on. */
class Payload {
  #head = new Uint8Array(0);
  #take: ((bytes: Uint8Array) => void) | undefined;
  #tar: TarReader | undefined;
  #produced = 0;

  /** @param declaredBytes What the stream declares to unpack to, as far as it was read. */
  constructor(readonly sink: LedgerSink, readonly declaredBytes: () => number | undefined) {}

  write(bytes: Uint8Array): void {
    this.#produced += bytes.length;
    // libzstd compares the two at the end of a frame; that is too late for a frame that never ends.
    const declared = this.declaredBytes();
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
    const declared = this.declaredBytes();
    if (declared !== undefined) sink.expect(declared);
    this.#head = new Uint8Array(0);
    this.#take(head);
  }
}

/** A decoder for each frame, a write for each of its parts: why, see zstd_frames.ts. */
class ZstdDecoders {
  #decoder: Decoder | undefined;

  constructor(readonly frames: ZstdFrames, readonly consume: (bytes: Uint8Array) => void) {}

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const step = this.frames.step(bytes.subarray(at));
      if (step.begins) {
        this.#decoder = new Decoder("zstd", this.consume);
        await this.#decoder.write(ZSTD_MAGIC_BYTES);
      }
      if (step.inside) await this.#decoder!.write(bytes.subarray(at, at + step.length));
      if (step.ends) {
        await this.#decoder!.end();
        this.close();
      }
      at += step.length;
    }
  }

  end(): void {
    this.frames.end();
  }

  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
  }
}

/**
 * A node:zlib stream as two calls: `write` resolves when the bytes are through, `end` when all of it has come out;
 * both reject with why they cannot. The stream tells some failures only by an event, and then never calls back.
 */
class Decoder {
  readonly #stream: zlib.Gunzip;
  #ended = false;
  #failure: unknown;
  /** Wakes who waits; all it does is look again. */
  #wake = () => {};

  constructor(method: "gzip" | "zstd", consume: (bytes: Uint8Array) => void) {
    this.#stream = method === "gzip" ? zlib.createGunzip({ chunkSize: OUTPUT_BYTES }) : createZstd();
    this.#stream.on("error", (error: Error) => this.#fail(new BadArchive(faultOf(method, error))));
    this.#stream.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    this.#stream.on("close", () => {
      if (!this.#ended) this.#fail(new BadArchive(`its ${method} stream cannot be read on`));
    });
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
    let through = false;
    this.#stream.write(bytes, () => {
      through = true;
      this.#wake();
    });
    await this.#until(() => through);
  }

  async end(): Promise<void> {
    if (!this.#ended) this.#stream.end();
    await this.#until(() => this.#ended);
  }

  close(): void {
    this.#stream.destroy();
  }

  async #until(done: () => boolean): Promise<void> {
    while (this.#failure === undefined && !done()) {
      await new Promise<void>((wake) => this.#wake = wake);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#wake();
  }
}

/**
 * The runtime's zstd decoder.
 *
 * @param from Where it is: reached by name, as an older runtime may lack it, and a named import would then not even link.
 * @throws {OperationFailed} When it does.
 */
export function createZstd(from: Partial<Pick<typeof zlib, "createZstdDecompress">> = zlib): zlib.Gunzip {
  if (typeof from.createZstdDecompress !== "function") {
    throw new OperationFailed(
      "Cannot unpack zstd: this runtime has no zstd decoder (Deno 2.9.6, which releases are made with, has it)",
    );
  }
  return from.createZstdDecompress({ chunkSize: OUTPUT_BYTES }) as unknown as zlib.Gunzip;
}

function faultOf(method: "gzip" | "zstd", error: Error): string {
  if ((error as { code?: string }).code === "Z_BUF_ERROR") return `its ${method} stream ends too early`;
  return `its ${method} stream is damaged (${error.message})`;
}
