// Which pieces somebody wants who reads the content while it comes, an unpacker that follows the download: both ends of
// it first, then what lies before the reader. Only arithmetic: the picker asks it at each piece that it begins.
//
//   0        position     soonEnd            end                    pieceCount
//   |..passed....|==soon====|----window-------|.....................|tail|
//                  in order   rarest first      rarest first, or not yet (`most`)

import type { Layout } from "./layout.ts";

/** The reader, as it is now. */
export interface Reader {
  /** The piece that it goes on with, reading from the start to the end. */
  readonly position: number;
  /** The piece that it waits for, wherever that is; undefined while it has enough to do. */
  readonly waitingFor: number | undefined;
  /** Where several read, each a stretch of its own: what others of them wait for. */
  readonly othersWaitFor?: readonly number[];
}

/** What is wanted now. Piece numbers; `end` bounds are not part of what they end. */
export interface Wanted {
  /** Before all others, the most wanted first. */
  readonly first: readonly number[];
  /** The piece that the reader waits for: several peers may share it. */
  readonly waitingFor: number | undefined;
  readonly from: number;
  readonly soonEnd: number;
  readonly end: number;
  /** Nothing behind `end` is wanted before the reader has come on. */
  readonly isStrict: boolean;
}

export class ReadWindow {
  readonly #layout: Layout;
  readonly #reader: Reader;
  readonly #bytesPerSecond: () => number;
  readonly #most: number | undefined;
  readonly #ends: readonly number[];

  /**
   * @param options.bytesPerSecond What comes now: a fast line reads further ahead.
   * @param options.most Pieces that may be here before the reader has passed them, at least 2; undefined for any.
   */
  constructor(options: {
    readonly layout: Layout;
    readonly reader: Reader;
    readonly bytesPerSecond: () => number;
    readonly most?: number | undefined;
  }) {
    this.#layout = options.layout;
    this.#reader = options.reader;
    this.#bytesPerSecond = options.bytesPerSecond;
    this.#most = options.most;
    this.#ends = [0, ...tailPieces(options.layout)];
  }

  look(): Wanted {
    const { position, waitingFor, othersWaitFor = [] } = this.#reader;
    const { pieceLength, pieceCount } = this.#layout;
    const inSeconds = (seconds: number) => Math.ceil(this.#bytesPerSecond() * seconds / pieceLength);
    const soon = Math.max(LEAST_SOON, inSeconds(SOON_SECONDS));
    const ahead = Math.max(LEAST_WINDOW, inSeconds(WINDOW_SECONDS));
    const most = this.#most ?? Infinity;
    const last = Math.min(pieceCount, position + most);
    const isNext = waitingFor === undefined || (waitingFor >= position && waitingFor < last);
    return {
      first: [...(isNext ? [] : [waitingFor]), ...othersWaitFor, ...this.#ends],
      waitingFor,
      from: position,
      soonEnd: Math.min(last, position + soon),
      end: Math.min(last, this.#most === undefined ? position + ahead : last),
      isStrict: this.#most !== undefined,
    };
  }
}

/** The last pieces, in which a .7z has its directory: it is read before anything else. */
export function tailPieces({ totalLength, pieceLength, pieceCount }: Layout): number[] {
  const first = Math.floor(Math.max(0, totalLength - TAIL_BYTES) / pieceLength);
  return Array.from({ length: pieceCount - first }, (_, i) => first + i);
}

/** A list of one entry takes some hundred bytes, and extract/seven_zip.ts takes none above 16 KiB. */
const TAIL_BYTES = 32 << 10;
/**
 * What the reader will want in this time comes in order; what in the longer time, before the rest. Long beside what is
 * under way from one peer: of a short window, those who read along with us would be fetching the same pieces.
 */
const SOON_SECONDS = 2;
const WINDOW_SECONDS = 120;
/** Pieces, on a slow line. */
const LEAST_SOON = 2;
const LEAST_WINDOW = 64;
