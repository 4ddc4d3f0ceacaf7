// A little damage to a file, as a bad disk does it.

/** Changes one bit of the byte at `at`; twice is as before. */
export function flip(path: string, at: number): void {
  using file = Deno.openSync(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  file.seekSync(at, Deno.SeekMode.Start);
  file.readSync(byte);
  byte[0]! ^= 1;
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(byte);
}

/** Shell: overwrites eight bytes of a file, in which random ones will not be the same. */
export function overwriting(file: string, at: number | string): string {
  return `printf '\\125\\252\\125\\252\\125\\252\\125\\252' | dd of=${file} bs=1 seek=${at} conv=notrunc status=none`;
}
