// A Worker that looks for blocks of a torrent in older copies (torrent/block_matcher.ts), a piece at a time, with files of
// its own opening. The first message names the files; null ends it.

import { BlockFinder } from "../torrent/block_matcher.ts";
import { Layout, type LayoutSource, type PieceIndex } from "../torrent/layout.ts";
import { systemFiles } from "./files.ts";

/** `null` last. */
export type MatchTask =
  | { readonly layout: LayoutSource; readonly from: readonly string[]; readonly to: string }
  | { readonly piece: PieceIndex; readonly leaves: Uint8Array };

/** One for each piece; undefined where a file could not be read or written. "ended" last: its files are closed then. */
export type MatchAnswer = { readonly found: Uint8Array | undefined } | "ended";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<MatchTask | null>) => void) | null;
  postMessage(answer: MatchAnswer): void;
};

let finder: BlockFinder | undefined;

scope.onmessage = ({ data }) => {
  if (data === null) {
    finder?.[Symbol.dispose]();
    return scope.postMessage("ended");
  }
  if ("piece" in data) return scope.postMessage({ found: find(data.piece, data.leaves) });
  try {
    finder = new BlockFinder(systemFiles, { ...data, layout: Layout.of(data.layout) });
  } catch {
    // Nothing is found then.
  }
};

/** What cannot be read is no copy, and what cannot be written tells who writes next. */
function find(piece: PieceIndex, leaves: Uint8Array): Uint8Array | undefined {
  try {
    return finder?.find(piece, leaves);
  } catch {
    return undefined;
  }
}
