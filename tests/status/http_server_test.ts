import assert from "node:assert/strict";
import { systemClock } from "../../lib/io/clock.ts";
import { systemNet } from "../../lib/io/net.ts";
import type { Clock, TcpConn } from "../../lib/ports.ts";
import { HttpServer } from "../../lib/status/http_server.ts";

const HERE = { host: "127.0.0.1", port: 0 };

function serve(clock: Clock = systemClock): HttpServer {
  return new HttpServer({
    net: systemNet,
    clock,
    at: HERE,
    page: (path) =>
      path === "/page"
        ? { status: 200, type: "text/plain; charset=utf-8", body: "grüße\n" }
        : path === "/ill"
        ? { status: 503, type: "text/plain", body: "ill\n" }
        : undefined,
  });
}

/** A clock that stands still until the test lets every wait end. */
class HandClock implements Clock {
  #over = Promise.withResolvers<void>();

  nowMs = () => 0;
  unixMs = () => 0;

  sleep(_ms: number, signal?: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => {
      if (signal?.aborted === true) resolve();
      signal?.addEventListener("abort", () => resolve());
    });
    return Promise.race([this.#over.promise, aborted]);
  }

  run(): void {
    this.#over.resolve();
    this.#over = Promise.withResolvers();
  }
}

function dial({ local }: HttpServer): Promise<TcpConn> {
  return systemNet.dialTcp(local, { timeoutMs: 5000, signal: new AbortController().signal });
}

/** All that comes until the connection ends; "" when it ends without a word, or breaks. */
async function rest(connection: TcpConn): Promise<string> {
  const bytes: number[] = [];
  const buffer = new Uint8Array(64 << 10);
  try {
    for (let count; (count = await connection.read(buffer)) !== null;) {
      bytes.push(...buffer.subarray(0, count));
    }
  } catch {
    // Closed with what we had sent unread.
  }
  connection.close();
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** What comes back for these words, sent in the given parts. */
async function ask(server: HttpServer, ...parts: string[]): Promise<string> {
  const connection = await dial(server);
  for (const part of parts) await connection.writeAll(new TextEncoder().encode(part));
  return await rest(connection);
}

Deno.test("HttpServer serves pages to an ordinary client", async () => {
  await using server = serve();
  const url = `http://127.0.0.1:${server.local.port}`;
  const found = await fetch(`${url}/page?x=1`);
  assert.equal(found.status, 200);
  assert.equal(found.headers.get("content-type"), "text/plain; charset=utf-8");
  assert.equal(found.headers.get("cache-control"), "no-store");
  assert.equal(await found.text(), "grüße\n");
  const ill = await fetch(`${url}/ill`);
  assert.equal(ill.status, 503);
  assert.equal(await ill.text(), "ill\n");
  const head = await fetch(`${url}/page`, { method: "HEAD" });
  assert.equal(head.headers.get("content-length"), "8");
  assert.equal(await head.text(), "");
  const missing = await fetch(`${url}/etc/passwd`);
  assert.equal(missing.status, 404);
  await missing.body?.cancel();
});

Deno.test("HttpServer refuses other methods and what is no request", async () => {
  await using server = serve();
  assert.match(
    await ask(server, "POST /page HTTP/1.1\r\n\r\n"),
    /^HTTP\/1\.1 405 [^]*\r\nAllow: GET, HEAD\r\n/,
  );
  assert.match(await ask(server, "DELETE /page HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 405 /);
  for (
    const words of ["GET /page", "get /page HTTP/1.1", "GET /page HTTP/2", "\x16\x03\x01", "GET  HTTP/1.1"]
  ) {
    assert.match(await ask(server, `${words}\r\n\r\n`), /^HTTP\/1\.1 400 /, words);
  }
  assert.match(await ask(server, "GET ../../x HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 404 /);
});

Deno.test("HttpServer reads a request that comes byte by byte, and with bare newlines", async () => {
  await using server = serve();
  assert.match(await ask(server, ..."GET /page HTTP/1.1\r\nHost: x\r\n\r\n"), /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(await ask(server, "GET /page HTTP/1.0\n\n"), /^HTTP\/1\.1 200 OK\r\n/);
});

Deno.test("HttpServer takes no more than 8 KiB of a request", async () => {
  await using server = serve();
  const long = `GET /page HTTP/1.1\r\nX: ${"a".repeat(8192)}`;
  // Its last bytes may lie unread when the connection is closed, which breaks it instead of ending it.
  assert.match(await ask(server, long), /^(HTTP\/1\.1 431 .*)?$/s);
  assert.match(await ask(server, "GET /page HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 200 /);
});

Deno.test("HttpServer closes whoever does not finish its request in time", async () => {
  const clock = new HandClock();
  await using server = serve(clock);
  const slow = await dial(server);
  await slow.writeAll(new TextEncoder().encode("GET /page HTTP/1.1\r\n"));
  const silent = await dial(server);
  // Both are there once a later one was answered.
  assert.match(await ask(server, "GET /page HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 200 /);
  clock.run();
  assert.equal(await rest(slow), "");
  assert.equal(await rest(silent), "");
});

Deno.test("HttpServer still answers when more connect than it holds, by letting the oldest go", async () => {
  await using server = serve(new HandClock());
  const idle = await Array.fromAsync({ length: 40 }, () => dial(server));
  assert.match(await ask(server, "GET /page HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 200 /);
  assert.equal(await rest(idle[0]!), "");
  for (const connection of idle) connection.close();
});

Deno.test("HttpServer ends with connections still open", async () => {
  const server = serve(new HandClock());
  const idle = await dial(server);
  assert.match(await ask(server, "GET /page HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 200 /);
  await server[Symbol.asyncDispose]();
  assert.equal(await rest(idle), "");
  await assert.rejects(dial(server));
});
