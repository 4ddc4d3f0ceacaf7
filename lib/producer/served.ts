// One archive that is seeded: checked against its torrent, opened for reading only, and offered to the world. The file
// is held open, so that another one may take its name while this one is still being served.

import { dirname } from "node:path";
import { OperationFailed, VerificationFailed } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatBytes } from "../format.ts";
import { type JsonObject, readJsonFile, writeJsonFile } from "../json_file.ts";
import type { Line } from "../line/line.ts";
import type { LineMachine } from "../line/machine.ts";
import { isWanted, Offer } from "../line/offer.ts";
import type { FileFacts } from "../ports.ts";
import { expectedHashes } from "../torrent/check.ts";
import { Layout } from "../torrent/layout.ts";
import type { PieceChecker } from "../torrent/piece_checker.ts";
import { PieceLayers } from "../torrent/piece_layers.ts";
import { FileStorage } from "../torrent/storage.ts";
import type { Swarm } from "../torrent/swarm.ts";
import type { Pair } from "./pairs.ts";
import { type FileMark, markOf } from "./snapshot_meta.ts";

/** The machine, with sockets and all cores. */
export interface SeedMachine extends LineMachine {
  readonly checker: PieceChecker;
  readonly pid: number;
}

export interface ServedOptions {
  readonly pair: Pair;
  readonly machine: SeedMachine;
  /** Where it is noted which file was checked. */
  readonly recordPath: string;
  /** Whether somebody who hashed the file vouches for what now has these facts. */
  readonly isVouched: (facts: FileFacts) => boolean;
  readonly line: Line;
  readonly trackers: readonly (readonly (readonly string[])[])[];
  readonly bind: readonly string[];
  readonly report: Report;
  /** Told of what must not happen. */
  readonly onBug: (error: unknown) => void;
}

export class Served implements AsyncDisposable {
  readonly pair: Pair;
  /** Of the file that is served. */
  readonly mark: FileMark;
  readonly #offer: Offer;
  readonly #storage: FileStorage;

  private constructor(options: ServedOptions, mark: FileMark, storage: FileStorage, layout: Layout) {
    const { info, pieceLayers } = options.pair.metainfo;
    this.pair = options.pair;
    this.mark = mark;
    this.#storage = storage;
    const layers = new PieceLayers(layout, pieceLayers);
    this.#offer = new Offer({ ...options, info, layout, layers, storage, logger: LOGGER });
  }

  get swarm(): Swarm {
    return this.#offer.swarm;
  }

  /**
   * Checks the archive, unless it is known to be the torrent's, and begins to serve it.
   *
   * @param beforeServing Called when all is well: what must be gone by then, goes.
   * @throws {VerificationFailed} When it is not, at the first piece that differs.
   * @throws {OperationFailed} When it changes meanwhile. @throws {PathUnusable} @throws The signal's reason.
   */
  static async open(
    options: ServedOptions,
    signal: AbortSignal,
    beforeServing: () => Promise<void>,
  ): Promise<Served> {
    const { pair, machine: { files } } = options;
    const layout = Layout.of(pair.metainfo.info);
    const storage = FileStorage.open({ files, layout, paths: [pair.archivePath], mode: "read" });
    try {
      const mark = markOf(storage.facts()[0]!);
      await check(options, layout, mark, signal);
      if (!isSame(markOf(storage.facts()[0]!), mark)) {
        throw new OperationFailed(`Cannot seed ${pair.archivePath}: it changed while it was checked`);
      }
      await beforeServing();
      return new Served(options, mark, storage, layout);
    } catch (error) {
      storage.close();
      throw error;
    }
  }

  /** Whether the file is still what was checked, wherever its name leads by now. */
  get isIntact(): boolean {
    return isSame(markOf(this.#storage.facts()[0]!), this.mark);
  }

  /** Whether any connected peer wants something of it. */
  get isWanted(): boolean {
    return isWanted(this.swarm);
  }

  /** Ends it: trackers are told, connections closed. Safe twice. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#offer[Symbol.asyncDispose]();
  }
}

/** Whether both are of one state of one file. */
export function isSame(a: FileMark, b: FileMark): boolean {
  return a.size === b.size && a.mtime_ms === b.mtime_ms && a.device === b.device && a.inode === b.inode;
}

async function check(
  { pair, machine, recordPath, isVouched, report }: ServedOptions,
  layout: Layout,
  mark: FileMark,
  signal: AbortSignal,
): Promise<void> {
  const { files, checker } = machine;
  const { archivePath, metainfo: { info, pieceLayers } } = pair;
  const cannot = (why: string) => new VerificationFailed(`Cannot seed ${archivePath}: ${why}`);
  if (mark.size !== info.totalLength) {
    throw cannot(`it has ${mark.size} bytes, its torrent is of ${info.totalLength}`);
  }
  const layers = new PieceLayers(layout, pieceLayers);
  if (!layers.isComplete) throw cannot("its torrent has no piece layers");
  const { value: record } = readJsonFile<JsonObject>(files, recordPath, (json) => json, {});
  if (isSame(record as unknown as FileMark, mark)) return;
  const keep = () => {
    files.makeDir(dirname(recordPath));
    writeJsonFile(files, recordPath, { ...mark });
  };
  const facts = files.stat(archivePath);
  // Kept as well: who vouches for it now will speak of its successor later.
  if (facts !== undefined && isSame(markOf(facts), mark) && isVouched(facts)) return keep();
  const note = (text: string) => report({ kind: "note", level: "info", logger: LOGGER, text });
  note(`Checking ${archivePath}: ${formatBytes(mark.size)} that no record vouches for`);
  const pieces = [...layout.pieces()];
  let doneBytes = 0;
  await checker.check({
    from: { layout, paths: [archivePath] },
    pieces,
    hashes: expectedHashes({ info, layout, layers }, pieces),
    signal,
    onVerdicts({ good, bad }) {
      const [first] = bad;
      if (first !== undefined) throw cannot(`piece ${pieces[first]} is not that of its torrent`);
      for (const place of good) doneBytes += layout.pieceSize(pieces[place]!);
      report({ kind: "work", label: "Checking", doneBytes, totalBytes: mark.size });
    },
  });
  const after = files.stat(archivePath);
  if (after === undefined || !isSame(markOf(after), mark)) {
    throw new OperationFailed(`Cannot seed ${archivePath}: it changed while it was checked`);
  }
  keep();
}

const LOGGER = "producer.seeder";
