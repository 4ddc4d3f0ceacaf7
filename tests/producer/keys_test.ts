import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { join } from "node:path";
import { parseHex, toHex, utf8 } from "../../lib/bytes.ts";
import { verifyItem, verifySignature } from "../../lib/dht/signature.ts";
import { PathUnusable, UsageError } from "../../lib/errors.ts";
import { systemFiles as files } from "../../lib/io/files.ts";
import { createKeyFile, parsePrivateKey, readKeyFile, SigningKey } from "../../lib/producer/keys.ts";
import { NO_LINKS, NO_MODES, notOnWindows } from "../windows.ts";

/** A seed of 00 01 02 … 1f, its public key, and the signature of salt daily, seq 1370, 32 bytes ab. */
const SEED = Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(2, "0")).join("");
const PUBLIC = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
const SIGNATURE = "73b2e46f209b0d3c4425d62d8333718558484828abbf9d85aede5c286ffc0663" +
  "6fe174cdb44124b2397603b29803e8b5a38b62b6952aabb11adde93fd758cf00";
const VALUE = parseHex("33323a" + "ab".repeat(32))!; // "32:" and 32 bytes

function inFolder(run: (folder: string) => void): () => void {
  return () => {
    const folder = Deno.makeTempDirSync();
    try {
      run(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

Deno.test("parsePrivateKey() takes 32 bytes of hex, 64 of which the first 32 count, and space around them", () => {
  for (const text of [SEED, SEED.toUpperCase(), SEED + "ff".repeat(32), `\n ${SEED}\r\n`]) {
    assert.equal(toHex(parsePrivateKey(text, "KEY").publicKey), PUBLIC, text);
  }
});

Deno.test("parsePrivateKey() refuses any other length, naming the place and never the text", () => {
  const cases: [string, string][] = [
    ["", "nothing"],
    [" \n", "nothing"],
    [SEED.slice(1), "63 of them"],
    [SEED + "00", "66 of them"],
    [SEED + SEED.slice(2), "126 of them"],
    ["0x" + SEED, "something else"],
    [SEED.replace("1f", "1g"), "something else"],
  ];
  for (const [text, what] of cases) {
    assert.throws(() => parsePrivateKey(text, "DHT_PRIVATE_KEY"), (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.equal(
        error.message,
        `DHT_PRIVATE_KEY must hold a private key of 64 or 128 hex digits, not ${what}`,
      );
      return true;
    });
  }
});

Deno.test("SigningKey signs as upstream's key of the same seed does", () => {
  const key = parsePrivateKey(SEED, "KEY");
  const item = key.signItem({ salt: utf8("daily"), seq: 1370, value: VALUE });
  assert.equal(toHex(item.signature), SIGNATURE);
  assert.ok(verifyItem(item));
  const message = utf8("a push body");
  assert.ok(verifySignature(key.signMessage(message), message, key.publicKey));
});

Deno.test("SigningKey shows its secret to nobody who prints it", () => {
  const key = new SigningKey(parseHex(SEED)!);
  const shown = [
    JSON.stringify(key),
    String(key),
    inspect(key, { depth: 9, showHidden: true }),
    Deno.inspect(key),
  ];
  for (const text of shown) {
    assert.ok(!text.includes("1e1f") && !text.includes("30, 31") && !text.includes("30,31"), text);
  }
});

Deno.test(
  {
    name: "createKeyFile() makes a file of mode 0600 that readKeyFile() takes",
    ignore: notOnWindows(NO_MODES),
  },
  inFolder((folder) => {
    const path = join(folder, "key");
    const made = createKeyFile(files, { bytes: () => parseHex(SEED)! }, path);
    assert.equal(readFileSync(path, "utf8"), SEED + "\n");
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    const { key, warning } = readKeyFile(files, path);
    assert.equal(toHex(key.publicKey), PUBLIC);
    assert.deepEqual(made.publicKey, key.publicKey);
    assert.equal(warning, undefined);
  }),
);

Deno.test(
  {
    name: "createKeyFile() never replaces what is there, nor writes through a link",
    ignore: notOnWindows(NO_LINKS),
  },
  inFolder((folder) => {
    const random = { bytes: (length: number) => new Uint8Array(length) };
    const path = join(folder, "key");
    writeFileSync(path, "precious");
    mkdirSync(join(folder, "dir"));
    symlinkSync(join(folder, "nowhere"), join(folder, "link"));
    for (const name of ["key", "dir", "link", "missing/key"]) {
      assert.throws(() => createKeyFile(files, random, join(folder, name)), PathUnusable, name);
    }
    assert.equal(readFileSync(path, "utf8"), "precious");
    assert.ok(!existsSync(join(folder, "nowhere")));
  }),
);

Deno.test(
  {
    name: "readKeyFile() warns of a file that others can read, whoever they are",
    ignore: notOnWindows(NO_MODES),
  },
  inFolder((folder) => {
    const path = join(folder, "key");
    writeFileSync(path, SEED);
    for (const mode of [0o640, 0o604, 0o644, 0o620]) {
      chmodSync(path, mode);
      assert.match(readKeyFile(files, path).warning!, /Others can read the private key in .*key: chmod 600/);
    }
    chmodSync(path, 0o400);
    assert.equal(readKeyFile(files, path).warning, undefined);
  }),
);

Deno.test(
  "readKeyFile() tells a file that is missing, no file or too long from one that holds no key",
  inFolder((folder) => {
    assert.throws(
      () => readKeyFile(files, join(folder, "none")),
      /Cannot read the key file .*none: no such file/,
    );
    assert.throws(() => readKeyFile(files, folder), PathUnusable);
    const path = join(folder, "key");
    writeFileSync(path, new Uint8Array(5000));
    assert.throws(() => readKeyFile(files, path), PathUnusable);
    writeFileSync(path, new Uint8Array([0xff, 0xfe]));
    assert.throws(() => readKeyFile(files, path), UsageError);
  }),
);
