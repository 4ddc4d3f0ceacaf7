// The file that grows while an archive is unpacked. It bounds what is written by what the archive declares and by
// free space, looks at the first bytes so that a wrong file is refused early, and leaves either a whole, synced
// `data.ldb.partial` or nothing.

import { NotEnoughSpace } from "../errors.ts";
import { formatBytes } from "../format.ts";
import type { Files, OpenFile } from "../ports.ts";
import { BadArchive, type LedgerSink, type Progress } from "./archive.ts";
import { LEDGER_NAME } from "./safe_path.ts";
import { isLedgerHead, LEDGER_HEAD_BYTES } from "./sniff.ts";

/** What stays free on the disk: a full one harms the node and the system that share it. */
const RESERVE_BYTES = 64 << 20;
/** The most that is written between two looks at the free space: one look costs less than a thousandth of that. */
const SPACE_CHECK_BYTES = 256 << 20;

export class LedgerOutput implements LedgerSink {
  /** `<folder>/data.ldb.partial`. */
  readonly path: string;
  readonly #files: Files;
  readonly #folder: string;
  readonly #beforeWrite: () => void;
  readonly #onProgress: Progress;
  readonly #toComeBytes: () => number;
  readonly #head = new Uint8Array(LEDGER_HEAD_BYTES);
  #file: OpenFile | undefined;
  #exact: number | undefined;
  #written = 0;
  /** How far an unsized ledger may grow before the free space is looked at again. */
  #roomUntil = 0;

  /**
   * @param options.beforeWrite Called often; ends the job by throwing.
   * @param options.onProgress Told what is written, while the size is known.
   * @param options.toComeBytes What else is going to be written to this disk: an archive that is still coming.
   */
  constructor(
    options: {
      files: Files;
      folder: string;
      beforeWrite: () => void;
      onProgress: Progress;
      toComeBytes?: () => number;
    },
  ) {
    this.#files = options.files;
    this.#folder = options.folder;
    this.#beforeWrite = options.beforeWrite;
    this.#onProgress = options.onProgress;
    this.#toComeBytes = options.toComeBytes ?? (() => 0);
    this.path = `${options.folder}/${LEDGER_NAME}.partial`;
  }

  begin(exactBytes: number): void {
    if (exactBytes === 0) throw new BadArchive(`its ${LEDGER_NAME} is empty`);
    this.#exact = exactBytes;
    this.#open();
    this.expect(exactBytes);
  }

  beginUnsized(): void {
    this.#open();
  }

  expect(atLeastBytes: number): void {
    const free = this.#files.freeBytes(this.#folder);
    const toCome = this.#toComeBytes();
    if (atLeastBytes + toCome + RESERVE_BYTES > free) this.#refuseForSpace(atLeastBytes, free, toCome);
  }

  write(bytes: Uint8Array): void {
    this.writeAt(bytes, this.#written);
    if (this.#exact !== undefined) this.#onProgress(this.#written, this.#exact);
  }

  writeAt(bytes: Uint8Array, at: number): void {
    this.#beforeWrite();
    if (at + bytes.length > (this.#exact ?? Infinity)) {
      throw new BadArchive(`it unpacks to more than the ${this.#exact} bytes it declares`);
    }
    if (at < LEDGER_HEAD_BYTES) this.#onHead(bytes, at);
    if (this.#exact === undefined && at + bytes.length > this.#roomUntil) this.#findRoom(bytes.length);
    this.#file!.writeAt(bytes, at);
    this.#written += bytes.length;
  }

  addOthers(bytes: number): void {
    this.#written += bytes;
  }

  /** Checks that all has come and syncs it. @returns The ledger's size. @throws {BadArchive} */
  async finish(): Promise<number> {
    if (this.#exact !== undefined && this.#written !== this.#exact) {
      throw new BadArchive(`it unpacks to ${this.#written} bytes of the ${this.#exact} it declares`);
    }
    if (this.#written < LEDGER_HEAD_BYTES) throw new BadArchive(`its ${LEDGER_NAME} is empty or cut short`);
    await this.#file!.sync();
    this.#file!.close();
    this.#file = undefined;
    return this.#written;
  }

  /** Closes and removes what was written; nothing there is fine. */
  discard(): void {
    const begun = this.#file !== undefined;
    this.#file?.close();
    this.#file = undefined;
    if (begun) this.#files.remove(this.path);
  }

  #open(): void {
    // What an earlier run left goes first: it holds space, and it might be a link to somewhere else.
    this.#files.remove(this.path);
    this.#file = this.#files.open(this.path, "create");
  }

  #onHead(bytes: Uint8Array, at: number): void {
    const part = bytes.subarray(0, LEDGER_HEAD_BYTES - at);
    this.#head.set(part, at);
    const whole = at + part.length === LEDGER_HEAD_BYTES;
    if (whole && !isLedgerHead(this.#head)) throw new BadArchive(`its ${LEDGER_NAME} is no LMDB file`);
  }

  #findRoom(wanted: number): void {
    const free = this.#files.freeBytes(this.#folder);
    const toCome = this.#toComeBytes();
    const room = free - RESERVE_BYTES - toCome;
    if (room < wanted) this.#refuseForSpace(wanted, free, toCome);
    this.#roomUntil = this.#written + Math.min(room, SPACE_CHECK_BYTES);
  }

  #refuseForSpace(wanted: number, free: number, toCome: number): never {
    const archive = toCome > 0 ? `, ${formatBytes(toCome)} for what is missing of the archive` : "";
    throw new NotEnoughSpace(
      `Cannot unpack the ledger into ${this.#folder}: needs ${formatBytes(wanted)}${archive} and ${
        formatBytes(RESERVE_BYTES)
      } that must stay free, has ${formatBytes(free)}; make room there, then give the same command again`,
    );
  }
}
