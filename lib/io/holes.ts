// Where a sparse file has holes, as the kernel knows it: lseek with SEEK_DATA, which the runtime does not offer and libc
// does (Linux). Everywhere else, and without the permission to call it, nobody can tell, and files are read as they are:
// here that took five minutes for a ledger's 121 GB that were never written, and pushed everything else out of memory.

import * as fs from "node:fs";

const SEEK_END = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const O_RDONLY = 0;
const O_CLOEXEC = 0x80000;

type Libc = Deno.DynamicLibrary<{
  readonly open: { readonly parameters: ["buffer", "i32"]; readonly result: "i32" };
  readonly lseek: { readonly parameters: ["i32", "i64", "i32"]; readonly result: "i64" };
  readonly close: { readonly parameters: ["i32"]; readonly result: "i32" };
}>;

/** The holes of one file. */
export class Holes implements Disposable {
  readonly #libc: Libc;
  readonly #fd: number;
  /** The hole that was found last, and the size of the file. */
  #from = 0;
  #to = 0;
  readonly #size: number;

  private constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
    this.#size = this.#seek(0, SEEK_END);
  }

  /** @returns undefined where nobody can tell. @param fd The same file, opened by node:fs. */
  static open(path: string, fd: number): Holes | undefined {
    const libc = theLibc();
    const own = libc?.symbols.open(new TextEncoder().encode(`${path}\0`), O_RDONLY | O_CLOEXEC) ?? -1;
    if (libc === undefined || own < 0) return undefined;
    const holes = new Holes(libc, own);
    // The path may lead to another file by now.
    const [a, b] = [fs.statSync(`/proc/self/fd/${own}`), fs.fstatSync(fd)];
    if (a.ino === b.ino && a.dev === b.dev) return holes;
    holes[Symbol.dispose]();
    return undefined;
  }

  /** Whether that stretch lies in the file and nothing was ever written to it. */
  isHole(at: number, length: number): boolean {
    if (at + length > this.#size) return false;
    if (at >= this.#from && at + length <= this.#to) return true;
    const data = this.#seek(at, SEEK_DATA);
    if (data === at) return false;
    // None follows: the kernel says so by an error, which could also be another one. Asked of a hole it answers at once;
    // a file in memory it would search to its end for one.
    if (data < 0 && this.#seek(at, SEEK_HOLE) !== at) return false;
    [this.#from, this.#to] = [at, data < 0 ? this.#size : data];
    return at + length <= this.#to;
  }

  [Symbol.dispose](): void {
    this.#libc.symbols.close(this.#fd);
  }

  /** -1 where there is no such place. */
  #seek(at: number, whence: number): number {
    return Number(this.#libc.symbols.lseek(this.#fd, BigInt(at), whence));
  }
}

let libc: Libc | undefined;
let isLooked = false;

/** Loaded at the first need; undefined where it cannot be. */
function theLibc(): Libc | undefined {
  if (isLooked) return libc;
  isLooked = true;
  // Never a question to the user: what it would gain is time.
  if (Deno.build.os !== "linux" || Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    return undefined;
  }
  try {
    libc = Deno.dlopen("libc.so.6", {
      open: { parameters: ["buffer", "i32"], result: "i32" },
      lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
      close: { parameters: ["i32"], result: "i32" },
    });
  } catch {
    // Another libc, or a runtime without that: files are read as they are.
  }
  return libc;
}
