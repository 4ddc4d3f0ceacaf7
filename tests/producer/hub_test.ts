// The push body against upstream's vectors (upstream.md 9), and a hub on loopback that refuses.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { toHex, utf8 } from "../../lib/bytes.ts";
import { verifySignature } from "../../lib/dht/signature.ts";
import { OperationFailed } from "../../lib/errors.ts";
import { systemHttp } from "../../lib/io/http.ts";
import { hubBody, type HubReport, pushToHub, signedText, torrentText } from "../../lib/producer/hub.ts";
import { SigningKey } from "../../lib/producer/keys.ts";

const key = new SigningKey(Uint8Array.from({ length: 32 }, (_, i) => i));
const VECTOR: HubReport = {
  sequence: 42,
  info_hash: "ab".repeat(32),
  info_hash_v1: "cd".repeat(20),
  torrent_name: "nano-ledger-snapshot.7z",
  piece_size: 33554432,
  snapshot_size_bytes: 64320000000,
  timestamp: "2026-04-23T00:00:00Z",
  torrent_file_b64: torrentText(utf8("fake")),
  archive_listing: "--\nöå data.ldb",
};
const SIGNATURE = "dbf065323de67fb0d6b21c7078d50e9e6117e56871e47b60535e9011545ab2deb" +
  "bb2291fafb0c2a0329677328dad0649fab9cf7fe4247baf0a96d588ff152403";

Deno.test("signedText() and hubBody() make the bytes of upstream's vector", () => {
  const signed = utf8(signedText(VECTOR));
  assert.equal(signed.length, 352);
  assert.equal(
    createHash("sha256").update(signed).digest("hex"),
    "1582b4685d15b8dee25ef2b6aee1cfe8dfb1271f114f590b7fecacbebf99461b",
  );
  const body = JSON.parse(new TextDecoder().decode(hubBody(VECTOR, key)));
  assert.equal(body.signature, SIGNATURE);
  const { signature: _, ...rest } = body;
  assert.deepEqual(rest, { ...VECTOR, torrent_file_b64: "ZmFrZQ==" });
});

Deno.test("signedText() leaves out what is not there", () => {
  const { info_hash_v1: _, archive_listing: __, ...short } = VECTOR;
  const text = signedText({ ...short, info_hash_v1: undefined });
  assert.equal(text, signedText(short));
  assert.ok(!text.includes("info_hash_v1") && !text.includes("null"));
});

Deno.test("pushToHub() posts to /api/push and tells what the hub says against it", async () => {
  const seen: { path: string; type: string | null; body: string }[] = [];
  let status = 200;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    seen.push({ path: pathname, type: request.headers.get("content-type"), body: await request.text() });
    return new Response(status === 200 ? '{"ok":true,"sequence":42}' : "lower sequence", { status });
  });
  try {
    const { signal } = new AbortController();
    const pauses: number[] = [];
    let onSleep = () => {};
    const clock = {
      sleep: (ms: number) => {
        pauses.push(ms);
        onSleep();
        return Promise.resolve();
      },
    };
    const said: string[] = [];
    const options = {
      http: systemHttp,
      key,
      clock,
      signal,
      isPatient: true,
      onPause: (text: string) => void said.push(text),
    };
    for (const suffix of ["", "/", "/api/push"]) {
      await pushToHub(`http://127.0.0.1:${server.addr.port}${suffix}`, VECTOR, options);
    }
    assert.deepEqual(seen.map(({ path }) => path), ["/api/push", "/api/push", "/api/push"]);
    assert.equal(seen[0]?.type, "application/json");
    const { signature, ...rest } = JSON.parse(seen[0]!.body);
    const bytes = Uint8Array.from(
      (signature as string).match(/../g)!,
      (digits) => Number.parseInt(digits, 16),
    );
    assert.ok(verifySignature(bytes, utf8(signedText(rest)), key.publicKey), toHex(key.publicKey));
    status = 409;
    await assert.rejects(
      pushToHub(`http://127.0.0.1:${server.addr.port}`, VECTOR, options),
      (error: Error) =>
        error instanceof OperationFailed && /answers 409 \(lower sequence\)$/.test(error.message),
    );
    assert.equal(pauses.length, 0, "who refuses is not asked again");

    status = 503;
    const before = seen.length;
    onSleep = () => {
      if (pauses.length === 2) status = 200;
    };
    await pushToHub(`http://127.0.0.1:${server.addr.port}`, VECTOR, options);
    assert.deepEqual([pauses, seen.length - before], [[2000, 20_000], 3]);
    assert.match(said[1]!, /answers 503 \(lower sequence\); trying again in 20 s$/);
    status = 502;
    await assert.rejects(pushToHub(`http://127.0.0.1:${server.addr.port}`, VECTOR, options), /answers 502/);
    assert.equal(seen.length - before, 6);
    await assert.rejects(pushToHub("ftp://x", VECTOR, options), /STATUS_API_URL is no http or https URL$/);
  } finally {
    await server.shutdown();
  }
});
