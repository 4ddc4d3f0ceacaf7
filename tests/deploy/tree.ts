// The repository, as the tests of deploy/ read it.

import { join } from "node:path";
import { parseAllDocuments } from "yaml";

export const ROOT = join(import.meta.dirname!, "..", "..");

/** A file's text, by its path from the root. */
export function read(path: string): string {
  return Deno.readTextFileSync(join(ROOT, path));
}

/** Whether the root has such a file or folder. */
export function has(path: string): boolean {
  try {
    Deno.statSync(join(ROOT, path));
    return true;
  } catch {
    return false;
  }
}

/** Every document of a YAML file, as values. @throws {Error} For what is no YAML, or has a key twice. */
export function readYaml(path: string): unknown[] {
  return parseAllDocuments(read(path), { strict: true, uniqueKeys: true }).map((document) => {
    if (document.errors.length > 0) throw new Error(`${path}: ${document.errors[0]!.message}`);
    return document.toJS();
  });
}

/** Names of the files in a folder, sorted. */
export function filesIn(path: string): string[] {
  return [...Deno.readDirSync(join(ROOT, path))].map(({ name }) => name).toSorted();
}
