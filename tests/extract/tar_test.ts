import assert from "node:assert/strict";
import { packTar, type TarEntry, type TarHeader } from "modern-tar";
import { concatBytes, utf8 } from "../../lib/bytes.ts";
import { TarReader } from "../../lib/extract/tar.ts";
import { assertRefused, RememberingSink } from "./fakes.ts";

const BODY = utf8("ledger ".repeat(100)); // 700 bytes: one block and a part of one

Deno.test("TarReader finds the ledger in what modern-tar packs, in any cut", async () => {
  const tar = await packed({ header: { name: "./data.ldb", size: BODY.length }, body: BODY });
  for (const cut of [1, 7, 512, 513, tar.length]) {
    const sink = read(tar, cut);
    assert.equal(sink.declared, BODY.length);
    assert.deepEqual(sink.bytes, BODY, `cut ${cut}`);
  }
});

Deno.test("TarReader takes name and size from a pax header", async () => {
  // The ustar header after it lies; pax rules.
  const pax = paxHeader("x", [["mtime", "1.5"], ["path", "data.ldb"], ["size", String(BODY.length)]]);
  const rest = await packed({ header: { name: "other", size: BODY.length }, body: BODY });
  assert.deepEqual(read(concatBytes(pax, rest)).bytes, BODY);
});

Deno.test("TarReader reads a size in base 256", async () => {
  const header = (await packed({ header: { name: "data.ldb", size: 0 } })).slice(0, 512);
  const size = 130_000_000_001; // needs more than the 8 GiB that octal can say
  header.fill(0, 124, 136);
  new DataView(header.buffer).setBigUint64(128, BigInt(size));
  header[124] = 0x80;
  const sink = new RememberingSink();
  new TarReader(sink).write(withChecksum(header));
  assert.equal(sink.declared, size);
});

Deno.test("TarReader refuses every kind of entry but a plain file", async () => {
  const header = (await packed({ header: { name: "data.ldb", size: 0 } })).slice(0, 512);
  const kinds = {
    "1": "link",
    "2": "link",
    "3": "special",
    "4": "special",
    "5": "directory",
    "6": "special",
  };
  for (
    const [flag, kind] of Object.entries({
      ...kinds,
      "7": "special",
      S: "special",
      M: "special",
      "\xff": "special",
    })
  ) {
    header[156] = flag.charCodeAt(0);
    assertRefused(() => read(withChecksum(header)), new RegExp(`is a ${kind}, not a plain file`));
  }
});

Deno.test("TarReader refuses links as modern-tar packs them", async () => {
  for (const type of ["symlink", "link"] as const) {
    const tar = await packed({ header: { name: "data.ldb", size: 0, type, linkname: "/etc/passwd" } });
    assertRefused(() => read(tar), /"data\.ldb" is a link/);
  }
});

Deno.test("TarReader refuses a sparse file told by pax", async () => {
  const pax = paxHeader("x", [["GNU.sparse.major", "1"], ["GNU.sparse.name", "data.ldb"]]);
  const rest = await packed({ header: { name: "data.ldb", size: BODY.length }, body: BODY });
  assertRefused(() => read(concatBytes(pax, rest)), /sparse file/);
});

Deno.test("TarReader refuses a second entry, before or after the ledger", () => {
  const ledger = { header: { name: "data.ldb", size: BODY.length }, body: BODY };
  const other = { header: { name: "readme", size: 1 }, body: "x" };
  assertRefused(() => read(tarOf(ledger, other)), /more than one entry, also "readme"/);
  assertRefused(() => read(tarOf(other, ledger)), /"readme" is not data\.ldb/);
  assertRefused(() => read(tarOf(ledger, ledger)), /more than one entry/);
});

Deno.test("TarReader sees a cut at every block and in the middle of blocks", async () => {
  const tar = await packed({ header: { name: "data.ldb", size: BODY.length }, body: BODY });
  for (let length = 0; length < tar.length; length += 128) {
    assertRefused(() => read(tar.subarray(0, length)), /ends too early/);
  }
});

