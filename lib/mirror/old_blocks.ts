// What an older copy on this disk may have of the pieces that differ from it: which files are looked at, and for which
// pieces. Whole pieces that are the same were taken before (reuse.ts); of the others the blocks are compared while the
// rest comes (torrent/block_reuse.ts).

import { formatBytes } from "../format.ts";
import type { OldBlocks, ReuseSums } from "../torrent/block_reuse.ts";
import { BLOCK_BYTES, type PieceIndex } from "../torrent/layout.ts";
import type { PieceSet } from "../torrent/piece_set.ts";
import type { Place } from "./adopt.ts";
import { type ContentOptions, note } from "./content_options.ts";
import { LEDGER_NAME } from "./data_dir.ts";
import type { OldCopy } from "./reuse.ts";

/**
 * Looks for files that may share blocks with the torrent, where nobody need have vouched for them: every block is proven.
 *
 * @param own.path The torrent's own file: what a run that was killed had written of unfinished pieces is there.
 * @returns undefined when there are none, or the torrent is v1 or has several files.
 */
export function oldBlocksOf(
  options: ContentOptions,
  own: {
    readonly path: string;
    readonly here: PieceSet;
    readonly place: Place | undefined;
    readonly copies: readonly OldCopy[];
  },
): OldBlocks | undefined {
  const { machine: { files, matchers }, info, layout, layers } = options;
  const { here, place, copies } = own;
  if (matchers === undefined || layers === undefined || !layout.single || !info.isSingleFile) {
    return undefined;
  }
  if (here.isFull) return undefined;
  const singles = copies.filter((copy) => copy.info.isSingleFile);
  const paths = new Set(singles.map(({ filePaths }) => filePaths[0]!));
  const mayHave: ((piece: PieceIndex) => boolean)[] = singles.map((copy) => within(options, copy));
  const inPlace = place && files.stat(place.path);
  if (place !== undefined && inPlace?.kind === "file" && !paths.has(place.path)) {
    paths.add(place.path);
    mayHave.push((piece) => layout.offset(piece, 0) < inPlace.size);
  }
  const grown = files.stat(own.path);
  if (grown !== undefined && holdsMore(options, here, grown.allocated)) {
    mayHave.push((piece) => layout.offset(piece, 0) < grown.size);
  }
  const pieces = [...layout.pieces()].filter((piece) =>
    !here.has(piece) && mayHave.some((may) => may(piece))
  );
  if (pieces.length === 0) return undefined;
  const from = [...paths].slice(0, MAX_COPIES);
  return {
    pieces,
    isLikely: info.name === LEDGER_NAME,
    matcher: matchers.start({ layout, from: [...from, own.path], to: own.path }),
    onOver: (sums) => tell(options, sums),
  };
}

/** Whether a file has much besides its good pieces: an old snapshot that gave its place to this one. */
function holdsMore({ layout }: ContentOptions, here: PieceSet, allocated: number): boolean {
  let known = 0;
  for (const n of here) known += layout.pieceSize(layout.piece(n)!);
  return allocated - known > layout.totalLength / 10;
}

/** Where a copy has bytes. Of a part that was fetched, whole pieces are known; others are not worth a look. */
function within({ layout }: ContentOptions, copy: OldCopy): (piece: PieceIndex) => boolean {
  const { totalLength, pieceLength } = copy.layout;
  if (copy.isWhole) return (piece) => layout.offset(piece, 0) < totalLength;
  const here = new Set<number>(copy.pieces);
  return (piece) => {
    const from = layout.offset(piece, 0);
    const last = Math.floor((from + layout.pieceSize(piece) - 1) / pieceLength);
    for (let n = Math.floor(from / pieceLength); n <= last; n++) if (here.has(n)) return true;
    return false;
  };
}

function tell(
  options: ContentOptions,
  { comparedPieces, foundBlocks, hashBytes, isInVain }: ReuseSums,
): void {
  if (comparedPieces === 0) return;
  const what = `Compared ${comparedPieces} pieces block by block with older copies (${
    formatBytes(hashBytes)
  } of hashes)`;
  const found = isInVain
    ? "the last ones had nothing in common"
    : `${formatBytes(foundBlocks * BLOCK_BYTES)} need not be fetched`;
  note(options, "info", `${what}: ${found}`);
}

/** Each is read for what the ones before it did not have. */
const MAX_COPIES = 4;
