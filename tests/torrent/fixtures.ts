// The deterministic file that the vectors here are computed over with libtorrent.

/** `length` bytes: byte i is (i*7 + (i>>8)*13 + (i>>16)*29) & 0xff. */
export function fixtureBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 7 + (i >> 8) * 13 + (i >> 16) * 29;
  return bytes;
}