Deno.test("TarReader refuses bytes after the end, and takes zeros", async () => {
  const tar = await packed({ header: { name: "data.ldb", size: BODY.length }, body: BODY });
  assert.deepEqual(read(concatBytes(tar, new Uint8Array(9000))).bytes, BODY);
  assertRefused(() => read(concatBytes(tar, utf8("x"))), /after the end/);
});

Deno.test("TarReader refuses a header whose checksum does not match, or that is none", async () => {
  const tar = await packed({ header: { name: "data.ldb", size: BODY.length }, body: BODY });
  tar[130]! ^= 1;
  assertRefused(() => read(tar), /does not match its checksum/);
  assertRefused(() => read(new Uint8Array(1024)), /holds no entry/);
});

Deno.test("TarReader bounds extended headers in size and number", async () => {
  const long = paxHeader("x", [["comment", "y".repeat(70_000)]]);
  assertRefused(() => read(long), /more extended headers/);
  const one = paxHeader("g", [["comment", "y"]]);
  assertRefused(() => read(concatBytes(...Array.from({ length: 9 }, () => one))), /more extended headers/);
  const rest = await packed({ header: { name: "data.ldb", size: BODY.length }, body: BODY });
  assert.deepEqual(read(concatBytes(one, one, rest)).bytes, BODY);
});

Deno.test("TarReader refuses malformed pax records", () => {
  for (const text of ["x path=a\n", "0 path=a\n", "999 path=a\n", "path=data.ldb\n", "3 a\n4"]) {
    assertRefused(() => read(extended("x", utf8(text))), /malformed pax header/);
  }
  assertRefused(() => read(paxHeader("x", [["size", "-1"]])), /absurd size/);
  assertRefused(() => read(paxHeader("x", [["size", "99999999999999999999"]])), /absurd size/);
});

function read(tar: Uint8Array, cut = tar.length || 1): RememberingSink {
  const sink = new RememberingSink();
  const reader = new TarReader(sink);
  for (let at = 0; at < tar.length; at += cut) reader.write(tar.subarray(at, at + cut));
  reader.end();
  return sink;
}

/** One entry as modern-tar packs it, with the end of the archive. */
async function packed(entry: TarEntry): Promise<Uint8Array> {
  return await packTar([entry]);
}

/** Several entries, by hand, so that a test can stay synchronous. */
function tarOf(...entries: { header: TarHeader; body: string | Uint8Array }[]): Uint8Array {
  const blocks = entries.flatMap(({ header, body }) => {
    const bytes = typeof body === "string" ? utf8(body) : body;
    return [headerOf(header.name, "0", bytes.length), padded(bytes)];
  });
  return concatBytes(...blocks, new Uint8Array(1024));
}

function paxHeader(type: "x" | "g", records: [string, string][]): Uint8Array {
  const text = records.map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    return length + rest;
  }).join("");
  return extended(type, utf8(text));
}

function extended(type: string, body: Uint8Array): Uint8Array {
  return concatBytes(headerOf("PaxHeader", type, body.length), padded(body));
}

function headerOf(name: string, type: string, size: number): Uint8Array {
  const block = new Uint8Array(512);
  const put = (text: string, at: number) => block.set(utf8(text), at);
  put(name, 0);
  put(size.toString(8).padStart(11, "0"), 124);
  put(type, 156);
  put("ustar\x0000", 257);
  return withChecksum(block);
}

function withChecksum(header: Uint8Array): Uint8Array {
  const block = header.slice();
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(utf8(sum.toString(8).padStart(6, "0") + "\0 "), 148);
  return block;
}

function padded(bytes: Uint8Array): Uint8Array {
  return concatBytes(bytes, new Uint8Array((512 - (bytes.length % 512)) % 512));
}
