// SHA-256 of exactly 64 bytes, two hashes side by side: the one step a merkle tree is made of (BEP 52). Written out
// here because a call into node:crypto costs more than the hashing: 1.35 µs and a fresh buffer per pair against
// 0.41 µs and none, and there is one pair for every 16 KiB block. Longer input belongs to lib/hash.ts.
//
// The second of the two compressions is over padding only and so its message schedule is a constant.

/**
 * Writes SHA-256(left | right) to `into` at `at`. The three may overlap: all is read before anything is written.
 *
 * @param leftAt Where 32 bytes begin in `left`; `rightAt` likewise in `right`.
 * @see FIPS 180-4, section 6.2
 */
export function hashPair(
  left: Uint8Array,
  leftAt: number,
  right: Uint8Array,
  rightAt: number,
  into: Uint8Array,
  at: number,
): void {
  readWords(left, leftAt, 0);
  readWords(right, rightAt, 8);
  fillSchedule();
  for (let t = 0; t < 64; t++) KEYED[t] = (SCHEDULE[t]! + ROUND_KEYS[t]!) | 0;
  STATE.set(INITIAL_STATE);
  compress(KEYED);
  compress(PADDING_KEYED);
  for (let i = 0; i < 8; i++) {
    const word = STATE[i]!;
    const to = at + 4 * i;
    into[to] = word >>> 24;
    into[to + 1] = word >>> 16;
    into[to + 2] = word >>> 8;
    into[to + 3] = word;
  }
}

/** Eight big-endian words into the schedule. */
function readWords(from: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 8; i++, at += 4) {
    SCHEDULE[word + i] = (from[at]! << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!;
  }
}

/** Words 16 to 63 from words 0 to 15. */
function fillSchedule(): void {
  for (let t = 16; t < 64; t++) {
    const a = SCHEDULE[t - 15]!;
    const b = SCHEDULE[t - 2]!;
    const sigma0 = ((a >>> 7) | (a << 25)) ^ ((a >>> 18) | (a << 14)) ^ (a >>> 3);
    const sigma1 = ((b >>> 17) | (b << 15)) ^ ((b >>> 19) | (b << 13)) ^ (b >>> 10);
    SCHEDULE[t] = (sigma1 + SCHEDULE[t - 7]! + sigma0 + SCHEDULE[t - 16]!) | 0;
  }
}

/** One block into the state; `keyed` is its schedule with the round keys added. */
function compress(keyed: Int32Array): void {
  let [a, b, c, d] = [STATE[0]!, STATE[1]!, STATE[2]!, STATE[3]!];
  let [e, f, g, h] = [STATE[4]!, STATE[5]!, STATE[6]!, STATE[7]!];
  for (let t = 0; t < 64; t++) {
    const sum1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + sum1 + (g ^ (e & (f ^ g))) + keyed[t]!) | 0;
    const sum0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (sum0 + ((a & b) | (c & (a | b)))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  STATE[0]! += a;
  STATE[1]! += b;
  STATE[2]! += c;
  STATE[3]! += d;
  STATE[4]! += e;
  STATE[5]! += f;
  STATE[6]! += g;
  STATE[7]! += h;
}

/** The first 32 bits of the fraction: where SHA-256 takes its constants from, of roots of the first primes. */
function fractionBits(root: number): number {
  return Math.floor((root - Math.floor(root)) * 2 ** 32) | 0;
}

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes;
}

const PRIMES = firstPrimes(64);
const ROUND_KEYS = Int32Array.from(PRIMES, (prime) => fractionBits(Math.cbrt(prime)));
const INITIAL_STATE = Int32Array.from(PRIMES.slice(0, 8), (prime) => fractionBits(Math.sqrt(prime)));

const SCHEDULE = new Int32Array(64);
const KEYED = new Int32Array(64);
const STATE = new Int32Array(8);

/** A 1 bit, zeros, and the message's length of 512 bits. */
SCHEDULE[0] = 0x80 << 24;
SCHEDULE[15] = 512;
fillSchedule();
const PADDING_KEYED = SCHEDULE.map((word, t) => word + ROUND_KEYS[t]!);
