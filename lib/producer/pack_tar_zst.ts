// A ledger as a tar of one entry in one zstd frame with a checksum. The entry's date, owner and mode are fixed: the same
// ledger gives the same archive, and so the same torrent.

import zlib from "node:zlib";
import { utf8 } from "../bytes.ts";
import { OperationFailed } from "../errors.ts";
import type { OpenFile } from "../ports.ts";
import { LEDGER_NAME } from "./packer.ts";

/**
 * Packs.
 *
 * @param onRead Called with the bytes read so far before each further read; ends the job by throwing.
 * @throws {OperationFailed} When this runtime has no zstd, or the ledger gets shorter meanwhile.
 */
export async function packTarZst(
  ledger: OpenFile,
  out: OpenFile,
  onRead: (doneBytes: number) => void,
): Promise<void> {
  const { size } = ledger.facts();
  const compressor = new Compressor(out);
  try {
    await compressor.write(tarHeader(LEDGER_NAME, size));
    const buffers = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)];
    for (let at = 0, turn = 0; at < size; turn ^= 1) {
      onRead(at);
      const buffer = buffers[turn]!.subarray(0, Math.min(READ_BYTES, size - at));
      if (ledger.readAt(buffer, at) < buffer.length) {
        throw new OperationFailed(`Cannot pack ${ledger.path}: it became shorter meanwhile`);
      }
      await compressor.write(buffer);
      at += buffer.length;
    }
    await compressor.write(new Uint8Array(padding(size) + TRAILER_BYTES));
    await compressor.end();
    onRead(size);
  } finally {
    compressor.close();
  }
}

/** An entry's header in the ustar format; a size beyond its 11 octal digits as GNU tar writes it, in binary. */
export function tarHeader(name: string, size: number): Uint8Array {
  const header = new Uint8Array(BLOCK_BYTES);
  const text = (at: number, value: string) => header.set(utf8(value), at);
  text(0, name);
  text(100, "0000600\0");
  text(108, "0000000\0");
  text(116, "0000000\0");
  if (size < 8 ** 11) text(124, `${size.toString(8).padStart(11, "0")}\0`);
  else {
    header[124] = 0x80;
    new DataView(header.buffer).setBigUint64(128, BigInt(size));
  }
  text(136, "00000000000\0");
  text(156, "0");
  text(257, "ustar\0" + "00");
  text(148, " ".repeat(8));
  const sum = header.reduce((total, byte) => total + byte, 0);
  text(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return header;
}

/** The runtime's zstd, with what comes out written at once and never more than one write ahead. */
class Compressor {
  readonly #out: OpenFile;
  readonly #zstd: zlib.Gzip;
  #at = 0;
  #failure: unknown;
  #wake: () => void = () => {};
  #ended = false;

  constructor(out: OpenFile) {
    this.#out = out;
    this.#zstd = createZstd();
    this.#zstd.on("data", (bytes: Uint8Array) => {
      try {
        if (this.#failure !== undefined) return;
        out.writeAt(bytes, this.#at);
        this.#at += bytes.length;
      } catch (error) {
        this.#fail(error);
      }
    });
    this.#zstd.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    this.#zstd.on("error", (error: Error) => {
      this.#fail(new OperationFailed(`Cannot pack ${out.path}: zstd: ${error.message}`, { cause: error }));
    });
  }

  /** The bytes are the caller's again when it resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    let isTaken = false;
    this.#zstd.write(bytes, () => {
      isTaken = true;
      this.#wake();
    });
    await this.#until(() => isTaken);
  }

  /** All that came in is in the file. */
  async end(): Promise<void> {
    this.#zstd.end();
    await this.#until(() => this.#ended);
    await this.#out.sync();
  }

  close(): void {
    this.#zstd.destroy();
  }

  async #until(isDone: () => boolean): Promise<void> {
    while (!isDone() && this.#failure === undefined) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#wake();
  }
}

/**
 * The runtime's zstd encoder.
 *
 * @param from Where it is: reached by name, as an older runtime may lack it, and a named import would then not even link.
 * @throws {OperationFailed} When it does.
 */
export function createZstd(from: Partial<Pick<typeof zlib, "createZstdCompress">> = zlib): zlib.Gzip {
  if (typeof from.createZstdCompress !== "function") {
    throw new OperationFailed(
      "Cannot pack as tar.zst: this runtime has no zstd encoder (Deno 2.9.6, which releases are made with, has it)",
    );
  }
  const { ZSTD_c_compressionLevel: level, ZSTD_c_checksumFlag: checksum } = zlib.constants;
  return from.createZstdCompress({
    chunkSize: READ_BYTES,
    params: { [level]: ZSTD_LEVEL, [checksum]: 1 },
  }) as unknown as zlib.Gzip;
}

/** Zeros that fill the entry's last block. */
function padding(size: number): number {
  return (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES;
}

/** zstd's own default; higher ones gain a few per cent on hashes and signatures, for several times the time. */
const ZSTD_LEVEL = 3;
const READ_BYTES = 1 << 20;
const BLOCK_BYTES = 512;
/** Two empty blocks end a tar. */
const TRAILER_BYTES = 2 * BLOCK_BYTES;
