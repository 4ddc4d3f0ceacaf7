// Where the next snapshot gets ready, so that the output directory never holds half of one:
//
//   tmp/next/  source.json -> archive (appears whole) -> .torrent and snapshot-meta.json -> moved beside each other
//
// All of it is on one file system, and each step can be taken again: a run that was killed anywhere is gone on with by the
// next one, as long as the source is still the same.

import { join } from "node:path";
import { PathUnusable } from "../errors.ts";
import { type JsonObject, readJsonFile, writeJsonFile } from "../json_file.ts";
import type { Files } from "../ports.ts";
import type { OutputPaths } from "./pairs.ts";
import { isAbout, readMeta } from "./snapshot_meta.ts";

/** snapshot-meta.json's key for where the archive came from. Ours. */
export const SOURCE_KEY = "nano_snap_source";

export class Staging {
  /** For downloads and copies on their way. */
  readonly tmp: string;
  readonly folder: string;
  readonly #files: Files;
  readonly #output: OutputPaths;
  readonly #source: string;
  readonly #meta: string;

  constructor(files: Files, output: OutputPaths) {
    this.#files = files;
    this.#output = output;
    this.tmp = join(output.root, "tmp");
    this.folder = join(this.tmp, "next");
    this.#source = join(this.folder, "source.json");
    this.#meta = join(this.folder, "snapshot-meta.json");
  }

  /** Where the archive of that name gets ready. */
  archive(name: string): string {
    return join(this.folder, name);
  }

  /** Whether the whole archive of this source is here. */
  holds(source: JsonObject, name: string): boolean {
    const { value } = readJsonFile<JsonObject>(this.#files, this.#source, (json) => json, {});
    return isSameJson(value, source) && this.#files.stat(this.archive(name))?.kind === "file";
  }

  /** Empties it for what is to come from this source. */
  begin(source: JsonObject): void {
    this.#files.removeAll(this.folder);
    this.#files.makeDir(this.folder);
    writeJsonFile(this.#files, this.#source, source);
  }

  /** Adds to the new snapshot-meta.json what is to stay of the present one, and the source. From here on it is ready. */
  finish(source: JsonObject): void {
    const { value: present } = readMeta(this.#files, this.#output.meta);
    const { value: made } = readMeta(this.#files, this.#meta);
    writeJsonFile(this.#files, this.#meta, { ...present, ...made, [SOURCE_KEY]: source });
  }

  /**
   * Moves a snapshot that is ready into the output directory.
   *
   * @returns The archive's path there; undefined when none was ready.
   */
  commit(): string | undefined {
    const files = this.#files;
    const { value: meta } = readMeta(files, this.#meta);
    if (meta[SOURCE_KEY] === undefined) return undefined;
    const names = [...files.list(this.folder), ...files.list(this.#output.root)];
    const torrent = names.find((name) =>
      name.endsWith(".torrent") && this.#isReady(name.slice(0, -".torrent".length), meta)
    );
    if (torrent === undefined) return undefined;
    const archive = torrent.slice(0, -".torrent".length);
    for (const name of [archive, torrent, "snapshot-meta.json"]) {
      const from = join(this.folder, name);
      const to = join(this.#output.root, name);
      if (files.stat(to)?.kind === "directory") {
        throw new PathUnusable(`Cannot put ${name} in its place: ${to} is a folder`);
      }
      if (files.stat(from) !== undefined) files.rename(from, to);
    }
    files.removeAll(this.folder);
    return join(this.#output.root, archive);
  }

  /** Whether the archive that the new meta is about has that name, here or already in its place. */
  #isReady(name: string, meta: JsonObject): boolean {
    return [this.folder, this.#output.root].some((folder) => {
      const facts = this.#files.stat(join(folder, name));
      return facts !== undefined && isAbout(meta, facts);
    });
  }
}

/** Whether two small JSON values say the same, keys in the same order. */
export function isSameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
