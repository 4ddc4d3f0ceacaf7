// What survives a restart: a journal of the pieces that are whole on disk, appended to after their data was written.
//
// What it promises. In the same boot every record counts, because the page cache outlives a killed process. After
// another boot (or where boots can't be told apart) only pieces before the last checkpoint are trusted, the rest is
// hashed again. Size and mtime decide only for files that a clean stop closed. Where the data files are not the ones
// that were written, nothing counts and all they hold is hashed. A journal that can't be read is set aside, never
// obeyed in part.
//
//   missing  ── addPieces ──>  recorded  ── checkpoint ──>  stable
//   recorded ── another boot ──────────────────>  suspect
//   stable   ── changed since a clean stop ────>  suspect
//   suspect  ── addPieces ──>  recorded;  any  ── removePieces ──>  missing
//   what files hold that no journal knows  ────>  suspect
//
// Each open writes a fresh header, so that a journal grows by one run only. Two runs never share one: the data
// directory's lock sees to that.

import { invariant } from "../errors.ts";
import type { FileFacts, OpenFile } from "../ports.ts";
import type { PieceIndex } from "./layout.ts";
import { PieceSet } from "./piece_set.ts";
import { encodeHeader, encodeRecord, RECORD_BYTES, type RecordKind } from "./resume_format.ts";
import {
  closingOf,
  headerOf,
  type JournalState,
  readJournal,
  type ResumeOptions,
  setAside,
  unknownState,
} from "./resume_state.ts";

export type { ResumeOptions } from "./resume_state.ts";

/** A checkpoint is due after so much new data, or so long after the first of it: what a power loss costs in hashing. */
export const CHECKPOINT_BYTES = 2 ** 30;
export const CHECKPOINT_MS = 30_000;

export interface Resumed {
  readonly journal: ResumeJournal;
  /** Pieces vouched for. The caller's. */
  readonly trusted: PieceSet;
  /**
   * Pieces to hash, then to be given to `addPieces` or `removePieces`, best as they come: whatever was not is suspect
   * again next time. The caller's.
   */
  readonly suspect: PieceSet;
  /** False where no journal says anything about these files: then every piece that they are long enough for is suspect. */
  readonly isKnown: boolean;
  /** Something to tell the user, one sentence. */
  readonly warning: string | undefined;
}

export class ResumeJournal {
  readonly #options: ResumeOptions;
  readonly #recorded: PieceSet;
  readonly #suspect: PieceSet;
  readonly #file: OpenFile;
  readonly #seed: number;
  /** Where the records begin, and how many there are. */
  readonly #start: number;
  #records = 0;
  /** Whether something recorded is not covered by a checkpoint; how many bytes came in this run, and since when. */
  #isOpen: boolean;
  #openBytes = 0;
  #openSinceMs: number | undefined;
  #checkpoint: Promise<void> | undefined;
  #isClosed = false;

  private constructor(options: ResumeOptions, state: JournalState) {
    this.#options = options;
    this.#recorded = state.recorded;
    this.#suspect = state.suspect;
    this.#isOpen = state.recorded.count > state.stable.count;
    const { bytes, seed } = encodeHeader(headerOf(options, state, undefined));
    options.files.writeAtomic(options.path, bytes);
    this.#file = options.files.open(options.path, "write");
    this.#start = bytes.length;
    this.#seed = seed;
  }

  /**
   * Reads what is known and begins this run's journal. Call it after the data files were opened and before anything
   * is written to them.
   *
   * @throws {SnapError} When the journal cannot be read or written at all.
   */
  static open(options: ResumeOptions): Resumed {
    const found = readJournal(options);
    const known = typeof found === "string" ? undefined : found;
    const warning = typeof found === "string" ? setAside(options, found) : undefined;
    const state = known ?? unknownState(options);
    const journal = new ResumeJournal(options, state);
    return {
      journal,
      trusted: copyOf(state.recorded),
      suspect: copyOf(state.suspect),
      isKnown: known !== undefined,
      warning,
    };
  }

