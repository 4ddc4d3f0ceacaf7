// A clock that jumps to the next sleeper, files in memory, and signed items of the project's test key.

import { encode } from "../../lib/bencode.ts";
import { type SignedItem, signItem } from "../../lib/dht/signature.ts";
import type { Clock, Files } from "../../lib/ports.ts";
import { DAILY, KEY, SEED } from "../dht/vectors.ts";

export { DAILY, KEY };

/** A signed item: `value` is bencoded already, or one byte that fills a raw v2 hash. */
export function signed(seq: number, value: Uint8Array | number = 0xab, salt: Uint8Array = DAILY): SignedItem {
  const bytes = typeof value === "number" ? encode(new Uint8Array(32).fill(value)) : value;
  const signature = signItem(SEED, { salt, seq, value: bytes });
  return { publicKey: KEY, salt, seq, value: bytes, signature };
}

/** Sleepers wake in order of time, one each time that nothing else is left to do. */
export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];
  #ticking = false;

  nowMs(): number {
    return this.#nowMs;
  }

  unixMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = { atMs: this.#nowMs + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", () => {
        const at = this.#sleepers.indexOf(sleeper);
        if (at >= 0) this.#sleepers.splice(at, 1);
        resolve();
      });
      this.#tickLater();
    });
  }

  #tickLater(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    // After all microtasks: whoever can go on without time has done so.
    setTimeout(() => {
      this.#ticking = false;
      this.#sleepers.sort((a, b) => a.atMs - b.atMs);
      const next = this.#sleepers.shift();
      if (next === undefined) return;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
      if (this.#sleepers.length > 0) this.#tickLater();
    }, 0);
  }
}

/** The part of `Files` that small JSON files need. */
export class MemoryFiles implements Pick<Files, "stat" | "read" | "writeAtomic" | "rename" | "makeDir"> {
  readonly contents = new Map<string, Uint8Array>();
  writes = 0;

  get files(): Files {
    return this as unknown as Files;
  }

  stat(path: string) {
    const bytes = this.contents.get(path);
    return bytes && {
      kind: "file" as const,
      size: bytes.length,
      allocated: bytes.length,
      mtimeMs: 0,
      device: 0,
      inode: 0,
    };
  }

  read(path: string): Uint8Array | undefined {
    return this.contents.get(path);
  }

  writeAtomic(path: string, bytes: Uint8Array): void {
    this.writes++;
    this.contents.set(path, bytes.slice());
  }

  rename(from: string, to: string): void {
    this.contents.set(to, this.contents.get(from)!);
    this.contents.delete(from);
  }

  makeDir(): void {}
}
