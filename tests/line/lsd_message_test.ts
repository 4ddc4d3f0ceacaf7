import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { encodeLsd, LSD_GROUP, LSD_GROUP_IPV6, parseLsd } from "../../lib/line/lsd_message.ts";

const HASH = new Uint8Array(20).fill(0xab);
const OTHER = new Uint8Array(20).fill(0x01);

Deno.test("encodeLsd() is BEP 14's message to the letter", () => {
  assert.equal(
    new TextDecoder().decode(encodeLsd({ group: LSD_GROUP, port: 6881, infoHash: HASH, cookie: "1f2e" })),
    "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n" +
      `Infohash: ${"ab".repeat(20)}\r\ncookie: 1f2e\r\n\r\n\r\n`,
  );
  const ipv6 = encodeLsd({ group: LSD_GROUP_IPV6, port: 6881, infoHash: HASH, cookie: "1f2e" });
  assert.match(new TextDecoder().decode(ipv6), /\r\nHost: \[ff15::efc0:988f\]:6771\r\n/);
});

Deno.test("parseLsd() reads several torrents, in any case and order", () => {
  const text = `BT-SEARCH * HTTP/1.1\r\ninfohash: ${"AB".repeat(20)}\r\nINFOHASH:${"01".repeat(20)}\r\n` +
    "host: 239.192.152.143:6771\r\nport:  1 \r\n\r\n\r\n";
  assert.deepEqual(parseLsd(utf8(text)), { port: 1, infoHashes: [HASH, OTHER], cookie: undefined });
});

Deno.test("parseLsd() passes over anything else", () => {
  const good = new TextDecoder().decode(
    encodeLsd({ group: LSD_GROUP, port: 6881, infoHash: HASH, cookie: "1" }),
  );
  for (
    const text of [
      "",
      "M-SEARCH * HTTP/1.1\r\n",
      good.replace("6881", "0"),
      good.replace("6881", "65536"),
      good.replace("6881", "-1"),
      good.replace("Port", "Pork"),
      good.replace("abab", "zzzz"),
      good.replace("abab", "ab"),
      good + "x".repeat(1400),
    ]
  ) assert.equal(parseLsd(utf8(text)), undefined, text.slice(0, 100));
});

Deno.test("parseLsd() is done at once with a datagram of blanks", () => {
  const bytes = utf8(`BT-SEARCH * HTTP/1.1\r\nport:${" ".repeat(1300)}\nx`);
  const before = performance.now();
  for (let n = 0; n < 100; n++) assert.equal(parseLsd(bytes), undefined);
  // Two seconds' worth of what is listened to.
  const ms = performance.now() - before;
  assert.ok(ms < 2000, `${ms} ms`);
});
