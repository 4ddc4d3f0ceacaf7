// The final place of a torrent of several files is `<data-dir>/<its name>/`. What is found there is taken for the
// torrent's own, begun by an earlier run or another program, only if it holds nothing else; any other folder is the
// user's, and is refused before the first byte is fetched: nothing of it could be mistaken for the torrent's then.

import { join } from "node:path";
import { PathUnusable } from "../errors.ts";
import type { Files } from "../ports.ts";
import type { Info } from "../torrent/metainfo.ts";

/**
 * Refuses a folder in the torrent's place in which anything lies that the torrent does not have: another file, or one
 * that is longer than the torrent's. Nothing there, a torrent of one file, or no folder at all is not judged here.
 *
 * @param path The final place.
 * @throws {PathUnusable}
 */
export function refuseForeignFolder(files: Files, path: string, info: Info): void {
  if (info.isSingleFile || files.stat(path)?.kind !== "directory") return;
  const lengths = new Map(info.files.map((file) => [file.path.join("/"), file.length]));
  // Only the torrent's own folders are entered, so the walk is no longer than its list of files.
  const folders = new Set(
    info.files.flatMap((file) => file.path.map((_, i) => file.path.slice(0, i).join("/"))),
  );
  const pending = [""];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const entry of files.list(join(path, folder))) {
      const name = folder === "" ? entry : `${folder}/${entry}`;
      const facts = files.stat(join(path, name));
      if (facts?.kind === "directory" && folders.has(name)) pending.push(name);
      else if (facts?.kind !== "file" || facts.size > (lengths.get(name) ?? -1)) {
        throw new PathUnusable(
          `Cannot fetch ${info.name}: ${path} is there already and holds ${name}, which is not of this torrent: ` +
            "move the folder away or choose another --data-dir",
        );
      }
    }
  }
}
