// CRC-32 of a whole, from those of its parts in any order: the checksum is linear, so that each part adds its share for
// itself, and whoever adds them up needs no list of parts.

/** The polynomial of zlib's, PNG's and 7-Zip's CRC-32, lowest power in the highest bit. */
const POLYNOMIAL = 0xedb88320;
/** x^0 and x^8 in that order of bits: no byte, and one byte, of zeros. */
const NOTHING = 0x80000000;
const ONE_BYTE = 0x00800000;

/**
 * What a part adds to the CRC-32 of the whole: all shares, XORed, are that.
 *
 * @param crc The part's own CRC-32. @param behind Bytes of the whole behind the part, at most 2^53 - 1.
 * @returns 0 to 2^32 - 1.
 */
export function crcShare(crc: number, behind: number): number {
  let power = NOTHING;
  let step = ONE_BYTE;
  for (let left = behind; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(power, step);
    step = multiply(step, step);
  }
  return multiply(power, crc);
}

/** Two polynomials over GF(2), modulo the checksum's. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit & 1) === 1) product ^= b;
    b = (b & 1) === 1 ? b >>> 1 ^ POLYNOMIAL : b >>> 1;
  }
  return product >>> 0;
}
