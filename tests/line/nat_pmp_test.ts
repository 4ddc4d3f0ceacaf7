import assert from "node:assert/strict";
import { parseHex } from "../../lib/bytes.ts";
import { encodeAddressQuestion, encodeMapping, parseAddress, parseMapping } from "../../lib/line/nat_pmp.ts";

const hex = (text: string) => parseHex(text.replaceAll(" ", ""))!;

Deno.test("encodeMapping() writes RFC 6886's twelve bytes; taking back names no port outside", () => {
  assert.deepEqual(encodeMapping("tcp", 6881, 3600), hex("00 02 0000 1ae1 1ae1 00000e10"));
  assert.deepEqual(encodeMapping("udp", 6881, 0), hex("00 01 0000 1ae1 0000 00000000"));
  assert.deepEqual(encodeAddressQuestion(), hex("00 00"));
});

Deno.test("parseMapping() reads what was given, and why nothing was", () => {
  assert.deepEqual(parseMapping("tcp", hex("00 82 0000 00000001 1ae1 1ae2 00000e10")), {
    refusal: undefined,
    internalPort: 6881,
    externalPort: 6882,
    lifetimeSeconds: 3600,
  });
  assert.equal(parseMapping("udp", hex("00 81 0002 00000001"))?.refusal, "it is set to allow no mappings");
  assert.equal(parseMapping("udp", hex("00 81 0063 00000001"))?.refusal, "it answers 99");
});

Deno.test("parseMapping() and parseAddress() pass over what is no answer to them, whatever its length", () => {
  const good = hex("00 82 0000 00000001 1ae1 1ae2 00000e10");
  for (let length = 0; length < 16; length++) {
    assert.equal(parseMapping("tcp", good.subarray(0, length)), undefined);
  }
  assert.equal(parseMapping("udp", good), undefined);
  assert.equal(parseMapping("tcp", hex("02 82 0000 00000001 1ae1 1ae2 00000e10")), undefined);
  const address = hex("00 80 0000 00000001 cb007105");
  assert.equal(parseAddress(address), "203.0.113.5");
  for (let length = 0; length < 12; length++) {
    assert.equal(parseAddress(address.subarray(0, length)), undefined);
  }
  assert.equal(parseAddress(hex("00 80 0003 00000001 00000000")), undefined);
});
