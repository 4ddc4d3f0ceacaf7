// Earlier pairs that are still seeded: `retained/<v2 info-hash>/` holds another name of the archive (a hard link, which
// takes no space as long as the archive itself is there) and a copy of its torrent. The link is made while the pair is
// the current one: when another archive has taken its name it is too late.

import { basename, join } from "node:path";
import { NotEnoughSpace, OperationFailed, PathUnusable } from "../errors.ts";
import type { Files } from "../ports.ts";
import { MAX_TORRENT_BYTES } from "../torrent/limits.ts";
import { listRetained, type OutputPaths, type Pair } from "./pairs.ts";

/**
 * Gives the pair its place among the retained ones; nothing happens when it has it.
 *
 * @throws {PathUnusable | OperationFailed} When the file system has no hard links, or the archive lies on another one.
 *   {NotEnoughSpace} for the torrent.
 */
export function retain(files: Files, paths: OutputPaths, { archivePath, torrentPath, v2 }: Pair): void {
  const folder = paths.retainedPair(v2);
  const archive = join(folder, basename(archivePath));
  const torrent = join(folder, basename(torrentPath));
  const own = files.stat(archivePath);
  const there = files.stat(archive);
  const isLinked = there !== undefined && there.inode === own?.inode && there.device === own.device;
  if (isLinked && files.stat(torrent)?.kind === "file") return;
  const bytes = files.read(torrentPath, MAX_TORRENT_BYTES);
  const source = files.realPath(archivePath);
  if (bytes === undefined || source === undefined) {
    throw new PathUnusable(`Cannot retain ${archivePath}: it is gone`);
  }
  files.makeDir(folder);
  files.remove(archive);
  files.link(source, archive);
  // Last: a pair counts once its torrent is there.
  files.writeAtomic(torrent, bytes);
}

/**
 * Removes retained pairs that are too many, and notes about archives that are gone.
 *
 * @param options.keep How many earlier ones stay, besides the current one's, which stays when any do.
 * @returns The hashes of those that stay, the one that was retained last first, the current one left out.
 */
export function prune(
  files: Files,
  paths: OutputPaths,
  options: { readonly current: string; readonly keep: number },
): string[] {
  const earlier = listRetained(files, paths).filter((v2) => v2 !== options.current);
  const gone = earlier.slice(options.keep);
  if (options.keep === 0) gone.push(options.current);
  for (const v2 of gone) files.removeAll(paths.retainedPair(v2));
  const kept = earlier.slice(0, options.keep);
  for (const name of files.list(paths.checkedFolder)) {
    const v2 = basename(name, ".json");
    if (v2 !== options.current && !kept.includes(v2)) files.remove(join(paths.checkedFolder, name));
  }
  return kept;
}

/** Whether a failure means only that this pair cannot be retained. */
export function isNoRetention(
  error: unknown,
): error is PathUnusable | OperationFailed | NotEnoughSpace {
  return [PathUnusable, OperationFailed, NotEnoughSpace].some((kind) => error instanceof kind);
}
