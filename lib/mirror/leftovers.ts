// Takes away what a finished torrent leaves behind, its own and that of the snapshots before it.

import { basename, dirname, join } from "node:path";
import type { Info } from "../torrent/metainfo.ts";
import { nameOf } from "./content_options.ts";
import type { DataPaths } from "./data_dir.ts";
import type { Machine } from "./machine.ts";

/** Forgets what was fetched of a torrent, and the journals of it. */
export function discardIncoming(machine: Machine, paths: DataPaths, info: Info): void {
  discard(machine, paths, nameOf(info));
}

/** The same, and the saved torrent, where only its name is known. */
export function discardNamed(machine: Machine, paths: DataPaths, name: string): void {
  discard(machine, paths, name);
  machine.files.remove(paths.torrent(name));
}

/** Forgets the saved torrent: nothing is left that could be seeded by it. */
export function discardTorrent({ files }: Machine, paths: DataPaths, info: Info): void {
  files.remove(paths.torrent(nameOf(info)));
}

/** Forgets the saved torrent of what had the place before, unless a mirror has another copy of it. */
export function discardReplaced({ files }: Machine, paths: DataPaths, name: string): void {
  const isElsewhere = [paths.snapshot(name), paths.kept(name)].some((path) => files.stat(path) !== undefined);
  if (!isElsewhere) files.remove(paths.torrent(name));
}

/** Forgets every other snapshot of which only a part was fetched: this one is whole, and is the newest. */
export function discardSuperseded(machine: Machine, paths: DataPaths, info: Info): void {
  const own = nameOf(info);
  for (const name of machine.files.list(dirname(paths.incoming(own)))) {
    if (name === own) continue;
    discard(machine, paths, name);
    machine.files.remove(paths.torrent(name));
  }
}

/** The content and all journals, those that were set aside too. */
function discard({ files }: Machine, paths: DataPaths, name: string): void {
  files.removeAll(paths.incoming(name));
  const journals = dirname(paths.resume(name));
  for (const entry of files.list(journals)) {
    if (entry === name || basename(entry).startsWith(`${name}.`)) files.remove(join(journals, entry));
  }
}
