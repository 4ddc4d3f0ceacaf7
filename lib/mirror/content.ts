// The place where a torrent's content grows: `incoming/<hash>/`, with a journal of what is whole. Opening it finds
// out what is on this disk already, there and elsewhere; closing it leaves everything so that the next run goes on.

import { dirname, join } from "node:path";
import { chanceFrom } from "../chance.ts";
import { NotEnoughSpace, SnapError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { Download } from "../torrent/download.ts";
import type { PieceIndex } from "../torrent/layout.ts";
import { encodeTorrent, type Info } from "../torrent/metainfo.ts";
import type { PieceSet } from "../torrent/piece_set.ts";
import { ResumeJournal } from "../torrent/resume.ts";
import { FileStorage, type Storage } from "../torrent/storage.ts";
import { examinePlace, findPlace, journalOf, moveIn, type Place, shareOf } from "./adopt.ts";
import { type ContentOptions, filePathsIn, nameOf, note } from "./content_options.ts";
import type { DataPaths } from "./data_dir.ts";
import type { Machine } from "./machine.ts";
import { passingBytes } from "./passing.ts";
import { oldBlocksOf } from "./old_blocks.ts";
import { copyPieces, findOldCopies, isKnownCopy, type OldCopy, pieceIndices, sharedPieces } from "./reuse.ts";
import { checkSuspects } from "./suspects.ts";

export class Content {
  readonly download: Download;
  /** The file, or the folder of a torrent of several. */
  readonly path: string;
  readonly #options: ContentOptions;
  readonly #journal: ResumeJournal;
  readonly #storage: Storage;
  #torrentSaved = false;
  #isSettled = false;
  #checkpointError: unknown;

  private constructor(options: ContentOptions, download: Download, journal: ResumeJournal) {
    const { paths, info } = options;
    this.#options = options;
    this.download = download;
    this.path = join(paths.incoming(nameOf(info)), info.name);
    this.#journal = journal;
    this.#storage = download.storage;
  }

  /**
   * Opens or makes the place, checks the pieces that no record can vouch for, and takes what is elsewhere on this disk.
   *
   * @throws {NotEnoughSpace} Before the first byte is written, with the numbers.
   * @throws {PathUnusable} @throws The signal's reason when it aborts.
   */
  static async open(options: ContentOptions): Promise<Content> {
    const { machine, paths, info, layout, layers, force } = options;
    const { files } = machine;
    const name = nameOf(info);
    const folder = paths.incoming(name);
    const filePaths = filePathsIn(folder, info);
    // Of a run with --low-disk that was killed: nobody can go on with them.
    files.removeAll(paths.segments(name));
    const place = findPlace(options);
    const mayMove = place !== undefined && place.mayMove && files.stat(join(folder, info.name)) === undefined;
    checkSpace(options, filePaths, mayMove ? place.allocated : 0);
    files.makeDir(folder);
    const isKnown = place?.otherSnapshot !== undefined && isKnownCopy(options, place.otherSnapshot);
    const inPlace = place && !isKnown ? await examinePlace(options, place) : undefined;
    const isMoved = mayMove && inPlace!.count > 0 && await moveIn(options, place, inPlace!);
    if (mayMove) checkSpace(options, filePaths, 0);
    const storage = FileStorage.open({ files, layout, paths: filePaths });
    let journal: ResumeJournal | undefined;
    try {
      // What was just moved was checked even now.
      const distrust = force && !isMoved;
      const found = ResumeJournal.open({
        ...journalOf(options, paths.resume(name), storage.facts()),
        distrust,
      });
      journal = found.journal;
      if (found.warning !== undefined) note(options, "warning", found.warning);
      const { suspect, trusted: here } = found;
      if (here.count > 0 && !isMoved) note(options, "info", `Resumed: ${shareOf(options, here)} are here`);
      await checkSuspects(options, { what: `what is in ${folder}`, filePaths, suspect, here, journal });
      const copies = await takeFromElsewhere(options, { here, journal, filePaths, place, inPlace });
      const leftPlace = isMoved ? undefined : place;
      const old = oldBlocksOf(options, { path: filePaths[0]!, here, place: leftPlace, copies });
      if (old !== undefined) await options.layersReady;
      const random = chanceFrom(machine.random.bytes(16));
      const sharing = machine.mills && { threads: machine.mills, paths: filePaths };
      const download = new Download({ info, layout, layers, storage, here, random, sharing, old });
      return new Content(options, download, journal);
    } catch (error) {
      await journal?.close();
      storage.close();
      throw error;
    }
  }

  /** Pieces are whole and written. */
  addPieces(pieces: readonly PieceIndex[]): void {
    this.#journal.addPieces(pieces, this.#options.machine.clock.nowMs());
  }

  /** To be called about once a second. @throws {SnapError} When something could not be kept. */
  tick(): void {
    if (this.#checkpointError !== undefined) throw this.#checkpointError;
    if (this.#journal.isCheckpointDue(this.#options.machine.clock.nowMs())) {
      this.#journal.checkpoint(() => this.#storage.sync()).catch((error) => this.#checkpointError = error);
    }
    this.#saveTorrent();
  }

  /** Of whole content: everything on stable storage and the journal closed, while the content may still be read. */
  async settle(): Promise<void> {
    // What is written after the journal has noted the file's time would make the next run hash everything.
    await this.download.reuse?.close();
    await this.download.sink.close();
    this.#saveTorrent();
    await this.#journal.closeClean(this.#storage);
    this.#isSettled = true;
  }

  /**
   * Everything on stable storage, the journal closed: the next run trusts it all.
   *
   * @param because Of a run that failed, what fails here as well is only a warning. After an interrupt the process
   * ends, and nobody is to wait for a slow disk: what could not be closed in time is as after a kill.
   *
   * @param drain Waits until what came is on disk, and tells of pieces that are whole by that; while nobody brings
   * anything there is nothing to wait for.
   */
  async close(
    because: "whole" | "failed" | "interrupted",
    drain: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    if (because === "whole") return await this.#close(drain);
    const closing = this.#close(drain).catch((error) => {
      if (!(error instanceof SnapError)) throw error;
      note(this.#options, "warning", `${error.message}; what is whole is kept all the same`);
    });
    if (because === "failed") return await closing;
    const { clock } = this.#options.machine;
    const done = new AbortController();
    await Promise.race([closing.finally(() => done.abort()), clock.sleep(CLOSE_PATIENCE_MS, done.signal)]);
  }

  async #close(drain: () => Promise<void>): Promise<void> {
    try {
      await drain();
      if (!this.#isSettled) await this.settle();
    } finally {
      await this.download.reuse?.close();
      await this.download.sink.close();
      await this.#journal.close();
      this.#storage.close();
    }
  }

  /** Once its layers are whole, so that the next run starts without a network. */
  #saveTorrent(): void {
    const { layers, info } = this.download;
    if (this.#torrentSaved || layers?.isComplete === false) return;
    this.#torrentSaved = true;
    const { machine, paths } = this.#options;
    const path = paths.torrent(nameOf(info));
    machine.files.makeDir(dirname(path));
    const pieceLayers = layers?.layersByRoot() ?? new Map<string, Uint8Array>();
    machine.files.writeAtomic(path, encodeTorrent({ infoBytes: info.bytes, pieceLayers, trackers: [] }));
  }
}

/** Copies what is missing out of what lies in the torrent's place and out of older snapshots, and says which there are. */
async function takeFromElsewhere(
  options: ContentOptions,
  own: {
    readonly here: PieceSet;
    readonly journal: ResumeJournal;
    readonly filePaths: readonly string[];
    readonly place: Place | undefined;
    readonly inPlace: PieceSet | undefined;
  },
): Promise<OldCopy[]> {
  const { layout } = options;
  const { here, journal, filePaths, place, inPlace } = own;
  if (place !== undefined && inPlace !== undefined) {
    const pieces = pieceIndices(inPlace).filter((piece) => !here.has(piece));
    const from = { layout, paths: place.filePaths, pieces };
    await copyPieces(options, { what: place.path, from, to: { paths: filePaths, pieces }, here, journal });
  }
  if (here.isFull) return [];
  const copies = findOldCopies(options, place);
  if (copies.length > 0) await options.layersReady;
  for (const copy of copies) {
    const shared = sharedPieces(copy, options, here);
    const from = { layout: copy.layout, paths: copy.filePaths, pieces: shared.from };
    const to = { paths: filePaths, pieces: shared.to };
    await copyPieces(options, { what: copy.what, from, to, here, journal });
  }
  return copies;
}

/** @param credit Bytes on disk that will be moved in. */
function checkSpace(
  { machine, info, paths, layout, examineSpace }: ContentOptions,
  filePaths: readonly string[],
  credit: number,
): void {
  let missing = -credit;
  for (const [i, path] of filePaths.entries()) {
    const allocated = machine.files.stat(path)?.allocated ?? 0;
    missing += Math.max(0, info.files[i]!.length - allocated);
  }
  examineSpace?.({
    info,
    missingBytes: Math.max(0, missing),
    folder: paths.root,
    passingBytes: info.isSingleFile ? passingBytes(layout) : undefined,
  });
  const free = machine.files.freeBytes(paths.own);
  if (missing <= free) return;
  throw new NotEnoughSpace(
    `Cannot fetch ${info.name}: ${formatBytes(missing)} more are needed in ${paths.root}, ${
      formatBytes(free)
    } are free; make room, or take another disk with --data-dir${otherSnapshots(machine, paths, info)}`,
  );
}

/** Says where room could be made, as long as there is something that is not this torrent's. */
function otherSnapshots({ files }: Machine, paths: DataPaths, info: Info): string {
  const folder = dirname(paths.incoming(nameOf(info)));
  const others = files.list(folder).filter((name) => name !== nameOf(info));
  return others.length === 0 ? "" : `; parts of other snapshots lie in ${folder} and may be removed`;
}

/** How long a stop waits for the disk: less than the five seconds that a stop may take. */
const CLOSE_PATIENCE_MS = 3000;
