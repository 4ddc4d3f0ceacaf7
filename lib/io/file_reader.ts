// Reading a file ahead: at positions, into the caller's buffer, while the thread does something else. For whoever reads
// all of a file; OpenFile is for those who want a few bytes at once.

import * as fs from "node:fs";
import { systemFiles } from "./files.ts";
import { Holes } from "./holes.ts";
import { pathError } from "./os_error.ts";

/** An open file. */
export interface FileReader extends Disposable {
  /** Fills `into` from a position of the file; fewer bytes only at its end. @throws {PathUnusable | OperationFailed} */
  read(into: Uint8Array, at: number): Promise<number>;
  /** Whether that stretch lies in the file and was never written. False where nobody can tell. */
  isHole(at: number, length: number): boolean;
}

/** Opens a file that is there. To be closed when no read is under way. @throws {PathUnusable} */
export function openReader(path: string): FileReader {
  let fd: number;
  try {
    fd = fs.openSync(path, "r");
  } catch (error) {
    throw pathError("read", path, error);
  }
  const holes = Holes.open(path, fd);
  const readSome = (into: Uint8Array, at: number) =>
    new Promise<number>((resolve, reject) => {
      fs.read(
        fd,
        into,
        0,
        into.length,
        at,
        (error, count) => error ? reject(pathError("read", path, error)) : resolve(count),
      );
    });
  return {
    async read(into, at) {
      let done = 0;
      while (done < into.length) {
        const count = await readSome(into.subarray(done), at + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    },
    isHole: (at, length) => holes?.isHole(at, length) ?? false,
    [Symbol.dispose]: () => {
      holes?.[Symbol.dispose]();
      fs.closeSync(fd);
    },
  };
}

/** The same; undefined when no file is there. @throws {PathUnusable} */
export function openThere(path: string): FileReader | undefined {
  return systemFiles.stat(path)?.kind === "file" ? openReader(path) : undefined;
}
