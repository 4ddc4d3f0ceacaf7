// Unpacks the archive while it is fetched: the unpacker reads pieces as they become whole, and what it wants comes
// first. It holds the one thing both sides have in common, the gate, through which nothing passes that was not verified.
//
//   made ── clear(), begin() ──> running ── result() ──> data.ldb.partial
//                          |── failed: the fetch ends too
//                          |── stop() ──> ended, the partial file is gone
//
// Unpacking cannot go on where it was: what a killed run left is removed, and the next one begins at the first byte.

import type { Report } from "../events.ts";
import type { Extracted } from "../extract/extractor.ts";
import { PieceGate } from "../extract/gate.ts";
import type { PieceIndex } from "../torrent/layout.ts";
import { type Reader, ReadWindow, tailPieces } from "../torrent/read_window.ts";
import type { Content } from "./content.ts";
import type { ContentReader, Feed, Share } from "./fetch_options.ts";
import type { LedgerPlace } from "./ledger_place.ts";
import type { Machine } from "./machine.ts";
import { PassingContent } from "./passing.ts";

export interface UnpackingOptions {
  readonly machine: Machine;
  /** Where it is unpacked. */
  readonly place: LedgerPlace;
  readonly report: Report;
  /** Ends the work, as `stop` does. */
  readonly signal: AbortSignal;
}

export class Unpacking implements ContentReader {
  readonly #options: UnpackingOptions;
  readonly #stop = new AbortController();
  readonly #failed = Promise.withResolvers<never>();
  #gate: PieceGate | undefined;
  #result: Promise<Extracted> | undefined;
  #progress: Share | undefined;
  #isAlone = false;
  #passing: PassingContent | undefined;
  /** No piece below is here any more. */
  #dropped = 0;

  constructor(options: UnpackingOptions) {
    this.#options = options;
    this.#failed.promise.catch(() => {});
  }

  /** Removes what a killed run left: it holds space that the archive needs now. Before the space is looked at. */
  clear(): void {
    this.#options.place.clear();
  }

  /** Rejects when the archive cannot be unpacked, as soon as that is seen: then there is no sense in fetching on. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  get progress(): Share | undefined {
    return this.#progress;
  }

  /** A torrent of several files is left alone: which of them is the ledger is told by what is in all of them. */
  begin(content: Content | PassingContent, feed: Feed): void {
    const { download, path } = content;
    const { layout, info, here, picker } = download;
    if (!info.isSingleFile || layout.totalLength === 0) return;
    const passing = content instanceof PassingContent ? content : undefined;
    const { pieceLength, totalLength: size } = layout;
    const tailFrom = tailPieces(layout)[0]! * pieceLength;
    const gate = PieceGate.make({ size, pieceLength, tailFrom, passing });
    gate.open(here);
    const window = new ReadWindow({
      layout,
      reader: passing === undefined ? gate : this.#dropper(gate),
      bytesPerSecond: () => feed.bytesPerSecond(),
      most: passing?.most,
    });
    picker.follow(() => window.look());
    this.#gate = gate;
    this.#passing = passing;
    const { machine, place, signal } = this.#options;
    this.#result = machine.extractor.extract({
      archive: path,
      into: place.folder,
      gate,
      ...(passing && {
        segmentBytes: passing.segments.place.segmentBytes,
        onMoved: () => this.#onMoved(gate, passing, feed),
      }),
      signal: AbortSignal.any([signal, this.#stop.signal]),
      onProgress: (doneBytes, totalBytes) => this.#onProgress({ doneBytes, totalBytes }),
    });
    this.#result.catch((error) => this.#failed.reject(error));
  }

  onGoodPiece(piece: PieceIndex): void {
    this.#gate?.open([piece]);
  }

  /**
   * The archive is whole: only this is left to be waited for, and is reported as the run's work.
   *
   * @returns undefined when nothing was begun.
   * @throws What `Extractor.extract` throws.
   */
  result(): Promise<Extracted> | undefined {
    this.#isAlone = true;
    if (this.#progress !== undefined) this.#onProgress(this.#progress);
    return this.#result;
  }

  /** Ends the work and removes what it wrote, and what it read where that is of no use any more; safe at any time. */
  async stop(): Promise<void> {
    this.#stop.abort();
    const extracted = await this.#result?.catch(() => undefined);
    const { files } = this.#options.machine;
    if (extracted !== undefined) files.remove(extracted.path);
    if (this.#passing !== undefined) files.removeAll(this.#passing.path);
  }

  /** The reader as the picker sees it where pieces go: those that it has passed take their space until they are gone. */
  #dropper(gate: PieceGate): Reader {
    const dropped = () => this.#dropped;
    return {
      get position() {
        return dropped();
      },
      get waitingFor() {
        return gate.waitingFor;
      },
    };
  }

  /** Pieces behind the reader go, and as many may come. */
  #onMoved(gate: PieceGate, { segments, download: { layout } }: PassingContent, feed: Feed): void {
    const end = Math.min(gate.position, tailPieces(layout)[0]!);
    for (; this.#dropped < end; this.#dropped++) gate.drop(this.#dropped);
    try {
      segments.dropBefore(end);
    } catch (error) {
      return this.#failed.reject(error);
    }
    feed.wake();
  }

  #onProgress(progress: Share): void {
    this.#progress = progress;
    if (this.#isAlone) this.#options.report({ kind: "work", label: "Extracting", ...progress });
  }
}
