// One archive that is seeded: checked against its torrent, opened for reading only, and offered to the world. The file
// is held open, so that another one may take its name while this one is still being served.

import { dirname } from "node:path";
import { chanceFrom } from "../chance.ts";
import { OperationFailed, VerificationFailed } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatBytes } from "../format.ts";
import { type JsonObject, readJsonFile, writeJsonFile } from "../json_file.ts";
import type { Line } from "../line/line.ts";
import type { LineMachine } from "../line/machine.ts";
import { newPeerId, Presence } from "../line/presence.ts";
import type { FileFacts } from "../ports.ts";
import { expectedHashes } from "../torrent/check.ts";
import { Download } from "../torrent/download.ts";
import { hashesOf } from "../torrent/handshake.ts";
import { Layout } from "../torrent/layout.ts";
import type { PieceChecker } from "../torrent/piece_checker.ts";
import { PieceLayers } from "../torrent/piece_layers.ts";
import { PieceSet } from "../torrent/piece_set.ts";
import { FileStorage } from "../torrent/storage.ts";
import { Swarm, type SwarmListener } from "../torrent/swarm.ts";
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
  readonly swarm: Swarm;
  readonly #options: ServedOptions;
  readonly #storage: FileStorage;
  readonly #stop = new AbortController();
  readonly #presence: Presence;
  readonly #tasks: Promise<void>[];
  #complainedMs = -Infinity;
  #closed: Promise<void> | undefined;

  private constructor(options: ServedOptions, mark: FileMark, storage: FileStorage, layout: Layout) {
    const { pair, machine, line, trackers, bind, report } = options;
    const { info, pieceLayers } = pair.metainfo;
    this.#options = options;
    this.pair = pair;
    this.mark = mark;
    this.#storage = storage;
    const peerId = newPeerId(machine);
    const random = chanceFrom(machine.random.bytes(16));
    this.swarm = new Swarm({
      hashes: hashesOf(info),
      wanted: undefined,
      peerId,
      client: machine.client,
      listenPort: line.port,
      dhtPort: line.dht === undefined ? undefined : line.port,
      random,
      upLimit: line.upLimit,
      listener: this.#listener(),
    });
    const layers = new PieceLayers(layout, pieceLayers);
    const here = new PieceSet(layout.pieceCount);
    here.fill();
    this.swarm.learnInfo(info, layout, layers);
    this.swarm.start(new Download({ info, layout, layers, storage, here, random }));
    this.#presence = new Presence({
      machine,
      line,
      swarm: this.swarm,
      trackers,
      peerId,
      bind,
      stats: () => ({ downloaded: 0, uploaded: this.swarm.uploadedBytes, left: 0 }),
      report,
      signal: this.#stop.signal,
    });
    line.session.add(this.swarm);
    this.#tasks = this.#presence.announce(hashesOf(info));
    for (const task of this.#tasks) task.catch(options.onBug);
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
    for (const peer of this.swarm.peers) if (peer.wanted) return true;
    return false;
  }

  /** Ends it: trackers are told, connections closed. Safe twice. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    this.#options.line.session.remove(this.swarm);
    // Nothing reads any more, and trackers may take their time to be told.
    this.#storage.close();
    await Promise.allSettled(this.#tasks);
    await this.#presence[Symbol.asyncDispose]();
  }

  #listener(): SwarmListener {
    const { report, machine: { clock }, line } = this.#options;
    const note = (level: "debug" | "warning", text: string) =>
      report({ kind: "note", level, logger: LOGGER, text });
    return {
      onInfo: () => {},
      onLayers: () => {},
      onGoodPiece: () => {},
      onComplete: () => {},
      onFault: (peer, why) => note("debug", `Closed ${peer.endpoint.host} (${peer.client}): it ${why}`),
      onDhtNode: (endpoint) => void line.dht?.tryNode(endpoint),
      onUnreadable: (why) => {
        if (clock.nowMs() - this.#complainedMs < COMPLAINT_MS) return;
        this.#complainedMs = clock.nowMs();
        note("warning", `Refused a peer's request: ${why}`);
      },
    };
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
/** A broken disk would say the same with each request. */
const COMPLAINT_MS = 60_000;
