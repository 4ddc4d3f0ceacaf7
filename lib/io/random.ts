// Chance from the operating system's generator.

import type { Random } from "../ports.ts";

export const systemRandom: Random = {
  bytes(length) {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += LARGEST_REQUEST) {
      crypto.getRandomValues(bytes.subarray(at, at + LARGEST_REQUEST));
    }
    return bytes;
  },
};

/** getRandomValues refuses more at once. */
const LARGEST_REQUEST = 65536;
