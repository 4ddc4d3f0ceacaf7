// Looks at content that is on disk already: which pieces are good. Used for what a journal cannot vouch for, and for
// files that somebody else left. Here is what one thread does; a pool of Workers is lib/io/check_client.ts.

import { equalBytes } from "../bytes.ts";
import { invariant } from "../errors.ts";
import type { Files } from "../ports.ts";
import { nextTurn } from "../turn.ts";
import type { Layout, PieceIndex } from "./layout.ts";
import { HASH_BYTES } from "./merkle.ts";
import type { Info } from "./metainfo.ts";
import type { CheckJob, PieceChecker } from "./piece_checker.ts";
import { PieceHasher } from "./piece_hash.ts";
import { type FileReader, passOver, type PieceSums } from "./piece_pass.ts";
import type { PieceLayers } from "./piece_layers.ts";
import { FileStorage } from "./storage.ts";

/** A torrent with its pieces' hashes. */
export interface HashedTorrent {
  readonly info: Info;
  readonly layout: Layout;
  /** undefined for a v1 torrent; otherwise whole. */
  readonly layers: PieceLayers | undefined;
}

/** The hash that a piece must have, a view: 32 bytes, or 20 in a v1 torrent. */
export function expectedHash({ info, layers }: HashedTorrent, piece: PieceIndex): Uint8Array {
  if (layers === undefined) return info.piecesV1!.subarray(SHA1_BYTES * piece, SHA1_BYTES * (piece + 1));
  const hash = layers.hashOf(piece);
  invariant(hash !== undefined, `the hash of piece ${piece} is known`);
  return hash;
}

/** The hashes of some pieces side by side, as a job wants them; in memory that Workers can share. */
export function expectedHashes(torrent: HashedTorrent, pieces: readonly PieceIndex[]): Uint8Array {
  const size = hashBytes(torrent.layout);
  const hashes = new Uint8Array(new SharedArrayBuffer(size * pieces.length));
  for (const [place, piece] of pieces.entries()) hashes.set(expectedHash(torrent, piece), size * place);
  return hashes;
}

/** One thread's part of a job. */
export interface CheckTask extends Pick<CheckJob, "from" | "to" | "pieces" | "hashes" | "onVerdicts"> {
  /** For what is copied. */
  readonly files: Files;
  /** Opens a file that is read; undefined for one that is not there. */
  readonly open: (path: string) => (FileReader & Disposable) | undefined;
  /** The number of the next share that no thread has taken, from 0; numbers beyond the last end it. */
  readonly take: () => number;
  /** Called every few MiB; may throw to end the task. */
  readonly checkStopped: () => void;
  /** Awaited after some verdicts. */
  readonly pause?: () => Promise<void>;
  /** Most bytes that are read at once, when that is to be less than usual. */
  readonly stretchBytes?: number;
}

/** Looks at shares until none is left. When it has settled all files are closed. */
export async function checkShares(task: CheckTask): Promise<void> {
  const { from: { layout, paths }, pieces, take, onVerdicts, checkStopped, pause } = task;
  using opened = new DisposableStack();
  const judge = opened.use(new Judge(task));
  const readers = paths.map((path) => {
    const reader = task.open(path);
    return reader && opened.use(reader);
  });
  let verdicts = { good: [] as number[], bad: [] as number[] };
  let unsaid = 0;
  const say = () => {
    const { good, bad } = verdicts;
    if (good.length + bad.length > 0) onVerdicts(verdicts);
    [verdicts, unsaid] = [{ good: [], bad: [] }, 0];
  };
  await passOver({
    layout,
    readers,
    stretchBytes: task.stretchBytes,
    pieces: placesOf(pieces, piecesPerShare(layout), take),
    v1: layout.kind === "v1",
    v2: layout.kind !== "v1",
    onRead: async () => {
      checkStopped();
      if (unsaid < SHARE_BYTES) return;
      say();
      await pause?.();
    },
    onPiece: (place, sums) => {
      (judge.isGood(place, sums) ? verdicts.good : verdicts.bad).push(place);
      unsaid += layout.pieceSize(pieces[place]!);
    },
  });
  say();
}

/** Says whether a piece is good, and copies it if it is and that is wanted. */
class Judge implements Disposable {
  readonly #task: CheckTask;
  readonly #copying: { from: FileStorage; to: FileStorage; hasher: PieceHasher } | undefined;

  constructor(task: CheckTask) {
    this.#task = task;
    const { files, from, to, checkStopped } = task;
    if (to === undefined) return;
    using opening = new DisposableStack();
    const source = FileStorage.open({ files, ...from, mode: "read" });
    opening.defer(() => source.close());
    const target = FileStorage.open({ files, ...to, mode: "write" });
    opening.move();
    this.#copying = { from: source, to: target, hasher: new PieceHasher(from.layout, source, checkStopped) };
  }

  isGood(place: number, sums: PieceSums | undefined): boolean {
    if (!this.#isExpected(place, sums?.root ?? sums?.sha1)) return false;
    if (this.#copying === undefined) return true;
    // Read again rather than kept: a piece may be larger than anybody wants in memory, and has just been cached.
    const { hasher, to } = this.#copying;
    const target = this.#task.to!.pieces[place]!;
    const hash = hasher.hashOf(
      this.#task.pieces[place]!,
      (begin, bytes) => to.write(target, begin, bytes),
    );
    return this.#isExpected(place, hash);
  }

  #isExpected(place: number, hash: Uint8Array | undefined): boolean {
    const { hashes, from: { layout } } = this.#task;
    const size = hashBytes(layout);
    return hash !== undefined && equalBytes(hash, hashes.subarray(size * place, size * (place + 1)));
  }

  [Symbol.dispose](): void {
    this.#copying?.from.close();
    this.#copying?.to.close();
  }
}

/** The pieces of all shares that this thread gets. */
function* placesOf(
  pieces: readonly PieceIndex[],
  perShare: number,
  take: () => number,
): Generator<{ piece: PieceIndex; place: number }> {
  for (let first = take() * perShare; first < pieces.length; first = take() * perShare) {
    const end = Math.min(first + perShare, pieces.length);
    for (let place = first; place < end; place++) yield { piece: pieces[place]!, place };
  }
}

/** Checks where it is called; the event loop gets its turn after every few MiB. */
export class InlineChecker implements PieceChecker {
  constructor(readonly files: Files) {}

  async check(job: CheckJob): Promise<void> {
    const { files } = this;
    const { signal } = job;
    signal.throwIfAborted();
    let share = 0;
    await checkShares({
      ...job,
      files,
      open: (path) => openThere(files, path),
      take: () => share++,
      checkStopped: () => signal.throwIfAborted(),
      pause: nextTurn,
    });
    signal.throwIfAborted();
  }
}

/** A file to be read as if it were read ahead of; undefined when it is not there. */
function openThere(files: Files, path: string): (FileReader & Disposable) | undefined {
  if (files.stat(path)?.kind !== "file") return undefined;
  const file = files.open(path, "read");
  return {
    read: (into, at) => Promise.resolve(file.readAt(into, at)),
    [Symbol.dispose]: () => file.close(),
  };
}

/** How many pieces a thread takes at once. */
function piecesPerShare(layout: Layout): number {
  return Math.max(1, Math.floor(SHARE_BYTES / layout.pieceLength));
}

function hashBytes(layout: Layout): number {
  return layout.kind === "v1" ? SHA1_BYTES : HASH_BYTES;
}

const SHA1_BYTES = 20;
/** Some milliseconds of hashing: what a kill costs at most, beside the piece that it hits. */
const SHARE_BYTES = 8 << 20;
