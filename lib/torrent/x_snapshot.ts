// `x-snapshot` in the info dictionary: upstream's JSON about the archive. It is covered by the info-hash, so it is the
// producer's word, but it is still input: only short printable text is taken from it.

import { parseUtf8 } from "../bytes.ts";
import type { Info } from "./info.ts";

/** What the producer's source called the archive; undefined when it does not say. */
export function originalFilename({ xSnapshot }: Info): string | undefined {
  if (!(xSnapshot instanceof Uint8Array) || xSnapshot.length > MAX_JSON_BYTES) return undefined;
  const text = parseUtf8(xSnapshot);
  if (text === undefined) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    const name = typeof json === "object" && json !== null && "original_filename" in json
      ? json.original_filename
      : undefined;
    return typeof name === "string" && PRINTABLE.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

const MAX_JSON_BYTES = 64 << 10;
const PRINTABLE = /^[\x20-\x7e]{1,255}$/;
