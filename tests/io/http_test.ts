// Bounds that fetch alone does not have, against servers on loopback, some of them bare sockets, to misbehave freely.

import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { OperationFailed } from "../../lib/errors.ts";
import { systemHttp as http } from "../../lib/io/http.ts";
import { Release } from "../e2e/release_server.ts";
import { canMakeCertificates, makeCertificate } from "../e2e/tls.ts";

const never = new AbortController().signal;
setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");
const USUAL = { timeoutMs: 5000, maxBytes: 1000, signal: never };

/** A server that answers by path; its requests are kept. */
function serve(answer: (path: string) => Response) {
  const requests: { readonly url: string; readonly headers: Headers }[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    requests.push({ url: request.url, headers: new Headers(request.headers) });
    return answer(new URL(request.url).pathname);
  });
  return {
    requests,
    url: (path: string) => `http://127.0.0.1:${server.addr.port}${path}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A socket that takes one connection, says `head`, and then what `more` gives until the other side has gone. */
function serveRaw(head: string, more: () => Uint8Array | undefined) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(4096));
    await connection.write(new TextEncoder().encode(head));
    try {
      for (let chunk; (chunk = more()) !== undefined;) await connection.write(chunk);
      // Silent, until the client gives up.
      while (await connection.read(new Uint8Array(100)) !== null);
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset)) {
        throw error;
      }
    }
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}/announce?passkey=secret`,
    async [Symbol.asyncDispose]() {
      await served;
      listener.close();
    },
  };
}

Deno.test("get() gives status, headers and body, whatever the status", async () => {
  await using server = serve((path) => new Response(path, { status: 418, headers: { "X-Kind": "teapot" } }));
  const response = await http.get(server.url("/a%00%ffb?x=%20"), {
    ...USUAL,
    headers: { "user-agent": "us/1" },
  });
  assert.equal(response.status, 418);
  assert.equal(response.headers.get("x-kind"), "teapot");
  assert.equal(new TextDecoder().decode(response.body), "/a%00%ffb");
  assert.match(server.requests[0]?.url ?? "", /\/a%00%ffb\?x=%20$/);
  assert.equal(server.requests[0]?.headers.get("user-agent"), "us/1");
});

Deno.test("get() follows five redirects, relative ones too, and no sixth", async () => {
  await using server = serve((path) => {
    const left = Number(path.slice(1));
    if (left === 0) return new Response("there");
    return new Response("moved", { status: 302, headers: { location: `/${left - 1}` } });
  });
  assert.equal(new TextDecoder().decode((await http.get(server.url("/5"), USUAL)).body), "there");
  await assert.rejects(http.get(server.url("/6"), USUAL), /more than 5 redirects$/);
});

Deno.test("get() follows no redirect to another scheme", async () => {
  for (
    const location of ["file:///etc/passwd", "udp://127.0.0.1:1/", "data:,x", "ftp://127.0.0.1/", "http://"]
  ) {
    await using server = serve(() => new Response(null, { status: 301, headers: { location } }));
    await assert.rejects(http.get(server.url("/"), USUAL), /it redirects to what is not HTTP/);
  }
});

Deno.test("get() keeps no cookies", async () => {
  await using server = serve((path) =>
    path === "/a"
      ? new Response(null, { status: 302, headers: { location: "/b", "set-cookie": "a=1; Path=/" } })
      : new Response("", { headers: { "set-cookie": "b=2; Path=/" } })
  );
  for (const path of ["/a", "/b"]) await http.get(server.url(path), USUAL);
  assert.deepEqual(server.requests.map((request) => request.headers.get("cookie")), [null, null, null]);
});

Deno.test("get() takes a body of exactly the limit, and none that is longer, packed or not", async () => {
  const packed = new Response(
    new Blob([new Uint8Array(1_000_000)]).stream().pipeThrough(new CompressionStream("gzip")),
  );
  const bomb = await packed.bytes();
  await using server = serve((path) =>
    path === "/bomb"
      ? new Response(bomb, { headers: { "content-encoding": "gzip" } })
      : new Response(new Uint8Array(Number(path.slice(1))))
  );
  assert.equal((await http.get(server.url("/1000"), USUAL)).body.length, 1000);
  await assert.rejects(http.get(server.url("/1001"), USUAL), /the answer is longer than 1000 bytes$/);
  await assert.rejects(http.get(server.url("/bomb"), { ...USUAL, maxBytes: bomb.length * 2 }), /longer than/);
});

Deno.test("get() stops reading a body without end", async () => {
  const chunk = new Uint8Array(65_536).fill(0x78);
  await using server = serveRaw("HTTP/1.1 200 OK\r\n\r\n", () => chunk);
  await assert.rejects(http.get(server.url, { ...USUAL, maxBytes: 100_000 }), /longer than 100000 bytes$/);
});

