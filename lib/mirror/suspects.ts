// Checks what lies on disk and no record vouches for. Each verdict is recorded at once: whoever is killed in the
// middle goes on from there.

import { formatBytes } from "../format.ts";
import { expectedHashes } from "../torrent/check.ts";
import type { PieceIndex } from "../torrent/layout.ts";
import type { PieceSet } from "../torrent/piece_set.ts";
import type { ResumeJournal } from "../torrent/resume.ts";
import { type ContentOptions, note } from "./content_options.ts";

/**
 * Looks at every suspect piece of the files at `filePaths`.
 *
 * @param here The good ones are added to it.
 * @param journal Told of the good and of the bad ones.
 * @throws The signal's reason when it aborts; what was checked until then is recorded.
 */
export async function checkSuspects(
  options: ContentOptions,
  found: {
    readonly what: string;
    readonly filePaths: readonly string[];
    readonly suspect: PieceSet;
    readonly here: PieceSet;
    readonly journal: ResumeJournal;
  },
): Promise<void> {
  const { what, filePaths, suspect, here, journal } = found;
  if (suspect.count === 0) return;
  const { layout, signal, machine } = options;
  await options.layersReady;
  const pieces = [...layout.pieces()].filter((piece) => suspect.has(piece));
  const work = workOn(options, "Checking", pieces);
  note(options, "info", `Checking ${what}: ${formatBytes(work.totalBytes)} that no record vouches for`);
  let removed: Promise<void> = Promise.resolve();
  await machine.checker.check({
    from: { layout, paths: filePaths },
    pieces,
    hashes: expectedHashes(options, pieces),
    signal,
    onVerdicts({ good, bad }) {
      const goodPieces = good.map((place) => pieces[place]!);
      for (const piece of goodPieces) here.add(piece);
      journal.addPieces(goodPieces, machine.clock.nowMs());
      // Never trusted, so that nothing waits for the disk.
      const removal = journal.removePieces(bad.map((place) => pieces[place]!));
      removed = removed.then(() => removal);
      removed.catch(() => {});
      work.done([...good, ...bad]);
    },
  });
  await removed;
}

/** Reports progress on some pieces, by their places in the list. */
export function workOn(
  { layout, report }: ContentOptions,
  label: string,
  pieces: readonly PieceIndex[],
): { readonly totalBytes: number; readonly done: (places: readonly number[]) => void } {
  const sizeOf = (piece: PieceIndex) => layout.pieceSize(piece);
  const totalBytes = pieces.reduce((sum, piece) => sum + sizeOf(piece), 0);
  let doneBytes = 0;
  return {
    totalBytes,
    done(places) {
      for (const place of places) doneBytes += sizeOf(pieces[place]!);
      report({ kind: "work", label, doneBytes, totalBytes });
    },
  };
}
