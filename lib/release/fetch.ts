// Fetching what a release has: small documents, and the program. Nothing of that is unpacked before its sum was compared.

import { createHash } from "node:crypto";
import { NetworkStalled, OperationFailed, VerificationFailed } from "../errors.ts";
import { formatBytes } from "../format.ts";
import type { HttpStream, HttpStreams, OpenFile } from "../ports.ts";

/** How a fetch is done. */
export interface FetchMeans {
  readonly http: HttpStreams;
  readonly signal: AbortSignal;
}

/**
 * A small document.
 *
 * @returns undefined when the server has none of that name. @throws {NetworkStalled | VerificationFailed}
 */
export async function fetchSmall(
  url: string,
  maxBytes: number,
  means: FetchMeans,
): Promise<Uint8Array | undefined> {
  const answer = await open(url, means);
  try {
    if (answer === undefined) return undefined;
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of bodyOf(answer, url, maxBytes, means.signal)) chunks.push(chunk);
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  } finally {
    answer?.close();
  }
}

/**
 * A program into an open file that is empty. What the server sends is held in memory until its sum was compared: 40 MB
 * for the packed program of today.
 *
 * @param options.sum SHA-256 of what the server sends, in hex. @param options.isPacked It is gzipped.
 * @returns SHA-256 of what is in the file now, in hex.
 * @throws {NetworkStalled} When the server has none, or stops. @throws {VerificationFailed} When it is another, or too long.
 */
export async function fetchProgram(
  url: string,
  into: OpenFile,
  options: FetchMeans & {
    readonly sum: string;
    readonly isPacked: boolean;
    readonly onProgress: (doneBytes: number, totalBytes: number) => void;
  },
): Promise<string> {
  const answer = await open(url, options);
  if (answer === undefined) {
    throw new NetworkStalled(`Cannot fetch ${url}: the server has no such file (404)`);
  }
  try {
    const totalBytes = Number(answer.headers.get("content-length") ?? 0);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    const sent = createHash("sha256");
    let doneBytes = 0;
    for await (const chunk of bodyOf(answer, url, MAX_PROGRAM_BYTES, options.signal)) {
      chunks.push(chunk);
      sent.update(chunk);
      doneBytes += chunk.length;
      options.onProgress(doneBytes, totalBytes);
    }
    const is = sent.digest("hex");
    if (is !== options.sum) throw otherSum(url, is, options.sum);
    return await writeAll(options.isPacked ? unpacked(chunks, url) : chunks, into, url);
  } finally {
    answer.close();
  }
}

/** The refusal of a file that is not what SHA256SUMS says. */
export function otherSum(what: string, is: string, wanted: string): VerificationFailed {
  return new VerificationFailed(`Cannot use ${what}: its SHA-256 is ${is}, and SHA256SUMS says ${wanted}`);
}

async function open(url: string, { http, signal }: FetchMeans): Promise<HttpStream | undefined> {
  const answer = await overNetwork(
    url,
    signal,
    () => http.open(url, { timeoutMs: PATIENCE_MS, signal, secure: true }),
  );
  if (answer.status === 200) return answer;
  answer.close();
  if (answer.status === 404) return undefined;
  throw new NetworkStalled(`Cannot fetch ${url}: the server answers with status ${answer.status}`);
}

async function* bodyOf(
  answer: HttpStream,
  url: string,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  for (;;) {
    const chunk = await overNetwork(url, signal, () => answer.read());
    if (chunk === null) return;
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLong(url, maxBytes);
    yield chunk as Uint8Array<ArrayBuffer>;
  }
}

/** @returns SHA-256 of it all, in hex. */
async function writeAll(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  into: OpenFile,
  url: string,
): Promise<string> {
  const written = createHash("sha256");
  let at = 0;
  for await (const chunk of chunks) {
    if (at + chunk.length > MAX_PROGRAM_BYTES) throw tooLong(url, MAX_PROGRAM_BYTES);
    written.update(chunk);
    into.writeAt(chunk, at);
    at += chunk.length;
  }
  return written.digest("hex");
}

async function* unpacked(
  packed: Iterable<Uint8Array<ArrayBuffer>>,
  url: string,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    yield* ReadableStream.from(packed).pipeThrough(new DecompressionStream("gzip"));
  } catch (error) {
    // What the disk refuses has its own name already.
    if (!(error instanceof TypeError)) throw error;
    throw new VerificationFailed(`Cannot use ${url}: it is not whole gzip data (${error.message})`, {
      cause: error,
    });
  }
}

/** Whatever breaks on the way is the network's, unless we were stopped. */
async function overNetwork<T>(url: string, signal: AbortSignal, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof OperationFailed)) throw error;
    const why = error.message.replace(/^Cannot get from [^:]*(:\d+)?: /, "");
    throw new NetworkStalled(`Cannot fetch ${url}: ${why}`, { cause: error });
  }
}

function tooLong(url: string, maxBytes: number): VerificationFailed {
  return new VerificationFailed(`Cannot use ${url}: it is longer than ${formatBytes(maxBytes)}`);
}

/** For an answer's beginning, and for each part of it: a slow line is no reason to give up. */
const PATIENCE_MS = 60_000;
/** A program takes 100 MB today. More than this is not one, or an archive made to fill a disk. */
const MAX_PROGRAM_BYTES = 400_000_000;
