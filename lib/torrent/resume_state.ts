// Which of a found journal's pieces can be believed now: after what boot, for which files, changed or not. The rules
// are resume.ts's promise; nothing here writes but setAside.

import { equalBytes } from "../bytes.ts";
import { invariant } from "../errors.ts";
import type { FileFacts, Files } from "../ports.ts";
import type { Layout, PieceIndex } from "./layout.ts";
import { PieceSet } from "./piece_set.ts";
import { decodeHeader, decodeRecords, type JournalHeader } from "./resume_format.ts";

export interface ResumeOptions {
  readonly files: Files;
  /** Where the journal lies; its folder exists. */
  readonly path: string;
  /** The v2 info-hash, or the v1 one where there is none. */
  readonly torrent: Uint8Array;
  readonly layout: Layout;
  /** The data files as they are, in the layout's order, made if they were missing: `Storage.facts()`. */
  readonly data: readonly FileFacts[];
  /** Others write to these files too: size and time are part of what makes them the same. */
  readonly isForeign?: boolean;
  /** Believe nothing that was written down. */
  readonly distrust?: boolean;
}

/** Three sets of one torrent's pieces; `stable` is part of `recorded`, `suspect` apart from it. */
export interface JournalState {
  readonly recorded: PieceSet;
  readonly stable: PieceSet;
  readonly suspect: PieceSet;
}

/** What a journal vouches for now; undefined when it has nothing to say, a text when it can't be read. */
export function readJournal(options: ResumeOptions): JournalState | string | undefined {
  const { files, path, torrent, layout } = options;
  const facts = files.stat(path);
  if (facts === undefined || options.distrust === true) return undefined;
  if (facts.kind !== "file" || facts.size > MAX_JOURNAL_BYTES) {
    return `it is a ${facts.kind} of ${facts.size} bytes`;
  }
  const bytes = files.read(path, MAX_JOURNAL_BYTES);
  if (bytes === undefined) return undefined;
  const read = decodeHeader(bytes);
  if (typeof read === "string") return read;
  const { header } = read;
  if (!equalBytes(header.torrent, torrent) || header.recorded.size !== layout.pieceCount) {
    return "it belongs to another torrent";
  }
  if (!isSame(header.identities, identitiesOf(options))) return undefined;

  replay(bytes.subarray(read.length), read.seed, header);
  const [trusted, stable] = believed(header, options);
  const { suspect } = header;
  for (const piece of header.recorded) if (!trusted.has(piece)) suspect.add(piece);
  // Somebody cut a file that was whole: then nothing else about it is certain either.
  if (!allInside(trusted, options)) return undefined;
  // After a power loss the sizes may be older than the records.
  dropOutside(suspect, options);
  return { recorded: trusted, stable, suspect };
}

/** What is known without a journal: any piece that the files are long enough for may be there. */
export function unknownState(options: ResumeOptions): JournalState {
  const { layout } = options;
  const suspect = noPieces(layout);
  for (const piece of layout.pieces()) if (isInside(piece, options)) suspect.add(piece);
  return { recorded: noPieces(layout), stable: noPieces(layout), suspect };
}

/** Which of a journal's pieces are trusted, and which of those are on stable storage. */
function believed(header: JournalHeader, { files, layout, data }: ResumeOptions): [PieceSet, PieceSet] {
  const { recorded, stable, closed, boot } = header;
  if (closed !== undefined) {
    const all = isSame(closed, closingOf(layout, data)) ? recorded : noPieces(layout);
    return [all, all];
  }
  const isSameBoot = boot !== undefined && boot === files.bootId();
  return [isSameBoot ? recorded : stable, stable];
}

/** Brings the header's sets up to the last record. */
function replay(bytes: Uint8Array, seed: number, { recorded, stable, suspect }: JournalHeader): void {
  let covered: number | undefined;
  for (const { kind, value } of decodeRecords(bytes, seed)) if (kind === "checkpoint") covered = value;
  // What the run found recorded when it began was synced too.
  for (const piece of covered === undefined ? [] : recorded) stable.add(piece);
  let place = 0;
  for (const { kind, value } of decodeRecords(bytes, seed)) {
    const isCovered = place++ < (covered ?? 0);
    if (kind === "checkpoint" || value >= recorded.size) continue;
    suspect.delete(value);
    if (kind === "have") {
      recorded.add(value);
      if (isCovered) stable.add(value);
    } else {
      recorded.delete(value);
      stable.delete(value);
    }
  }
}

export function headerOf(
  options: ResumeOptions,
  state: JournalState,
  closed: readonly string[] | undefined,
): JournalHeader {
  const { files, torrent } = options;
  return { torrent, boot: files.bootId(), identities: identitiesOf(options), closed, ...state };
}

/** What makes each file with data itself: where it lies. An empty one has nothing to be wrong. */
function identitiesOf({ layout, data, isForeign }: ResumeOptions): string[] {
  invariant(data.length === layout.files.length, "facts for each file");
  return data.map(({ device, inode, size, mtimeMs }, i) => {
    if (layout.files[i]!.length === 0) return "empty";
    return isForeign === true ? `${device}:${inode}:${size}:${mtimeMs}` : `${device}:${inode}`;
  });
}

/** What tells that somebody wrote to a file. */
export function closingOf(layout: Layout, data: readonly FileFacts[]): string[] {
  return data.map(({ size, mtimeMs }, i) => layout.files[i]!.length === 0 ? "empty" : `${size}:${mtimeMs}`);
}

/** Whether a piece ends before its files do. */
function isInside(piece: PieceIndex, { layout, data }: ResumeOptions): boolean {
  if (layout.single) {
    return layout.offset(piece, layout.pieceSize(piece)) <= data[layout.singleFile]!.size;
  }
  return layout.spans(piece, 0, layout.pieceSize(piece)).every(({ file, at, length }) =>
    file === undefined || at + length <= data[file]!.size
  );
}

function allInside(pieces: PieceSet, options: ResumeOptions): boolean {
  for (const n of pieces) if (!isInside(options.layout.piece(n)!, options)) return false;
  return true;
}

function dropOutside(pieces: PieceSet, options: ResumeOptions): void {
  for (const n of pieces) if (!isInside(options.layout.piece(n)!, options)) pieces.delete(n);
}

/** Moves an unreadable journal out of the way and says so. */
export function setAside({ files, path }: ResumeOptions, why: string): string {
  let n = 1;
  while (n < MAX_SET_ASIDE && files.stat(`${path}.bad-${n}`) !== undefined) n++;
  files.rename(path, `${path}.bad-${n}`);
  return `Set ${path} aside as .bad-${n}, because ${why}; what is on disk is checked again`;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}

function noPieces(layout: Layout): PieceSet {
  return new PieceSet(layout.pieceCount);
}

/** Longest journal that is read: three sets and some records for each of the most pieces a torrent can have. */
const MAX_JOURNAL_BYTES = 64 << 20;

/** Most unreadable journals kept beside a good one; then the last is written over. */
const MAX_SET_ASIDE = 20;
