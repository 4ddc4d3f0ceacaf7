// The two JSON texts in a torrent of the stream: `x-snapshot`, which is hashed and so holds only what is the same each
// time, and the comment, which is not. Both compact and in ASCII, as upstream's program writes them.

import { utf8 } from "../bytes.ts";
import type { FormatFacts } from "./format_facts.ts";

/**
 * `x-snapshot` for the info dictionary.
 *
 * @param originalFilename What the archive's source called it; left out when undefined.
 * @param facts Ours, behind it; see format_facts.ts.
 * @returns undefined when there is nothing to say: then the key is absent.
 */
export function snapshotJson(
  originalFilename: string | undefined,
  facts: FormatFacts | undefined,
): Uint8Array | undefined {
  const text = asciiJson({ original_filename: originalFilename, ...facts });
  return text === "{}" ? undefined : utf8(text);
}

/** The comment outside of the info dictionary. @param unixMs When the torrent is made. */
export function commentJson(unixMs: number): string {
  return asciiJson({ created_at: new Date(unixMs).toISOString() });
}

/** JSON without spaces, and everything that is not ASCII as \uXXXX, as Python's json.dumps has it unless told otherwise. */
function asciiJson(value: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
