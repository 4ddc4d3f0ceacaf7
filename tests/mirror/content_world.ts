// A data directory on the real disk in which torrents' content is opened, and everything that decides what happens
// there in the test's hands: the boot, the free space, what was looked at.

import { join } from "node:path";
import { systemFiles } from "../../lib/io/files.ts";
import { Content } from "../../lib/mirror/content.ts";
import type { ContentOptions } from "../../lib/mirror/content_options.ts";
import { DataPaths } from "../../lib/mirror/data_dir.ts";
import type { Machine } from "../../lib/mirror/machine.ts";
import type { RunEvent } from "../../lib/events.ts";
import type { Files } from "../../lib/ports.ts";
import { InlineChecker } from "../../lib/torrent/check.ts";
import { Layout } from "../../lib/torrent/layout.ts";
import { encodeTorrent, type Info, parseInfo } from "../../lib/torrent/metainfo.ts";
import { PieceLayers } from "../../lib/torrent/piece_layers.ts";
import type { CheckJob, PieceChecker } from "../../lib/torrent/piece_checker.ts";
import { buildTorrent } from "../torrent/torrent_builder.ts";

export const PIECE = 16384;

/** A torrent of pieces named by letters: equal letters are equal pieces, each file's last one is cut in half. */
export class LetterTorrent {
  readonly info: Info;
  readonly layout: Layout;
  readonly pieceLayers: ReadonlyMap<string, Uint8Array>;
  readonly contents: readonly Uint8Array[];

  constructor(kind: Info["kind"], readonly letters: string | Record<string, string>, name = "snap.7z") {
    const named = typeof letters === "string" ? [["", letters] as const] : Object.entries(letters);
    this.contents = named.map(([, text]) => contentOf(text));
    const files = named.map(([path], i) => ({
      path: path === "" ? [] : path.split("/"),
      data: this.contents[i]!,
    }));
    const { infoBytes, pieceLayers } = buildTorrent({ kind, name, pieceLength: PIECE, files });
    this.info = parseInfo(infoBytes);
    this.layout = Layout.of(this.info);
    this.pieceLayers = pieceLayers;
  }

  get layers(): PieceLayers | undefined {
    return this.info.kind === "v1" ? undefined : new PieceLayers(this.layout, this.pieceLayers);
  }

  get encoded(): Uint8Array {
    return encodeTorrent({ infoBytes: this.info.bytes, pieceLayers: this.pieceLayers, trackers: [] });
  }
}

/** The bytes that letters stand for. "." is a hole. */
export function contentOf(letters: string): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, letters.length * PIECE - PIECE / 2));
  for (let i = 0; i < letters.length; i++) {
    const piece = bytes.subarray(i * PIECE, (i + 1) * PIECE);
    for (let at = 0, x = letters.charCodeAt(i); letters[i] !== "." && at < piece.length; at++) {
      x = Math.imul(x, 1103515245) + 12345;
      piece[at] = x >>> 16;
    }
  }
  return bytes;
}

export class World implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "nano-snap-content-" });
  readonly paths = new DataPaths(this.root);
  /** The disk, as far as it is not what it is. */
  disk: Partial<Files> = {};
  boot = "first";
  readonly events: RunEvent[] = [];
  readonly checker = new CountingChecker();
  stop = new AbortController();
  #nowMs = 0;

  constructor() {
    systemFiles.makeDir(this.paths.own);
  }

  get machine(): Machine {
    const files: Files = { ...systemFiles, bootId: () => this.boot, ...this.disk };
    const clock = { nowMs: () => this.#nowMs++, unixMs: () => 0, sleep: () => Promise.resolve() };
    const random = { bytes: (length: number) => new Uint8Array(length) };
    return { files, clock, random, checker: this.checker } as Partial<Machine> as Machine;
  }

  options(torrent: LetterTorrent, more: Partial<ContentOptions> = {}): ContentOptions {
    return {
      machine: this.machine,
      paths: this.paths,
      info: torrent.info,
      layout: torrent.layout,
      layers: torrent.layers,
      layersReady: Promise.resolve(),
      force: false,
      signal: this.stop.signal,
      report: (event) => void this.events.push(event),
      ...more,
    };
  }

  /** Opens the content as a run does at its start; what was looked at and said before is forgotten. */
  open(torrent: LetterTorrent, more: Partial<ContentOptions> = {}): Promise<Content> {
    this.checker.looked = 0;
    this.events.length = 0;
    return Content.open(this.options(torrent, more));
  }

  /** What a run leaves that fetched these pieces and was killed. */
  async fetchAndDie(torrent: LetterTorrent, pieces: Iterable<number>): Promise<void> {
    const content = await this.open(torrent);
    this.fetch(content, torrent, pieces);
    content.tick();
  }

  /** Writes pieces and records them, as if they came from peers. */
  fetch(content: Content, torrent: LetterTorrent, pieces: Iterable<number>): void {
    for (const n of pieces) {
      const piece = torrent.layout.piece(n)!;
      let done = 0;
      for (const span of torrent.layout.spans(piece, 0, torrent.layout.pieceSize(piece))) {
        const bytes = span.file === undefined
          ? new Uint8Array(span.length)
          : torrent.contents[span.file]!.subarray(span.at, span.at + span.length);
        content.download.storage.write(piece, done, bytes);
        done += span.length;
      }
      content.addPieces([piece]);
    }
  }

  /** Puts a file into the data directory. */
  put(name: string, bytes: Uint8Array): string {
    const path = join(this.root, name);
    systemFiles.makeDir(join(path, ".."));
    Deno.writeFileSync(path, bytes);
    return path;
  }

  /** The texts of what was said at this level. */
  notes(level: string): string[] {
    return this.events.flatMap((event) => event.kind === "note" && event.level === level ? [event.text] : []);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

/** One piece after the other, counted; it may be stopped after some. */
class CountingChecker implements PieceChecker {
  looked = 0;
  /** Called after each piece with the number of those looked at. */
  after: (looked: number) => void = () => {};
  readonly #inline = new InlineChecker(systemFiles);

  async check(job: CheckJob): Promise<void> {
    const size = job.hashes.length / Math.max(1, job.pieces.length);
    for (const [place, piece] of job.pieces.entries()) {
      const to = job.to && { ...job.to, pieces: [job.to.pieces[place]!] };
      await this.#inline.check({
        ...job,
        pieces: [piece],
        hashes: job.hashes.subarray(size * place, size * (place + 1)),
        to,
        onVerdicts: ({ good }) =>
          job.onVerdicts(good.length > 0 ? { good: [place], bad: [] } : { good: [], bad: [place] }),
      });
      this.after(++this.looked);
    }
  }
}
