// Which bytes of a download are on the disk. A record is written only after the bytes that it counts were synced, so
// that it holds after kill -9 and after a power loss; what came since the last one is fetched again. It belongs to one
// file of one server: when size, ETag or date are others, it counts for nothing.

import type { Files } from "../ports.ts";
import { isJsonObject, type JsonObject, readJsonFile, writeJsonFile } from "../json_file.ts";

/** What tells one content of a URL from another. */
export interface RemoteIdentity {
  readonly url: string;
  /** Bytes; undefined when the server does not say. */
  readonly size: number | undefined;
  /** As the server wrote it. */
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

/** From `start` to before `end`, in bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Whether both say the same file. */
export function isSameRemote(a: RemoteIdentity, b: RemoteIdentity): boolean {
  return a.url === b.url && a.size === b.size && a.etag === b.etag && a.lastModified === b.lastModified;
}

/** As it stands in JSON. */
export function remoteToJson({ url, size, etag, lastModified }: RemoteIdentity): JsonObject {
  return { url, size: size ?? null, etag: etag ?? null, last_modified: lastModified ?? null };
}

/** undefined when it is not what `remoteToJson` made. */
export function remoteFromJson(json: unknown): RemoteIdentity | undefined {
  if (!isJsonObject(json)) return undefined;
  const { url, size, etag, last_modified: lastModified } = json;
  if (typeof url !== "string" || !(size === null || Number.isSafeInteger(size))) return undefined;
  if (!isTextOrNull(etag) || !isTextOrNull(lastModified)) return undefined;
  return {
    url,
    size: (size as number | null) ?? undefined,
    etag: etag ?? undefined,
    lastModified: lastModified ?? undefined,
  };
}

/** Ranges that neither overlap nor touch, in order. */
export class RangeSet {
  #ranges: ByteRange[];

  constructor(ranges: Iterable<ByteRange> = []) {
    this.#ranges = [];
    for (const range of ranges) this.add(range);
  }

  get ranges(): readonly ByteRange[] {
    return this.#ranges;
  }

  get bytes(): number {
    return this.#ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  add({ start, end }: ByteRange): void {
    if (start >= end) return;
    const before = this.#ranges.filter((one) => one.end < start);
    const after = this.#ranges.filter((one) => one.start > end);
    const touched = this.#ranges.slice(before.length, this.#ranges.length - after.length);
    const merged = {
      start: Math.min(start, touched[0]?.start ?? start),
      end: Math.max(end, touched.at(-1)?.end ?? end),
    };
    this.#ranges = [...before, merged, ...after];
  }

  /** What is not in it, up to `size`. */
  gaps(size: number): ByteRange[] {
    const gaps: ByteRange[] = [];
    let at = 0;
    for (const { start, end } of this.#ranges) {
      if (start > at) gaps.push({ start: at, end: start });
      at = end;
    }
    if (at < size) gaps.push({ start: at, end: size });
    return gaps;
  }
}

/**
 * Reads what is on the disk of a file.
 *
 * @param path The journal's. @param partial The file that it counts.
 * @returns Empty when the journal is another file's, damaged, or counts more than there is.
 */
export function readJournal(
  files: Files,
  { path, partial, identity }: { path: string; partial: string; identity: RemoteIdentity },
): { done: RangeSet; warning: string | undefined } {
  const { value, warning } = readJsonFile(files, path, parseJournal, undefined);
  if (value === undefined || !isSameRemote(value.identity, identity)) {
    return { done: new RangeSet(), warning };
  }
  const end = value.done.ranges.at(-1)?.end ?? 0;
  const isThere = (files.stat(partial)?.size ?? 0) >= end && end <= (identity.size ?? 0);
  return { done: isThere ? value.done : new RangeSet(), warning };
}

/** Replaces the journal. The bytes it counts must be on the disk. */
export function writeJournal(
  files: Files,
  path: string,
  identity: RemoteIdentity,
  ranges: readonly ByteRange[],
): void {
  writeJsonFile(files, path, {
    source: remoteToJson(identity),
    done: ranges.map(({ start, end }) => [start, end]),
  });
}

function parseJournal(json: JsonObject): { identity: RemoteIdentity; done: RangeSet } | undefined {
  const identity = remoteFromJson(json["source"]);
  const { done } = json;
  if (identity === undefined || !Array.isArray(done) || done.length > MAX_RANGES) return undefined;
  const ranges: ByteRange[] = [];
  for (const pair of done as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined;
    const [start, end] = pair as unknown[];
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end)) return undefined;
    if ((start as number) < 0 || (end as number) <= (start as number)) return undefined;
    ranges.push({ start: start as number, end: end as number });
  }
  return { identity, done: new RangeSet(ranges) };
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

/** A few for each connection there ever was; merging makes more impossible. */
const MAX_RANGES = 10_000;
