// HTTP by the runtime's fetch, with bounds that fetch does not have: redirects, the body's size, and time until the
// last byte. Redirects are followed here, hop by hop, so that none leads to another scheme or, from outside, to
// this machine. fetch keeps no cookies here, and a proxy named in the environment is used as everywhere.
//
// fetch forgets its signal once garbage was collected (Deno 2.9.6), and then waits for ever: what is given up is ended here
// by hand, the wait for the head by a race and a body by cancelling it.

import { isLoopback } from "../endpoint.ts";
import { OperationFailed } from "../errors.ts";
import type { HttpClient, HttpStreams } from "../ports.ts";
import { reasonOf } from "./os_error.ts";

export const systemHttp: HttpClient & HttpStreams = {
  async get(text, { timeoutMs, maxBytes, signal, headers = {}, from }) {
    const attempt = new AbortController();
    const giveUp = () => attempt.abort();
    const timer = setTimeout(giveUp, timeoutMs);
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    const client = from === undefined ? undefined : Deno.createHttpClient({ localAddress: from });
    try {
      const response = await follow(text, headers, attempt.signal, { client });
      const body = await readAll(readerOf(response, attempt.signal), maxBytes);
      return { status: response.status, headers: new Map(response.headers), body };
    } catch (error) {
      const why = signal.aborted
        ? "given up"
        : attempt.signal.aborted
        ? `no whole answer in ${timeoutMs} ms`
        : whyOf(error);
      throw new OperationFailed(`Cannot get from ${hostOf(text)}: ${why}`, { cause: error });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      // What is still on its way (a body that is too long) is not waited for.
      attempt.abort();
      client?.close();
    }
  },

  async open(text, { timeoutMs, signal, headers = {}, body, secure = false }) {
    const attempt = new AbortController();
    const giveUp = () => attempt.abort();
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    const close = () => {
      signal.removeEventListener("abort", giveUp);
      attempt.abort();
    };
    /** A step of the exchange, which ends with it when it takes too long. */
    const step = async <T>(work: () => Promise<T>): Promise<T> => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        giveUp();
      }, timeoutMs);
      try {
        return await work();
      } catch (error) {
        close();
        const why = signal.aborted ? "given up" : late ? `nothing for ${timeoutMs} ms` : whyOf(error);
        throw new OperationFailed(
          `Cannot ${body === undefined ? "get from" : "send to"} ${hostOf(text)}: ${why}`,
          {
            cause: error,
          },
        );
      } finally {
        clearTimeout(timer);
      }
    };
    const plain = { "accept-encoding": "identity", ...headers };
    const response = await step(() =>
      body === undefined
        ? follow(text, plain, attempt.signal, { secure })
        : post(text, plain, body, attempt.signal)
    );
    const read = readerOf(response, attempt.signal);
    return {
      status: response.status,
      headers: new Map(response.headers),
      read: () => step(read),
      close,
    };
  },
};

function post(
  text: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<Response> {
  return fetchHead(text, {
    method: "POST",
    headers,
    body: body as Uint8Array<ArrayBuffer>,
    signal,
    redirect: "manual",
    credentials: "omit",
  });
}

async function follow(
  text: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
  { secure = false, client }: {
    readonly secure?: boolean;
    readonly client?: Deno.HttpClient | undefined;
  },
): Promise<Response> {
  let url = new URL(text);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await fetchHead(url, {
      headers,
      signal,
      redirect: "manual",
      credentials: "omit",
      ...(client === undefined ? {} : { client }),
    });
    const location = REDIRECTS.has(response.status) ? response.headers.get("location") : null;
    if (location === null) return response;
    await response.body?.cancel();
    const next = URL.parse(location, url);
    if (next === null || !SCHEMES.has(next.protocol)) {
      throw new OperationFailed(`it redirects to what is not HTTP (${next?.protocol ?? "no URL"})`);
    }
    if (secure && url.protocol === "https:" && next.protocol !== "https:") {
      throw new OperationFailed("it redirects from https to http");
    }
    if (isLoopback(next.hostname) && !isLoopback(url.hostname)) {
      throw new OperationFailed("it redirects to this machine");
    }
    url = next;
  }
  throw new OperationFailed(`more than ${MAX_REDIRECTS} redirects`);
}

/** fetch, which ends when the signal aborts. */
async function fetchHead(
  url: string | URL,
  init: RequestInit & { readonly signal: AbortSignal; readonly client?: Deno.HttpClient },
): Promise<Response> {
  const { signal } = init;
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(signal.reason);
  signal.addEventListener("abort", giveUp);
  try {
    return await Promise.race([fetch(url, init), givenUp]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** Gives the body's next bytes, null at its end, until the signal aborts. */
function readerOf(response: Response, signal: AbortSignal): () => Promise<Uint8Array | null> {
  const reader = response.body?.getReader();
  // What waits then ends at once.
  signal.addEventListener("abort", () => void reader?.cancel().catch(() => {}));
  return async () => {
    const chunk = await reader?.read();
    signal.throwIfAborted();
    return chunk?.value ?? null;
  };
}

/** Reads as it comes: what is too long is never held whole, whatever length it claims. */
async function readAll(read: () => Promise<Uint8Array | null>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let chunk = await read(); chunk !== null; chunk = await read()) {
    length += chunk.length;
    if (length > maxBytes) throw new OperationFailed(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

/** The end of fetch's message says what happened; its beginning repeats the whole URL. */
function whyOf(error: unknown): string {
  if (error instanceof OperationFailed) return error.message;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const [, why] = /: client error \([^)]*\): (.*)$/s.exec(reasonOf(cause)) ?? [];
  return (why ?? "the connection failed").replace(/ \(os error \d+\)$/, "");
}

function hostOf(text: string): string {
  return URL.parse(text)?.host ?? "nowhere";
}

/** More than one is rare, and a chain of them is a trap. libtorrent follows 6. */
const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const SCHEMES: ReadonlySet<string> = new Set(["http:", "https:"]);
