// The place where a torrent's content grows: `incoming/<hash>/`, with a journal of what is whole. Opening it finds
// out what is there already; closing it leaves everything so that the next run goes on.

import { dirname, join } from "node:path";
import { toHex } from "../bytes.ts";
import { chanceFrom } from "../chance.ts";
import { NotEnoughSpace } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatBytes } from "../format.ts";
import { checkPieces } from "../torrent/check.ts";
import { Download } from "../torrent/download.ts";
import type { Layout, PieceIndex } from "../torrent/layout.ts";
import { encodeTorrent, type Info } from "../torrent/metainfo.ts";
import type { PieceLayers } from "../torrent/piece_layers.ts";
import type { PieceSet } from "../torrent/piece_set.ts";
import { ResumeJournal } from "../torrent/resume.ts";
import { FileStorage, type Storage } from "../torrent/storage.ts";
import type { DataPaths } from "./data_dir.ts";
import type { Machine } from "./machine.ts";

/** The name under which a torrent's things lie: v2 in hex, v1 where it has no other. */
export function nameOf(info: Info): string {
  return toHex(info.infoHashV2 ?? info.infoHashV1!);
}

export interface ContentOptions {
  readonly machine: Machine;
  readonly paths: DataPaths;
  readonly info: Info;
  readonly layout: Layout;
  /** undefined for a v1 torrent. */
  readonly layers: PieceLayers | undefined;
  /** Resolves when the layers are whole: awaited only where something on disk must be checked. */
  readonly layersReady: Promise<void>;
  readonly signal: AbortSignal;
  readonly report: Report;
}

export class Content {
  readonly download: Download;
  /** The file, or the folder of a torrent of several. */
  readonly path: string;
  readonly #options: ContentOptions;
  readonly #journal: ResumeJournal;
  readonly #storage: Storage;
  #torrentSaved = false;
  #checkpointError: unknown;

  private constructor(options: ContentOptions, download: Download, journal: ResumeJournal, path: string) {
    this.#options = options;
    this.download = download;
    this.path = path;
    this.#journal = journal;
    this.#storage = download.storage;
  }

  /**
   * Opens or makes the place, checks the space, and checks the pieces that the journal cannot vouch for.
   *
   * @throws {NotEnoughSpace} Before the first byte is written, with the numbers.
   */
  static async open(options: ContentOptions): Promise<Content> {
    const { machine, paths, info, layout, layers, report } = options;
    const { files } = machine;
    const name = nameOf(info);
    const folder = paths.incoming(name);
    const path = join(folder, info.name);
    const filePaths = info.isSingleFile ? [path] : info.files.map((file) => join(path, ...file.path));
    files.makeDir(folder);
    checkSpace(options, folder, filePaths);
    files.makeDir(dirname(paths.resume(name)));
    const storage = FileStorage.open({ files, layout, paths: filePaths });
    let journal: ResumeJournal | undefined;
    try {
      const resumed = ResumeJournal.open({
        files,
        path: paths.resume(name),
        torrent: info.infoHashV2 ?? info.infoHashV1!,
        layout,
        data: storage.facts(),
      });
      journal = resumed.journal;
      if (resumed.warning !== undefined) {
        report({ kind: "note", level: "warning", logger: "mirror.session", text: resumed.warning });
      }
      const here = resumed.trusted;
      await checkSuspects(options, storage, journal, resumed.suspect, here);
      const random = chanceFrom(machine.random.bytes(16));
      const download = new Download({ info, layout, layers, storage, here, random });
      return new Content(options, download, journal, path);
    } catch (error) {
      await journal?.close();
      storage.close();
      throw error;
    }
  }

  /** A piece is whole and written. */
  addPiece(piece: PieceIndex): void {
    this.#journal.addPieces([piece], this.#options.machine.clock.nowMs());
  }

  /** To be called about once a second. @throws {SnapError} When something could not be kept. */
  tick(): void {
    if (this.#checkpointError !== undefined) throw this.#checkpointError;
    if (this.#journal.isCheckpointDue(this.#options.machine.clock.nowMs())) {
      this.#journal.checkpoint(() => this.#storage.sync()).catch((error) => this.#checkpointError = error);
    }
    this.#saveTorrent();
  }

  /** Everything on stable storage, the journal closed: the next run trusts it all. */
  async close(): Promise<void> {
    try {
      this.#saveTorrent();
      await this.#journal.closeClean(this.#storage);
    } finally {
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

/** Forgets what was fetched of a torrent, and the journal of it. */
export function discardIncoming({ files }: Machine, paths: DataPaths, info: Info): void {
  files.removeAll(paths.incoming(nameOf(info)));
  files.remove(paths.resume(nameOf(info)));
}

/** Forgets the saved torrent: nothing is left that could be seeded by it. */
export function discardTorrent({ files }: Machine, paths: DataPaths, info: Info): void {
  files.remove(paths.torrent(nameOf(info)));
}

function checkSpace(
  { machine, info, paths }: ContentOptions,
  folder: string,
  filePaths: readonly string[],
): void {
  let missing = 0;
  for (const [i, path] of filePaths.entries()) {
    const allocated = machine.files.stat(path)?.allocated ?? 0;
    missing += Math.max(0, info.files[i]!.length - allocated);
  }
  const free = machine.files.freeBytes(folder);
  if (missing <= free) return;
  throw new NotEnoughSpace(
    `Cannot fetch ${info.name}: ${formatBytes(missing)} more are needed in ${paths.root}, ${
      formatBytes(free)
    } are free`,
  );
}

/** Looks at every piece that the journal suspects, and records each verdict at once: a kill here costs one piece. */
async function checkSuspects(
  options: ContentOptions,
  storage: Storage,
  journal: ResumeJournal,
  suspect: PieceSet,
  here: PieceSet,
): Promise<void> {
  if (suspect.count === 0) return;
  const { info, layout, layers, signal, report, machine } = options;
  await options.layersReady;
  const pieces = [...layout.pieces()].filter((piece) => suspect.has(piece));
  const totalBytes = pieces.reduce((sum, piece) => sum + layout.pieceSize(piece), 0);
  let doneBytes = 0;
  for await (const { piece, isGood } of checkPieces({ info, layout, layers, storage, pieces, signal })) {
    if (isGood) {
      here.add(piece);
      journal.addPieces([piece], machine.clock.nowMs());
    } else {
      await journal.removePieces([piece]);
    }
    doneBytes += layout.pieceSize(piece);
    report({ kind: "work", label: "Checking", doneBytes, totalBytes });
  }
}
