// A few fixed pages over HTTP/1.1, for scrapers and probes. It answers GET and HEAD, one request per connection, and
// is bounded in everything: how many connect, how long they take, how much they say.
//
// Why not the runtime's: Deno.serve never closes a connection that asks nothing (tried for 45 s in 2.9), and node:http
// keeps to its timeouts only in newer ones (not in 2.6). Each such connection would hold a file that peers need.

import { utf8 } from "../bytes.ts";
import { SnapError } from "../errors.ts";
import type { Clock, Endpoint, Net, TcpConn, TcpListener } from "../ports.ts";

/** What is said to a GET. */
export interface Page {
  readonly status: 200 | 503;
  readonly type: string;
  readonly body: string;
}

export interface HttpServerOptions {
  readonly net: Pick<Net, "listenTcp">;
  readonly clock: Clock;
  /** Port 0 takes a free one. */
  readonly at: Endpoint;
  /** The page of a path ("/metrics"); undefined when there is none. */
  readonly page: (path: string) => Page | undefined;
}

export class HttpServer implements AsyncDisposable {
  readonly #options: HttpServerOptions;
  readonly #listener: TcpListener;
  /** Oldest first. */
  readonly #open = new Set<TcpConn>();
  readonly #serving = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;

  /** @throws {PortTaken} And whatever else `Net.listenTcp` throws. */
  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#listener = options.net.listenTcp(options.at);
    this.#accepting = this.#acceptForEver();
  }

  /** Where it listens. */
  get local(): Endpoint {
    return this.#listener.local;
  }

  /** Takes no more requests; those that are being answered are cut off. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) connection.close();
    await this.#accepting;
    await Promise.all(this.#serving);
  }

  async #acceptForEver(): Promise<void> {
    for (let connection; (connection = await this.#listener.accept()) !== null;) {
      const [oldest] = this.#open;
      if (oldest !== undefined && this.#open.size >= MAX_CONNECTIONS) {
        this.#open.delete(oldest);
        oldest.close();
      }
      this.#open.add(connection);
      const serving = this.#serve(connection);
      this.#serving.add(serving);
      void serving.finally(() => this.#serving.delete(serving));
    }
  }

  async #serve(connection: TcpConn): Promise<void> {
    const done = new AbortController();
    // Closes it in any case: when the time is over, or at once when it was answered.
    const closing = this.#options.clock.sleep(REQUEST_MS, done.signal).then(() => connection.close());
    try {
      const head = await readHead(connection);
      if (head !== undefined) await connection.writeAll(utf8(this.#answer(head)));
    } catch (error) {
      // It broke: nobody is left to be told.
      if (!(error instanceof SnapError)) throw error;
    } finally {
      done.abort();
      await closing;
      this.#open.delete(connection);
    }
  }

  #answer(head: string): string {
    if (head.length > MAX_HEAD_BYTES) return response(431, "Request Header Fields Too Large");
    const [, method, target] = /^([A-Z]{1,20}) (\S+) HTTP\/1\.[01]\r?\n/.exec(head) ?? [];
    if (method === undefined || target === undefined) return response(400, "Bad Request");
    if (method !== "GET" && method !== "HEAD") {
      return response(405, "Method Not Allowed", { headers: ["Allow: GET, HEAD"] });
    }
    const page = this.#options.page(target.replace(/\?.*$/s, ""));
    if (page === undefined) return response(404, "Not Found", { isHead: method === "HEAD" });
    const phrase = page.status === 200 ? "OK" : "Service Unavailable";
    return response(page.status, phrase, { ...page, isHead: method === "HEAD" });
  }
}

/**
 * Everything up to the empty line, as Latin-1.
 *
 * @returns More than MAX_HEAD_BYTES characters when it is longer; undefined when it ends early.
 */
async function readHead(connection: TcpConn): Promise<string | undefined> {
  const buffer = new Uint8Array(MAX_HEAD_BYTES + 1);
  const decoder = new TextDecoder("latin1");
  for (let length = 0; length < buffer.length;) {
    const count = await connection.read(buffer.subarray(length));
    if (count === null) return undefined;
    length += count;
    const head = decoder.decode(buffer.subarray(0, length));
    if (/\r?\n\r?\n/.test(head) || length === buffer.length) return head;
  }
  return undefined;
}

function response(
  status: number,
  phrase: string,
  content: {
    readonly type?: string;
    readonly body?: string;
    readonly isHead?: boolean;
    readonly headers?: readonly string[];
  } = {},
): string {
  const body = content.body ?? `${phrase}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${phrase}`,
    `Content-Type: ${content.type ?? "text/plain; charset=utf-8"}`,
    `Content-Length: ${utf8(body).length}`,
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    "Connection: close",
    ...content.headers ?? [],
  ];
  return `${lines.join("\r\n")}\r\n\r\n${content.isHead === true ? "" : body}`;
}

/** Scrapers and probes are a handful; above this the oldest connection goes. */
const MAX_CONNECTIONS = 32;
/** From its first byte to the last of the answer. */
const REQUEST_MS = 5_000;
/** As common servers have it. */
const MAX_HEAD_BYTES = 8 << 10;
