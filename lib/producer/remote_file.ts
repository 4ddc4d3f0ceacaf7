// The first look at a file on a server: is it there, how long is it, does the server send parts of it, and is it an
// archive at all. The first 512 bytes tell the kind, and of a 7z also where it ends: a wrong file, or half of one, is
// refused before it is fetched.

import { NetworkStalled, OperationFailed, VerificationFailed } from "../errors.ts";
import { type Container, sniff, SNIFF_BYTES } from "../extract/sniff.ts";
import type { HttpStream, HttpStreams } from "../ports.ts";
import type { ByteRange, RemoteIdentity } from "./download_journal.ts";

/** A file that can be fetched. */
export interface RemoteFile extends RemoteIdentity {
  readonly kind: Container;
  /** Whether parts of it can be asked for. */
  readonly ranged: boolean;
}

/** A failure that may pass: the server is busy or the line was cut. */
export class Passing extends Error {}

/**
 * Looks at it.
 *
 * @throws {NetworkStalled} When the server has no such file. @throws {VerificationFailed} When it is no archive, or a part
 *   of one. @throws {Passing} When another try may help.
 */
export async function lookAt(
  http: HttpStreams,
  url: string,
  { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
): Promise<RemoteFile> {
  const asked = { start: 0, end: SNIFF_BYTES };
  const answer = await http.open(url, { timeoutMs, signal, headers: { range: rangeHeader(asked) } });
  try {
    if (answer.status === 416) throw refusal(url, "it is empty");
    if (answer.status !== 200 && answer.status !== 206) throw statusError(url, answer.status);
    const range = answer.status === 206 ? contentRange(answer) : undefined;
    const size = answer.status === 206 ? range?.size : contentLength(answer);
    const head = await readHead(answer);
    const identity = { url, size, etag: etagOf(answer), lastModified: lastModifiedOf(answer) };
    return { ...identity, kind: kindOf(url, head, size), ranged: range?.start === 0 && size !== undefined };
  } finally {
    answer.close();
  }
}

/** The kind by content. @throws {VerificationFailed} When it is none that we take, or a 7z of another length. */
export function kindOf(name: string, head: Uint8Array, size: number | undefined): Container {
  const kind = sniff(head);
  if (kind === undefined) {
    if (head.length === 0) throw refusal(name, "it is empty");
    const isPage = /^\s*</.test(new TextDecoder().decode(head.subarray(0, 64)));
    throw refusal(name, isPage ? "it is a web page (HTML)" : "it is none of .7z, .tar, .gz, .zst and .ldb");
  }
  if (kind !== "7z" || size === undefined) return kind;
  const end = endOfSevenZip(head);
  if (end === undefined) throw refusal(name, "its 7z header is cut short");
  if (end !== BigInt(size)) throw refusal(name, `it has ${size} bytes, and its 7z header says ${end}`);
  return kind;
}

/** Where a 7z ends, by the first 32 bytes: its directory lies there. */
function endOfSevenZip(head: Uint8Array): bigint | undefined {
  if (head.length < START_HEADER_BYTES) return undefined;
  const view = new DataView(head.buffer, head.byteOffset);
  return BigInt(START_HEADER_BYTES) + view.getBigUint64(12, true) + view.getBigUint64(20, true);
}

/** The parts of `bytes=0-511` an answer says it has; undefined when it says nothing sensible. */
export function contentRange(
  answer: HttpStream,
): { readonly start: number; readonly end: number; readonly size: number | undefined } | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(
    answer.headers.get("content-range") ?? "",
  );
  if (match === null) return undefined;
  const size = match[3] === "*" ? undefined : Number(match[3]);
  return { start: Number(match[1]), end: Number(match[2]) + 1, size };
}

export function rangeHeader({ start, end }: ByteRange): string {
  return `bytes=${start}-${end - 1}`;
}

/** As the server wrote it; an empty one tells nothing. */
export function lastModifiedOf(answer: HttpStream): string | undefined {
  return answer.headers.get("last-modified") || undefined;
}

/** As the server wrote it, quotes and "W/" included; an empty one tells nothing. */
export function etagOf(answer: HttpStream): string | undefined {
  return answer.headers.get("etag") || undefined;
}

/** Bytes of the whole body, where the server says. */
export function contentLength(answer: HttpStream): number | undefined {
  const text = answer.headers.get("content-length") ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** 5xx, "too many requests" and timeouts pass; whatever else the server says, it will say again. */
export function statusError(url: string, status: number): Error {
  const message = `Cannot fetch ${nameIn(url)}: the server answers ${status}`;
  return status >= 500 || status === 429 || status === 408
    ? new Passing(message)
    : new NetworkStalled(message);
}

/** Failures of the line as such. */
export function isPassing(error: unknown): boolean {
  return error instanceof Passing || (error instanceof OperationFailed && error.code === "failed");
}

/** Without the query, which may hold a secret. */
export function nameIn(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? url : `${parsed.origin}${parsed.pathname}`;
}

async function readHead(answer: HttpStream): Promise<Uint8Array> {
  const head = new Uint8Array(SNIFF_BYTES);
  let filled = 0;
  while (filled < head.length) {
    const bytes = await answer.read();
    if (bytes === null) break;
    const part = bytes.subarray(0, head.length - filled);
    head.set(part, filled);
    filled += part.length;
  }
  return head.subarray(0, filled);
}

function refusal(name: string, why: string): VerificationFailed {
  return new VerificationFailed(`Cannot use ${nameIn(name)} as an archive: ${why}`);
}

/** Signature, version, CRC, and where the directory lies (7zFormat.txt). */
const START_HEADER_BYTES = 32;
