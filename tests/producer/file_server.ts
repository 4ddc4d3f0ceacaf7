// An HTTP server on loopback that has one file and any manners: it cuts connections, changes the file, ignores ranges.

export interface Manners {
  /** "bytes" when not given. */
  ranges?: "bytes" | "ignored";
  /** Sends so many bytes of each answer, then breaks the connection. Of the n-th request, from 0. */
  cutAfter?: (request: number) => number | undefined;
  /** Without it none is sent. */
  etag?: (request: number) => string;
  lastModified?: string;
  /** Instead of the file. */
  status?: (request: number) => number | undefined;
  /** Chunked, so that nothing tells the length. */
  hidesLength?: boolean;
  /** Never sends more than the head of the n-th answer. */
  hangs?: (request: number) => boolean;
}

export class FileServer implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #hanging = new Set<() => void>();
  readonly #stop = new AbortController();
  /** The Range header of each request for the file, "" for none. */
  readonly ranges: string[] = [];
  bytesSent = 0;

  /** @param pages Answers to other paths, whole. */
  constructor(
    public content: Uint8Array,
    public manners: Manners = {},
    readonly pages: Record<string, string | Uint8Array> = {},
  ) {
    this.#server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      signal: this.#stop.signal,
      onListen: () => {},
      onError: () => new Response(),
    }, (request) => {
      const { pathname } = new URL(request.url);
      const page = this.pages[pathname];
      if (page !== undefined) return new Response(page as BodyInit);
      if (!pathname.startsWith("/files/")) return new Response("not here", { status: 404 });
      return this.#answer(request);
    });
  }

  url(path = "/files/snapshot.7z"): string {
    return `http://127.0.0.1:${this.#server.addr.port}${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#hanging) end();
    // An orderly end may wait for ever for an answer whose client has gone.
    this.#stop.abort();
    await this.#server.finished;
  }

  #answer(request: Request): Response {
    const number = this.ranges.length;
    const asked = request.headers.get("range") ?? "";
    this.ranges.push(asked);
    const { manners, content } = this;
    const status = manners.status?.(number);
    if (status !== undefined) return new Response("busy", { status });
    const etag = manners.etag?.(number);
    const headers = new Headers();
    if (etag !== undefined) headers.set("etag", etag);
    if (manners.lastModified !== undefined) headers.set("last-modified", manners.lastModified);
    const match = /^bytes=(\d+)-(\d+)$/.exec(asked);
    const condition = request.headers.get("if-range");
    // An empty one is no validator (RFC 9110, 13.1.5) and matches nothing.
    const isSame = condition === null ||
      (condition !== "" && (condition === etag || condition === manners.lastModified));
    if (match === null || !isSame || manners.ranges === "ignored") {
      if (manners.hidesLength !== true) headers.set("content-length", String(content.length));
      return new Response(this.#body(content, number), { headers });
    }
    const [start, end] = [Number(match[1]), Math.min(Number(match[2]) + 1, content.length)];
    if (start >= content.length) return new Response("", { status: 416 });
    headers.set("content-range", `bytes ${start}-${end - 1}/${content.length}`);
    headers.set("content-length", String(end - start));
    return new Response(this.#body(content.subarray(start, end), number), { status: 206, headers });
  }

  #body(bytes: Uint8Array, number: number): ReadableStream<Uint8Array> {
    const cut = this.manners.cutAfter?.(number);
    const hangs = this.manners.hangs?.(number) ?? false;
    const part = bytes.subarray(0, hangs ? 0 : Math.min(cut ?? bytes.length, bytes.length));
    let at = 0;
    return new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (at < part.length) {
          const chunk = part.slice(at, at + 64 * 1024);
          at += chunk.length;
          this.bytesSent += chunk.length;
          controller.enqueue(chunk);
        } else if (hangs) {
          return new Promise<void>((resolve) => {
            this.#hanging.add(() => {
              resolve();
              // The client may have gone, and the stream with it.
              try {
                controller.close();
              } catch { /* It has. */ }
            });
          });
        } else if (part.length < bytes.length) {
          controller.error(new Error("cut"));
        } else {
          controller.close();
        }
        return undefined;
      },
    });
  }
}

/** Seeded bytes that begin as a 7z of exactly this length does. */
export function archiveBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = length;
  for (let i = 0; i < length; i++) bytes[i] = (state = (state * 1103515245 + 12345) & 0x7fffffff) >> 16;
  bytes.set([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0, 4]);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(12, BigInt(length - 32 - 100), true);
  view.setBigUint64(20, 100n, true);
  return bytes;
}
