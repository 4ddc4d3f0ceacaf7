// Small JSON files that survive anything: written whole or not at all, and when one cannot be understood (torn by
// another program, edited by hand) it is moved aside instead of being overwritten, and the run goes on without it.

import { parseUtf8, utf8 } from "./bytes.ts";
import type { FileNumber, Files } from "./ports.ts";

/** What a file held, and what the user should hear about it. */
export interface Reading<T> {
  readonly value: T;
  /** One sentence when the file was there and could not be used. */
  readonly warning: string | undefined;
}

export type JsonObject = { readonly [key: string]: unknown };

/** Whether a value that was written down can be a file system's number. */
export function isFileNumber(value: unknown): value is FileNumber {
  return typeof value === "number" || typeof value === "string";
}

/**
 * Reads a JSON object.
 *
 * @param parse Makes the value; undefined when the object is not what the file should hold.
 * @param absent Taken when there is no file, or none that can be used: that one is renamed to `<path>.bad`, over
 *   an earlier one.
 * @throws {PathUnusable} When the file is there and cannot be read or moved.
 */
export function readJsonFile<T>(
  files: Files,
  path: string,
  parse: (json: JsonObject) => T | undefined,
  absent: T,
): Reading<T> {
  if (files.stat(path) === undefined) return { value: absent, warning: undefined };
  const value = understand(files, path, parse);
  if (value !== undefined) return { value, warning: undefined };
  const aside = `${path}.bad`;
  files.rename(path, aside);
  return { value: absent, warning: `Cannot use ${path}: it is damaged or not ours; it is now ${aside}` };
}

/** Writes JSON with indent 2, as upstream does, old or new but never torn. */
export function writeJsonFile(files: Files, path: string, value: JsonObject): void {
  files.writeAtomic(path, utf8(JSON.stringify(value, null, 2) + "\n"));
}

/** Whether a parsed value is a JSON object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function understand<T>(
  files: Files,
  path: string,
  parse: (json: JsonObject) => T | undefined,
): T | undefined {
  if ((files.stat(path)?.size ?? 0) > MAX_JSON_BYTES) return undefined;
  const text = parseUtf8(files.read(path, MAX_JSON_BYTES) ?? new Uint8Array());
  if (text === undefined) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    return isJsonObject(json) ? parse(json) : undefined;
  } catch {
    return undefined;
  }
}

/** The largest of these files takes a few KiB. */
const MAX_JSON_BYTES = 1 << 20;
