// What a torrent is to be like, for the commands that make one.

import type { Command } from "commander";
import type { CreateOptions } from "../producer/create.ts";
import { MAX_PIECE_LENGTH, MIN_PIECE_LENGTH } from "../producer/piece_length.ts";
import { STREAM_TRACKERS } from "../stream.ts";
import { isPowerOfTwo } from "../torrent/merkle.ts";
import { collect, type Inputs } from "./inputs.ts";
import { parseTracker } from "./network_options.ts";
import { type Given, refused } from "./values.ts";

/** Adds the options. */
export function addTorrentOptions(command: Command): Command {
  return command
    .option(
      "--piece-size <size>",
      "16K to 128M, a power of two (default: 32M, or more where that serves better)",
    )
    .option(
      "--original-filename <name>",
      "what the archive's source called it, empty for nothing (default: its name, links followed)",
    )
    .option("--format-facts", "also record what the file says of itself; the info-hashes become others")
    .option("--v2-only", "without the half for old clients")
    .option("--tracker <url>", "this tracker instead of the stream's two; may be repeated", collect)
    .option("--no-trackers", "name no tracker");
}

/** What was asked for, without the file. @throws {UsageError} */
export function readTorrentOptions(inputs: Inputs): Omit<CreateOptions, "path"> {
  const pieceSize = inputs.text("--piece-size");
  const trackers = inputs.list("--tracker").map(parseTracker);
  return {
    pieceLength: pieceSize === undefined ? undefined : parsePieceSize(pieceSize),
    originalFilename: inputs.text("--original-filename")?.text,
    formatFacts: inputs.isOn("--format-facts"),
    v2Only: inputs.isOn("--v2-only"),
    trackers: inputs.isOff("trackers") ? [] : trackers.length > 0 ? [...new Set(trackers)] : STREAM_TRACKERS,
  };
}

/** "33554432", "32M", "512K" or "32MiB": a piece's units can only be powers of 1024. @throws {UsageError} */
function parsePieceSize(given: Given): number {
  const match = /^(\d{1,9})(k|m)?(?:ib|b)?$/i.exec(given.text.trim());
  const unit = { "": 1, k: 1 << 10, m: 1 << 20 }[(match?.[2] ?? "").toLowerCase()]!;
  const bytes = match === null ? Number.NaN : Number(match[1]) * unit;
  if (bytes >= MIN_PIECE_LENGTH && bytes <= MAX_PIECE_LENGTH && isPowerOfTwo(bytes)) return bytes;
  throw refused(given, "a power of two from 16K to 128M");
}
