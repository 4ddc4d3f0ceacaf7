// A torrent's files against its hashes: which pieces differ, and where they lie.

import { toHex } from "../bytes.ts";
import type { Report } from "../events.ts";
import { formatBytes, shortHash } from "../format.ts";
import { expectedHashes } from "../torrent/check.ts";
import { Layout, type PieceIndex } from "../torrent/layout.ts";
import type { Metainfo } from "../torrent/metainfo.ts";
import { PieceLayers } from "../torrent/piece_layers.ts";
import type { Check, DifferingRange } from "./checks.ts";
import type { InspectMachine } from "./machine.ts";

/** @param filePaths One per file of the torrent, in its order. */
export async function checkPieces(
  { info, pieceLayers }: Metainfo,
  path: string,
  filePaths: readonly string[],
  { machine, report, signal }: { machine: InspectMachine; report: Report; signal: AbortSignal },
): Promise<Check> {
  const about = { path, check: "pieces" } as const;
  const layout = Layout.of(info);
  const layers = info.kind === "v1" ? undefined : new PieceLayers(layout, pieceLayers);
  if (layers?.isComplete === false) {
    return { ...about, result: "bad", detail: "the torrent file lacks hashes of pieces, or has wrong ones" };
  }
  const pieces = [...layout.pieces()];
  const bad: PieceIndex[] = [];
  const totalBytes = pieces.reduce((sum, piece) => sum + layout.pieceSize(piece), 0);
  let doneBytes = 0;
  await machine.checker.check({
    from: { layout, paths: filePaths },
    pieces,
    hashes: expectedHashes({ info, layout, layers }, pieces),
    signal,
    onVerdicts(verdicts) {
      for (const place of verdicts.bad) bad.push(pieces[place]!);
      for (const place of [...verdicts.good, ...verdicts.bad]) doneBytes += layout.pieceSize(pieces[place]!);
      report({ kind: "work", label: "Hashing", doneBytes, totalBytes });
    },
  });
  const tooLong = info.files.flatMap(({ length }, i) => {
    const more = (machine.files.stat(filePaths[i]!)?.size ?? 0) - length;
    return more > 0 ? [`${filePaths[i]} is ${more} bytes too long`] : [];
  });
  const name = shortHash(toHex(info.infoHashV2 ?? info.infoHashV1!));
  if (bad.length === 0 && tooLong.length === 0) {
    return {
      ...about,
      result: "good",
      detail: pieces.length === 1
        ? `its 1 piece is that of torrent ${name}`
        : `all ${pieces.length} pieces are those of torrent ${name}`,
    };
  }
  bad.sort((a, b) => a - b);
  const ranges = rangesOf(layout, bad, filePaths);
  const differing = `${bad.length} of ${pieces.length} pieces are not those of torrent ${name}`;
  const details = [
    ...(bad.length > 0 ? [`${differing}, in ${formatBytes(bytesIn(ranges))}`] : []),
    ...tooLong,
  ];
  return { ...about, result: "bad", detail: details.join("; "), ranges: ranges.slice(0, MAX_RANGES) };
}

/** Where some pieces lie; neighbours become one. @param pieces Rising. */
export function rangesOf(
  layout: Layout,
  pieces: readonly PieceIndex[],
  filePaths: readonly string[],
): DifferingRange[] {
  const ranges: DifferingRange[] = [];
  for (const piece of pieces) {
    for (const { file, at, length } of layout.spans(piece, 0, layout.pieceSize(piece))) {
      if (file === undefined) continue;
      const path = filePaths[file]!;
      const last = ranges.at(-1);
      const range = { path, begin: at, end: at + length, firstPiece: piece, lastPiece: piece };
      if (last?.path !== path || last.end !== at) ranges.push(range);
      else ranges[ranges.length - 1] = { ...last, end: range.end, lastPiece: piece };
    }
  }
  return ranges;
}

function bytesIn(ranges: readonly DifferingRange[]): number {
  return ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);
}

/** A file of another snapshot differs everywhere; one that is damaged in more places than this is fetched again. */
const MAX_RANGES = 1000;
