// Cuts a zstd stream into frames and their parts without decoding them (RFC 8878, 3.1), because the runtime's decoder
// may drop what follows its first frame, says nothing of a frame that is cut short, and throws where nobody can catch
// it when a fault shows after one write has filled its output more than once. So each frame gets a decoder of its own
// and each block, which unpacks to at most 128 KiB, a write. Only headers are read here; they also say what a frame
// unpacks to, and a window that takes too much memory is refused before a decoder sees it.

import { BadArchive } from "./archive.ts";

/** How much memory a frame may ask for: what `zstd -d` itself takes, so --ultra -22 and --long=27 pass. */
const MAX_WINDOW_BYTES = 128 << 20;

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;

/** Begins every frame with content. `ZstdFrames` keeps it back: until its last byte the frame may be a skippable one. */
export const ZSTD_MAGIC_BYTES = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd]);

/** What the first `length` bytes given to `step` are. */
export interface FrameStep {
  readonly length: number;
  /** A frame with content begins after them: the magic was among them. */
  readonly begins: boolean;
  /** They belong to a frame with content, and come after its magic. */
  readonly inside: boolean;
  /** That frame ends with them. */
  readonly ends: boolean;
}

/** magic -> descriptor -> header -> block+ -> checksum? -> magic; or magic -> skippableSize -> magic */
type Field = "magic" | "skippableSize" | "descriptor" | "header" | "block" | "checksum";

export class ZstdFrames {
  /** What the next `#field.length` bytes are. */
  #expects: Field = "magic";
  #field = new Uint8Array(4);
  #filled = 0;
  /** Bytes of a block or a skippable frame that are passed over first. */
  #skip = 0;
  #descriptor = 0;
  #lastBlock = false;
  /** After the magic of a frame with content, before its last byte is over. */
  #inside = false;
  #declared: number | undefined = 0;
  #frames = 0;

  /** Content bytes of all frames begun so far; undefined as soon as one frame does not say. */
  get declaredBytes(): number | undefined {
    return this.#declared;
  }

  /** How many frames with content have begun. */
  get frames(): number {
    return this.#frames;
  }

  /**
   * Takes bytes up to the end of a frame's header, block or checksum, at least one of a non-empty array.
   *
   * @throws {BadArchive}
   */
  step(bytes: Uint8Array): FrameStep {
    const inside = this.#inside;
    let at = 0;
    do {
      if (this.#skip > 0) {
        const n = Math.min(this.#skip, bytes.length - at);
        this.#skip -= n;
        at += n;
      } else {
        const n = Math.min(this.#field.length - this.#filled, bytes.length - at);
        this.#field.set(bytes.subarray(at, at + n), this.#filled);
        this.#filled += n;
        at += n;
        if (this.#filled === this.#field.length) this.#onField();
      }
      if (this.#isBetweenParts && this.#lastBlock && this.#expects === "magic") {
        this.#inside = this.#lastBlock = false;
      }
    } while (at < bytes.length && this.#inside === inside && !this.#isBetweenParts);
    return { length: at, inside, begins: !inside && this.#inside, ends: inside && !this.#inside };
  }

  /** The stream has ended. @throws {BadArchive} When it ended inside a frame. */
  end(): void {
    if (!this.#isBetweenParts || this.#expects !== "magic" || this.#frames === 0) {
      throw new BadArchive("its zstd stream ends too early");
    }
  }

  get #isBetweenParts(): boolean {
    const begins = this.#expects === "block" || this.#expects === "checksum" || this.#expects === "magic";
    return begins && this.#filled === 0 && this.#skip === 0;
  }

  #await(field: Field, length: number): void {
    this.#expects = field;
    this.#field = new Uint8Array(length);
    this.#filled = 0;
  }

  #onField(): void {
    const field = this.#field;
    switch (this.#expects) {
      case "magic": {
        const magic = littleEndian(field, 0, 4);
        if (magic === MAGIC) {
          this.#inside = true;
          return this.#await("descriptor", 1);
        }
        if ((magic & 0xfffffff0) === SKIPPABLE_MAGIC) return this.#await("skippableSize", 4);
        throw new BadArchive("its zstd stream has something other than a frame where one must begin");
      }
      case "skippableSize":
        this.#skip = littleEndian(field, 0, 4);
        return this.#await("magic", 4);
      case "descriptor":
        this.#descriptor = field[0]!;
        if ((this.#descriptor & 0x08) !== 0) {
          throw new BadArchive("its zstd frame header has a reserved bit set");
        }
        return this.#await("header", headerBytes(this.#descriptor));
      case "header":
        this.#onHeader(field);
        return this.#await("block", 3);
      case "block": {
        const header = littleEndian(field, 0, 3);
        this.#lastBlock = (header & 1) !== 0;
        const type = (header >> 1) & 3;
        if (type === 3) throw new BadArchive("its zstd stream has a block of an unknown type");
        // An RLE block is one byte, repeated.
        this.#skip = type === 1 ? 1 : header >> 3;
        if (!this.#lastBlock) return this.#await("block", 3);
        return (this.#descriptor & 0x04) !== 0 ? this.#await("checksum", 4) : this.#await("magic", 4);
      }
      case "checksum":
        return this.#await("magic", 4);
      default:
        this.#expects satisfies never;
    }
  }

  #onHeader(field: Uint8Array): void {
    const { window, contentSize } = parseHeader(this.#descriptor, field);
    if (window > MAX_WINDOW_BYTES) {
      throw new BadArchive(
        `its zstd window is ${Math.floor(window / 2 ** 20)} MiB, more than the ${
          MAX_WINDOW_BYTES >> 20
        } MiB ` +
          "we take (pack it with --long=27 or less)",
      );
    }
    this.#frames++;
    if (contentSize === undefined || this.#declared === undefined) this.#declared = undefined;
    else this.#declared += contentSize;
  }
}

/** Bytes of the frame header after the descriptor: window, dictionary id, content size. */
function headerBytes(descriptor: number): number {
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  return (single ? 0 : 1) + dictionary + contentSizeBytes(descriptor);
}

function contentSizeBytes(descriptor: number): number {
  const single = (descriptor & 0x20) !== 0;
  return [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
}

function parseHeader(
  descriptor: number,
  field: Uint8Array,
): { window: number; contentSize: number | undefined } {
  const sizeBytes = contentSizeBytes(descriptor);
  let contentSize: number | undefined;
  if (sizeBytes > 0) {
    contentSize = littleEndian(field, field.length - sizeBytes, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  }
  if ((descriptor & 0x20) !== 0) return { window: contentSize!, contentSize };
  const base = 2 ** (10 + (field[0]! >> 3));
  return { window: base + (base / 8) * (field[0]! & 7), contentSize };
}

function littleEndian(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!;
  return value;
}
