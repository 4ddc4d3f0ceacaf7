// The whole snapshots of a data directory: which there are, what vouches for them, and how a new one takes the old one's
// place. At every moment one whole snapshot has its name: the old one is linked to where older ones are kept, and then
// one rename puts the new one in its stead.

import { dirname, join } from "node:path";
import { toHex } from "../bytes.ts";
import { OperationFailed, PathUnusable } from "../errors.ts";
import type { FileFacts, Files } from "../ports.ts";
import type { HashedTorrent } from "../torrent/check.ts";
import type { Info } from "../torrent/metainfo.ts";
import { ResumeJournal, vouchedPieces } from "../torrent/resume.ts";
import { nameOf, type WholeCopy } from "./content_options.ts";
import { type DataPaths, LEDGER_NAME } from "./data_dir.ts";
import { readInstalled, writeInstalled } from "./installed.ts";
import { savedTorrent } from "./reuse.ts";

/** A whole snapshot of one file, with all its hashes. */
export interface Whole extends WholeCopy, HashedTorrent {
  /** The file as it was when it was found whole. */
  readonly facts: FileFacts;
}

export class Shelf {
  readonly #files: Files;
  readonly #paths: DataPaths;

  constructor(files: Files, paths: DataPaths) {
    this.#files = files;
    this.#paths = paths;
  }

  /** Where a snapshot is to stay. A ledger that is seeded is never the one that a node may have open. */
  placeOf(info: Info): string {
    return info.name === LEDGER_NAME ? this.#paths.snapshot(nameOf(info)) : join(this.#paths.root, info.name);
  }

  /** The first of these that is whole in its place, by its torrent's saved hashes and a record of the file. */
  findCurrent(names: readonly string[]): Whole | undefined {
    for (const name of new Set(names)) {
      const whole = this.#find(name, (info) => this.placeOf(info));
      if (whole !== undefined) return whole;
    }
    return undefined;
  }

