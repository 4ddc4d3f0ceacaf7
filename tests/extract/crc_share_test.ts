import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { crcShare } from "../../lib/extract/crc_share.ts";
import { ledgerBytes } from "./fakes.ts";

Deno.test("crcShare() of all parts is the whole's CRC-32, in any order and at any cut", () => {
  const whole = ledgerBytes(70_000);
  for (
    const cuts of [[0, 70_000], [0, 1, 70_000], [0, 13, 4096, 4097, 65_536, 69_999, 70_000], [
      0,
      0,
      5,
      70_000,
    ]]
  ) {
    const shares = cuts.slice(1).map((end, i) => {
      return crcShare(crc32(whole.subarray(cuts[i], end)), whole.length - end);
    });
    const sum = shares.toReversed().reduce((sum, share) => (sum ^ share) >>> 0, 0);
    assert.equal(sum, crc32(whole), cuts.join());
  }
});

Deno.test("crcShare() reaches over more than 4 GiB", () => {
  // 2^32 - 1 bytes of zeros are one turn of the polynomial's group: as if they were none.
  const crc = crc32(ledgerBytes(100));
  assert.equal(crcShare(crc, 0), crc);
  assert.equal(crcShare(crc, 2 ** 32 - 1), crc);
  assert.equal(crcShare(crc, 2 ** 40), crcShare(crcShare(crc, 2 ** 39), 2 ** 39));
});
