// `x-snapshot` in the info dictionary: upstream's JSON about the archive, and what --format-facts adds. It is covered by
// the info-hash, so it is the producer's word, but it is still input: only short printable text and whole numbers are
// taken from it.

import { parseUtf8 } from "../bytes.ts";
import type { Info } from "./info.ts";

/** What the producer says of the snapshot; undefined where it does not, or not in a shape that can be shown. */
export interface SnapshotClaims {
  /** What its source called the archive. */
  readonly originalFilename: string | undefined;
  readonly ledgerVersion: number | undefined;
  readonly blockCount: number | undefined;
  readonly accountCount: number | undefined;
}

/** All that is taken from it. */
export function snapshotClaims({ xSnapshot }: Pick<Info, "xSnapshot">): SnapshotClaims {
  const json = parse(xSnapshot);
  const name = json["original_filename"];
  const count = (key: string) => {
    const value = json[key];
    return Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : undefined;
  };
  return {
    originalFilename: typeof name === "string" && PRINTABLE.test(name) ? name : undefined,
    ledgerVersion: count("ledger_version"),
    blockCount: count("block_count"),
    accountCount: count("account_count"),
  };
}

/** What the producer's source called the archive; undefined when it does not say. */
export function originalFilename(info: Pick<Info, "xSnapshot">): string | undefined {
  return snapshotClaims(info).originalFilename;
}

function parse(xSnapshot: Info["xSnapshot"]): Readonly<Record<string, unknown>> {
  if (!(xSnapshot instanceof Uint8Array) || xSnapshot.length > MAX_JSON_BYTES) return {};
  const text = parseUtf8(xSnapshot);
  if (text === undefined) return {};
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? json as Record<string, unknown> : {};
  } catch {
    return {};
  }
}

const MAX_JSON_BYTES = 64 << 10;
const PRINTABLE = /^[\x20-\x7e]{1,255}$/;
