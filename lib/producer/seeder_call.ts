// Finding the seeder of an output directory by its lock, and asking it to look at the directory now. It looks by itself
// once a minute: what fails here only takes longer.

import { parseUtf8 } from "../bytes.ts";
import type { Files, Programs } from "../ports.ts";
import type { OutputPaths } from "./pairs.ts";

/**
 * Tells the seeder, if one runs.
 *
 * @param isNews Whether there is anything to tell; otherwise it is only looked for.
 * @returns The process that seeds; undefined when none does.
 */
export function tellSeeder(
  { files, programs }: { readonly files: Files; readonly programs: Programs },
  { lock: path }: OutputPaths,
  isNews: boolean,
): number | undefined {
  if (files.stat(path) === undefined) return undefined;
  const note = parseUtf8(files.read(path, MAX_NOTE_BYTES) ?? new Uint8Array()) ?? "";
  const free = files.lock(path, "");
  if (free !== undefined) {
    free.release();
    return undefined;
  }
  const pid = Number(/\bprocess (\d{1,10})\b/.exec(note)?.[1] ?? "0");
  // Numbers of another container mean nothing here, and SIGHUP ends who does not expect it.
  const isHere =
    programs.holdersOf([path])?.some((holder) => `${holder} `.startsWith(`process ${pid} `)) === true;
  if (isHere && isNews) programs.hangUp(pid);
  return pid;
}

const MAX_NOTE_BYTES = 400;