  /** Older ones, those that were finished last first. */
  findKept(except: string | undefined): Whole[] {
    return this.#files.list(dirname(this.#paths.kept("x")))
      .filter((name) => name !== except)
      .map((name) => this.#find(name, (info) => this.#keptPath(info)))
      .filter((whole) => whole !== undefined)
      .toSorted((a, b) => b.facts.mtimeMs - a.facts.mtimeMs);
  }

  /** Whether the file is what it was when it was found whole. */
  isIntact({ path, facts }: Whole): boolean {
    const now = this.#files.stat(path);
    return now !== undefined && now.inode === facts.inode && now.device === facts.device &&
      now.size === facts.size && now.mtimeMs === facts.mtimeMs;
  }

  /**
   * Puts a whole one in its place, and records that.
   *
   * @param fresh Its journal says that it is whole.
   * @param old What had the place until now.
   * @param keep Whether the old one stays too.
   * @returns Both where they are now; `kept` undefined when the old one is gone.
   * @throws {PathUnusable | NotEnoughSpace} Then the old one is where it was.
   */
  async putInPlace(
    fresh: { readonly torrent: HashedTorrent; readonly path: string },
    old: Whole | undefined,
    keep: boolean,
  ): Promise<{ whole: Whole; kept: Whole | undefined }> {
    const files = this.#files;
    const { info } = fresh.torrent;
    const kept = old !== undefined && keep ? await this.#keep(old) : undefined;
    const path = this.placeOf(info);
    files.makeDir(dirname(path));
    files.rename(fresh.path, path);
    if (old !== undefined && old.path !== path) {
      files.remove(old.path);
      if (old.info.name === LEDGER_NAME) files.removeAll(dirname(old.path));
    }
    const whole = { ...fresh.torrent, name: nameOf(info), path, facts: files.stat(path)! };
    return { whole, kept };
  }

  /** Tells `get` what is here, unless it has a ledger to remember. */
  recordInstalled(whole: Whole, seq: number | undefined): void {
    const { installed, ledger } = this.#paths;
    const before = readInstalled(this.#files, installed).value;
    if (before?.path === ledger && this.#files.stat(ledger) !== undefined) return;
    const v1 = whole.info.infoHashV1;
    writeInstalled(this.#files, installed, {
      v2: whole.name,
      v1: v1 === undefined ? null : toHex(v1),
      seq: seq ?? null,
      path: whole.path,
    });
  }

  /** Takes away a kept one and every record of it. */
  drop(name: string): void {
    this.#files.removeAll(this.#paths.kept(name));
    this.#forget(name);
  }

  /**
   * Takes away everything of snapshots that are not named: parts that were fetched, records, kept copies.
   *
   * @param options.whole Those that are whole: of them only what is left in `incoming/` goes.
   * @param options.growing Those that are being fetched: nothing of them goes.
   */
  tidy({ whole, growing }: { readonly whole: readonly string[]; readonly growing: readonly string[] }): void {
    const files = this.#files;
    const paths = this.#paths;
    const known = new Set([...whole, ...growing]);
    for (const name of files.list(dirname(paths.incoming("x")))) {
      if (!growing.includes(name)) files.removeAll(paths.incoming(name));
    }
    for (const name of files.list(dirname(paths.kept("x")))) if (!known.has(name)) this.drop(name);
    const names = [
      ...files.list(dirname(paths.torrent("x"))),
      ...files.list(dirname(paths.resume("x"))),
    ].map((entry) => entry.split(".")[0]!);
    for (const name of new Set(names)) if (!known.has(name)) this.#forget(name);
  }

  #find(name: string, placeOf: (info: Info) => string): Whole | undefined {
    const torrent = savedTorrent(this.#files, this.#paths, name);
    if (torrent === undefined || !torrent.info.isSingleFile) return undefined;
    const path = placeOf(torrent.info);
    const facts = this.#files.stat(path);
    if (facts?.kind !== "file" || facts.size !== torrent.info.totalLength) return undefined;
    const isVouched = this.#isInstalled(name, facts) || this.#isJournaled(torrent, facts);
    return isVouched ? { ...torrent, name, path, facts } : undefined;
  }

  #isInstalled(name: string, facts: FileFacts): boolean {
    const { value } = readInstalled(this.#files, this.#paths.installed);
    return value !== undefined && value.v2 === name && value.inode === facts.inode &&
      value.size === facts.size && value.mtime === facts.mtimeMs;
  }

  #isJournaled(torrent: HashedTorrent, facts: FileFacts): boolean {
    return vouchedPieces({ ...this.#journalOf(torrent), data: [facts] }).isFull;
  }

  /** Gives the old one another name among the kept ones; where there are no links, it moves there. */
  async #keep(old: Whole): Promise<Whole> {
    const files = this.#files;
    const path = this.#keptPath(old.info);
    files.makeDir(dirname(path));
    if (!this.#isJournaled(old, old.facts)) await this.#writeJournal(old);
    files.remove(path);
    try {
      files.link(old.path, path);
    } catch (error) {
      if (!(error instanceof PathUnusable || error instanceof OperationFailed)) throw error;
      files.rename(old.path, path);
    }
    return { ...old, path };
  }

  async #writeJournal(whole: Whole): Promise<void> {
    const data = { sync: () => Promise.resolve(), facts: () => [whole.facts] };
    this.#files.makeDir(dirname(this.#paths.resume(whole.name)));
    const options = { ...this.#journalOf(whole), data: data.facts(), distrust: true };
    const { journal } = ResumeJournal.open(options);
    try {
      journal.addPieces([...whole.layout.pieces()], 0);
      await journal.closeClean(data);
    } finally {
      await journal.close();
    }
  }

  #journalOf({ info, layout }: HashedTorrent) {
    const torrent = info.infoHashV2 ?? info.infoHashV1!;
    return { files: this.#files, path: this.#paths.resume(nameOf(info)), torrent, layout };
  }

  #keptPath(info: Info): string {
    return join(this.#paths.kept(nameOf(info)), info.name);
  }

  #forget(name: string): void {
    this.#files.remove(this.#paths.torrent(name));
    const journals = dirname(this.#paths.resume(name));
    for (const entry of this.#files.list(journals)) {
      if (entry === name || entry.startsWith(`${name}.`)) this.#files.remove(join(journals, entry));
    }
  }
}
