// Making FILE.torrent beside FILE: look at the file, hash it once, make sure that it is still what was hashed, write. All
// that can be refused is refused before the hashing, which takes minutes; and nothing is written unless all went well.

import { basename } from "node:path";
import { toHex } from "../bytes.ts";
import { OperationFailed, PathUnusable, UsageError } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatBytes } from "../format.ts";
import type { FileFacts, Files } from "../ports.ts";
import type { Info } from "../torrent/info.ts";
import type { FileHashes, HashJob } from "./file_hasher.ts";
import { readFormatFacts } from "./format_facts.ts";
import type { ProducerMachine } from "./machine.ts";
import { makeTorrent } from "./make_torrent.ts";
import { choosePieceLength, hasLonePiece, MAX_MADE_PIECES, pieceCountOf } from "./piece_length.ts";
import { commentJson, snapshotJson } from "./snapshot_json.ts";

/** What torrent to make. */
export interface CreateOptions {
  /** The file. Its last part becomes the torrent's name, also when it is a link. */
  readonly path: string;
  /** Bytes, a power of two from 16 KiB to 128 MiB; undefined: chosen by the file's size. */
  readonly pieceLength: number | undefined;
  /** For `x-snapshot`. undefined: the name of the file itself, where a link leads to. Empty: none is recorded. */
  readonly originalFilename: string | undefined;
  /** Whether `x-snapshot` also gets what the file says of itself. Changes the hashes. */
  readonly formatFacts: boolean;
  /** Without the v1 half. */
  readonly v2Only: boolean;
  /** All in one tier. */
  readonly trackers: readonly string[];
}

/** What was made. */
export interface CreatedTorrent {
  /** The .torrent file: `<path>.torrent`. */
  readonly torrentPath: string;
  /** What it holds. */
  readonly bytes: Uint8Array;
  readonly info: Info;
  /** What was recorded. */
  readonly originalFilename: string | undefined;
  /** SHA-256 of the whole file, hex; undefined unless it was asked for. */
  readonly sha256: string | undefined;
}

/**
 * Makes a torrent of a file and writes it beside it, over one that is there.
 *
 * @param more.whole Whether the whole file's hash is wanted as well.
 * @throws {PathUnusable} When the file is missing, no file, empty or unreadable, or its folder cannot be written to.
 * @throws {UsageError} When its pieces would be too many. @throws {VerificationFailed} When facts are wanted of a damaged
 *   ledger. @throws {OperationFailed} When the file changed meanwhile. @throws The signal's reason.
 */
export async function createTorrent(
  options: CreateOptions,
  machine: ProducerMachine,
  report: Report,
  signal: AbortSignal,
  more: { readonly whole: boolean } = { whole: false },
): Promise<CreatedTorrent> {
  signal.throwIfAborted();
  const { path, v2Only, trackers } = options;
  const { files, clock, client } = machine;
  const warn = (text: string) => report({ kind: "note", level: "warning", logger: LOGGER, text });
  checkUsable(files, path);
  const torrentPath = `${path}.torrent`;
  const originalFilename = (options.originalFilename ?? basename(files.realPath(path) ?? path)) || undefined;

  const file = files.open(path, "read");
  try {
    const before = file.facts();
    const pieceLength = options.pieceLength ?? choosePieceLength(before.size);
    checkPieces(before.size, pieceLength, warn);
    checkWritable(files, torrentPath);
    const facts = options.formatFacts ? readFormatFacts(file, warn) : undefined;
    const kind = v2Only ? "v2" : "hybrid";
    const hashes = await hash(
      { path, size: before.size, pieceLength, kind, ...more },
      machine,
      report,
      signal,
    );
    checkSame(path, before, [file.facts(), files.stat(path)]);
    const { bytes, info } = makeTorrent({
      name: basename(path),
      length: before.size,
      pieceLength,
      hashes,
      xSnapshot: snapshotJson(originalFilename, facts),
      trackers,
      comment: commentJson(clock.unixMs()),
      createdBy: client,
    });
    files.writeAtomic(torrentPath, bytes);
    const pieces = info.pieceCount === 1 ? "1 piece" : `${info.pieceCount} pieces`;
    report({
      kind: "note",
      level: "info",
      logger: LOGGER,
      text: `Wrote ${torrentPath}: ${pieces} of ${pieceLength} bytes`,
    });
    const sha256 = hashes.whole && toHex(hashes.whole);
    return { torrentPath, bytes, info, originalFilename, sha256 };
  } finally {
    file.close();
  }
}

/** Looks before it is opened: opening a pipe would wait for ever. @throws {PathUnusable} */
function checkUsable(files: Files, path: string): void {
  const facts = files.stat(path);
  const reason = facts === undefined
    ? "no such file"
    : facts.kind === "directory"
    ? "it is a folder"
    : facts.kind === "other"
    ? "it is not a regular file"
    : facts.size === 0
    ? "it is empty"
    : undefined;
  if (reason !== undefined) throw new PathUnusable(`Cannot make a torrent of ${path}: ${reason}`);
}

function checkPieces(size: number, pieceLength: number, warn: (text: string) => void): void {
  const pieces = pieceCountOf(size, pieceLength);
  if (pieces > MAX_MADE_PIECES) {
    throw new UsageError(
      `Cannot make ${pieces} pieces of ${
        formatBytes(pieceLength)
      }, at most ${MAX_MADE_PIECES}: choose a larger piece size`,
    );
  }
  if (!hasLonePiece(size, pieceLength)) return;
  warn(
    `${pieces} pieces are one more than a multiple of 512: libtorrent up to 2.0.12 cannot serve the hash of the last ` +
      `one to others of its kind; another piece size avoids that`,
  );
}

/** Tries what will be done in the end. */
function checkWritable(files: Files, torrentPath: string): void {
  if (files.stat(torrentPath)?.kind === "directory") {
    throw new PathUnusable(`Cannot write ${torrentPath}: it is a folder`);
  }
  const temporary = `${torrentPath}.tmp`;
  files.remove(temporary);
  files.writeNew(temporary, new Uint8Array());
  files.remove(temporary);
}

async function hash(
  file: Omit<HashJob, "signal" | "onProgress">,
  { hasher }: ProducerMachine,
  report: Report,
  signal: AbortSignal,
): Promise<FileHashes> {
  let doneBytes = 0;
  const tell = () => report({ kind: "work", label: "Hashing", doneBytes, totalBytes: file.size });
  tell();
  return await hasher.hash({
    ...file,
    signal,
    onProgress: (bytes) => {
      doneBytes += bytes;
      tell();
    },
  });
}

/** @throws {OperationFailed} When what was hashed is not what lies there now. */
function checkSame(path: string, before: FileFacts, now: readonly (FileFacts | undefined)[]): void {
  for (const facts of now) {
    const change = facts === undefined
      ? "it is gone"
      : facts.inode !== before.inode || facts.device !== before.device
      ? "another file is in its place"
      : facts.size !== before.size
      ? `it had ${before.size} bytes and has ${facts.size}`
      : facts.mtimeMs !== before.mtimeMs
      ? "it was written to"
      : undefined;
    if (change === undefined) continue;
    throw new OperationFailed(`Cannot make a torrent of ${path}: it changed while it was hashed: ${change}`);
  }
}

const LOGGER = "producer.torrent";
