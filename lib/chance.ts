// Cheap chance for deciders: good enough to shuffle pieces and peers, replayable from its seed, no secret in it.

/**
 * A generator (sfc32) of numbers from 0 up to but not 1.
 *
 * @param seed Up to 16 bytes; a shorter one is filled with zeros.
 */
export function chanceFrom(seed: Uint8Array): () => number {
  const padded = new Uint8Array(16);
  padded.set(seed.subarray(0, 16));
  const view = new DataView(padded.buffer);
  let [a, b, c, counter] = [0, 4, 8, 12].map((at) => view.getUint32(at)) as [number, number, number, number];
  const next = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  // The first numbers of similar seeds are similar.
  for (let i = 0; i < 12; i++) next();
  return next;
}