  /** Records pieces whose data was written, in one write. Pieces recorded already cost nothing. */
  addPieces(pieces: readonly PieceIndex[], nowMs: number): void {
    const fresh = [...new Set(pieces)].filter((piece) => !this.#recorded.has(piece));
    this.#append("have", fresh);
    for (const piece of fresh) {
      this.#recorded.add(piece);
      this.#suspect.delete(piece);
      this.#openBytes += this.#options.layout.pieceSize(piece);
    }
    if (fresh.length === 0) return;
    this.#isOpen = true;
    this.#openSinceMs ??= nowMs;
  }

  /**
   * Records that pieces are bad or gone after all: they are neither trusted nor hashed again next time.
   *
   * @returns Resolves when that is on stable storage. Only then may something else be written in their place, or a
   * power loss would leave them trusted and overwritten.
   */
  async removePieces(pieces: readonly PieceIndex[]): Promise<void> {
    const lost = [...new Set(pieces)].filter((piece) =>
      this.#recorded.has(piece) || this.#suspect.has(piece)
    );
    this.#append("lost", lost);
    const wasTrusted = lost.some((piece) => this.#recorded.has(piece));
    for (const piece of lost) {
      this.#recorded.delete(piece);
      this.#suspect.delete(piece);
    }
    if (wasTrusted) await this.#file.sync();
  }

  /** Whether enough has come, or waited long enough, since the last checkpoint. */
  isCheckpointDue(nowMs: number): boolean {
    if (this.#checkpoint !== undefined || !this.#isOpen) return false;
    this.#openSinceMs ??= nowMs;
    return this.#openBytes >= CHECKPOINT_BYTES || nowMs - this.#openSinceMs >= CHECKPOINT_MS;
  }

  /**
   * Puts on stable storage what was recorded before this call, and says so in the journal. Pieces may be recorded
   * meanwhile; they belong to the next one. One at a time: a second call gets the first one's promise.
   *
   * @param sync Resolves once all data written before its call is on stable storage (`Storage.sync`).
   */
  checkpoint(sync: () => Promise<void>): Promise<void> {
    this.#checkpoint ??= this.#runCheckpoint(sync).finally(() => {
      this.#checkpoint = undefined;
    });
    return this.#checkpoint;
  }

  /**
   * Ends the journal at a clean stop: all is on stable storage, and from here on a change of size or mtime tells.
   *
   * @param data Usually the `Storage`, still open. Pieces recorded while it syncs will be hashed again.
   */
  async closeClean(
    data: { sync(): Promise<void>; facts(): readonly FileFacts[] },
  ): Promise<void> {
    await this.#checkpoint?.catch(() => {});
    const covered = copyOf(this.#recorded);
    try {
      await data.sync();
    } finally {
      this.#close();
    }
    const suspect = this.#suspect;
    for (const piece of this.#recorded) if (!covered.has(piece)) suspect.add(piece);
    for (const piece of covered) if (!this.#recorded.has(piece)) covered.delete(piece);
    const { files, path, layout } = this.#options;
    const state = { recorded: covered, stable: covered, suspect };
    const closed = closingOf(layout, data.facts());
    files.writeAtomic(path, encodeHeader(headerOf(this.#options, state, closed)).bytes);
  }

  /** Ends the journal without a promise about the data, as a kill would. Safe twice. */
  async close(): Promise<void> {
    await this.#checkpoint?.catch(() => {});
    if (!this.#isClosed) this.#close();
  }

  async #runCheckpoint(sync: () => Promise<void>): Promise<void> {
    const covered = this.#records;
    const [bytes, sinceMs] = [this.#openBytes, this.#openSinceMs];
    this.#isOpen = false;
    this.#openBytes = 0;
    this.#openSinceMs = undefined;
    try {
      await sync();
      this.#append("checkpoint", [covered]);
      await this.#file.sync();
    } catch (error) {
      this.#isOpen = true;
      this.#openBytes += bytes;
      this.#openSinceMs = sinceMs;
      throw error;
    }
  }

  /** One write; when it fails, the next one goes to the same place. */
  #append(kind: RecordKind, values: readonly number[]): void {
    invariant(!this.#isClosed, "nothing is recorded in a closed journal");
    if (values.length === 0) return;
    const bytes = new Uint8Array(values.length * RECORD_BYTES);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < values.length; i++) {
      const place = this.#records + i;
      encodeRecord(view, i * RECORD_BYTES, { kind, value: values[i]!, place, seed: this.#seed });
    }
    this.#file.writeAt(bytes, this.#start + this.#records * RECORD_BYTES);
    this.#records += values.length;
  }

  #close(): void {
    invariant(!this.#isClosed, "a journal is closed once");
    this.#isClosed = true;
    this.#file.close();
  }
}

/** The pieces that an earlier run's journal vouches for now. Nothing is changed. */
export function vouchedPieces(options: ResumeOptions): PieceSet {
  const found = readJournal(options);
  return typeof found === "object" ? found.recorded : new PieceSet(options.layout.pieceCount);
}

/** The pieces that may be there by what an earlier run wrote down, or by the files' sizes. Nothing is changed. */
export function peekPieces(options: ResumeOptions): PieceSet {
  const found = readJournal(options);
  const { recorded, suspect } = typeof found === "object" ? found : unknownState(options);
  const pieces = copyOf(suspect);
  for (const piece of recorded) pieces.add(piece);
  return pieces;
}

function copyOf(pieces: PieceSet): PieceSet {
  return PieceSet.parse(pieces.bits, pieces.size);
}
