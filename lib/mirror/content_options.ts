// What the parts of opening a torrent's content share: whose content, on what machine, and where it lies.

import { join } from "node:path";
import { toHex } from "../bytes.ts";
import type { Report } from "../events.ts";
import type { Layout } from "../torrent/layout.ts";
import type { Info } from "../torrent/metainfo.ts";
import type { PieceLayers } from "../torrent/piece_layers.ts";
import type { DataPaths } from "./data_dir.ts";
import type { Machine } from "./machine.ts";

export interface ContentOptions {
  readonly machine: Machine;
  readonly paths: DataPaths;
  readonly info: Info;
  readonly layout: Layout;
  /** undefined for a v1 torrent. */
  readonly layers: PieceLayers | undefined;
  /** Resolves when the layers are whole: awaited only where something on disk must be checked. */
  readonly layersReady: Promise<void>;
  /** Believe no record of an earlier run: all that is on disk is checked again. */
  readonly force: boolean;
  /** Other whole snapshots on this disk: only read, whatever the torrent's name is. */
  readonly wholes?: readonly WholeCopy[];
  /** Before the first byte is written: throws when the rest of the work has no room beside it. */
  readonly examineSpace?: ((archive: ArchiveSpace) => void) | undefined;
  readonly signal: AbortSignal;
  readonly report: Report;
}

/** What a torrent's content will take of which disk. */
export interface ArchiveSpace {
  readonly info: Info;
  /** Bytes that are still to come, and where. */
  readonly missingBytes: number;
  readonly folder: string;
  /** The most that it takes with --low-disk; undefined where that cannot be used. */
  readonly passingBytes: number | undefined;
}

/** A snapshot that is whole and recorded as such, and may be served meanwhile. */
export interface WholeCopy {
  /** As `nameOf`. */
  readonly name: string;
  /** The file, or the folder of a torrent of several, under the torrent's name. */
  readonly path: string;
}

/** The name under which a torrent's things lie: v2 in hex, v1 where it has no other. */
export function nameOf(info: Info): string {
  return toHex(info.infoHashV2 ?? info.infoHashV1!);
}

/** Where each of a torrent's files lies below a folder, in torrent order. */
export function filePathsIn(folder: string, info: Info): string[] {
  const path = join(folder, info.name);
  return info.isSingleFile ? [path] : info.files.map((file) => join(path, ...file.path));
}

/** Tells the user something about the content. */
export function note({ report }: ContentOptions, level: "info" | "warning", text: string): void {
  report({ kind: "note", level, logger: "mirror.session", text });
}
