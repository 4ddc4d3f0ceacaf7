// Content to move about: random bytes that are the same each time. Zeros would compress, hash and be written unlike the
// real thing.

import { createCipheriv, createHash } from "node:crypto";

/** Writes a file of `size` bytes that depend on the seed only: a cipher's key stream, as fast as the disk. */
export async function writeRandomFile(path: string, size: number, seed: string): Promise<void> {
  const key = createHash("sha256").update(seed).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, new Uint8Array(16));
  const zeros = new Uint8Array(1 << 20);
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  for (let left = size; left > 0; left -= zeros.length) {
    const bytes = cipher.update(zeros.subarray(0, Math.min(left, zeros.length)));
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  }
}