Deno.test("get() gives up on a server that stops in the middle, and names its host only", async () => {
  await using server = serveRaw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", () => undefined);
  await assert.rejects(http.get(server.url, { ...USUAL, timeoutMs: 200 }), (error) => {
    assert.ok(error instanceof OperationFailed);
    assert.match(error.message, /^Cannot get from 127\.0\.0\.1:\d+: no whole answer in 200 ms$/);
    return true;
  });
});

Deno.test("open() and get() give up on a silent server after a collection of garbage, too", async () => {
  const silent = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
  {
    await using server = serveRaw(silent, () => undefined);
    const answer = await http.open(server.url, { timeoutMs: 500, signal: never });
    assert.equal((await answer.read())?.length, 3);
    const reading = assert.rejects(answer.read(), /nothing for 500 ms$/);
    collectGarbage();
    await reading;
  }
  for (const head of [silent, ""]) {
    await using server = serveRaw(head, () => undefined);
    const getting = assert.rejects(http.get(server.url, { ...USUAL, timeoutMs: 500 }), /in 500 ms$/);
    // Once the request is on its way, and once more when the head is here.
    for (let i = 0; i < 2; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      collectGarbage();
    }
    await getting;
  }
});

Deno.test("get() ends when the signal aborts, before and while it waits", async () => {
  await using server = serveRaw("HTTP/1.1 200 OK\r\n", () => undefined);
  const stop = new AbortController();
  const getting = http.get(server.url, { ...USUAL, signal: stop.signal });
  stop.abort();
  await assert.rejects(getting, /given up$/);
  await assert.rejects(http.get(server.url, { ...USUAL, signal: stop.signal }), /given up$/);
  // The server still waits for its one client.
  await assert.rejects(http.get(server.url, { ...USUAL, timeoutMs: 100 }), OperationFailed);
});

Deno.test("get() says what went wrong without the URL", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const failures: [string, RegExp][] = [
    [`http://127.0.0.1:${port}/secret?secret`, /^Cannot get from 127\.0\.0\.1:\d+: .*[Rr]efused$/],
    ["not a URL, secret", /^Cannot get from nowhere: the connection failed$/],
  ];
  for (const [url, message] of failures) {
    await assert.rejects(http.get(url, USUAL), (error) => {
      assert.ok(error instanceof OperationFailed);
      assert.match(error.message, message);
      assert.ok(!error.message.includes("secret"));
      return true;
    });
  }
  await using garbage = serveRaw("SSH-2.0-nothing\r\n", () => undefined);
  await assert.rejects(
    http.get(garbage.url, USUAL),
    /^OperationFailed: Cannot get from 127\.0\.0\.1:\d+: invalid HTTP/,
  );
});

Deno.test({
  name: "open() follows a redirect from https to http, unless it is to stay secure",
  ignore: !canMakeCertificates(),
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const certificate = makeCertificate(folder);
      await using plain = new Release().put("/file", "plain");
      await using secure = new Release(certificate).put("/file", "secure");
      secure.redirect("/away", `${plain.url}/file`).redirect("/near", `${secure.url}/file`);
      /** In a process of its own, which trusts the certificate. */
      const fetched = async (path: string, isSecure: boolean) => {
        const code = `
          import { systemHttp } from ${JSON.stringify(new URL("../../lib/io/http.ts", import.meta.url).href)};
          const options = { timeoutMs: 20000, signal: new AbortController().signal, secure: ${isSecure} };
          const answer = await systemHttp.open(${JSON.stringify(secure.url + path)}, options).catch((e) => e);
          console.log(answer.message ?? new TextDecoder().decode(await answer.read()));`;
        const { stdout } = await new Deno.Command(Deno.execPath(), {
          args: ["eval", code],
          env: { DENO_CERT: certificate.path, NO_COLOR: "1" },
        }).output();
        return new TextDecoder().decode(stdout).trim();
      };
      assert.equal(await fetched("/near", true), "secure");
      assert.equal(await fetched("/away", false), "plain");
      assert.match(
        await fetched("/away", true),
        /^Cannot get from localhost:\d+: it redirects from https to http$/,
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "get() leaves from the address that it is given",
  // Elsewhere the loopback has one address.
  ignore: Deno.build.os !== "linux",
}, async () => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (_, { remoteAddr }) => {
    return new Response(remoteAddr.hostname);
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const seen = async (from: string | undefined) => {
    const { body } = await http.get(url, { ...USUAL, from });
    return new TextDecoder().decode(body);
  };
  assert.equal(await seen("127.0.0.5"), "127.0.0.5");
  assert.equal(await seen(undefined), "127.0.0.1");
  await server.shutdown();
});
