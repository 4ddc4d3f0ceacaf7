// Where the newest archive is: a small text object whose whole body is the archive's URL (upstream.md 4). It is a
// stranger's word, so it is read with bounds and turned into a plain http(s) URL and a plain file name, or refused.

import { parseUtf8 } from "../bytes.ts";
import { isLoopback } from "../endpoint.ts";
import { NetworkStalled, OperationFailed, UsageError, VerificationFailed } from "../errors.ts";
import type { HttpClient } from "../ports.ts";

/** Upstream's default. */
export const DEFAULT_SOURCE_INDEX = "https://s3.us-east-2.amazonaws.com/repo.nano.org/snapshots/latest";

/** An archive that can be fetched. */
export interface ArchiveSource {
  /** http or https, without user name and password. */
  readonly url: string;
  /** Its last part, safe as a file's name. */
  readonly name: string;
}

/**
 * Asks the index.
 *
 * @throws {NetworkStalled} When it does not answer, or not with 200.
 * @throws {VerificationFailed} When what it answers is no URL of an archive. @throws {UsageError} When `index` is none.
 */
export async function readSourceIndex(
  http: HttpClient,
  index: string,
  signal: AbortSignal,
): Promise<ArchiveSource> {
  const at = parseHttpUrl(index);
  if (at === undefined) throw new UsageError(`The source index must be an http or https URL, not "${index}"`);
  const { status, body } = await ask(http, at, signal);
  if (status !== 200) {
    throw new NetworkStalled(`Cannot read the source index on ${at.host}: it answers ${status}`);
  }
  const refuse = (why: string) => new VerificationFailed(`Cannot use the source index on ${at.host}: ${why}`);
  return parseIndex(body, at, refuse);
}

/**
 * Reads an answer of the index. Quotes and white space around the URL do not count; a relative one belongs to the
 * folder of the index.
 */
export function parseIndex(body: Uint8Array, index: URL, refuse: (why: string) => Error): ArchiveSource {
  const text = parseUtf8(body)?.trim().replace(/^(["'])(.*)\1$/s, "$2").trim();
  if (text === undefined) throw refuse("its answer is no text");
  if (text === "") throw refuse("its answer is empty");
  if (text.startsWith("<")) throw refuse("it answers with a web page (HTML), not with a URL");
  if (body.length > MAX_INDEX_BYTES) {
    throw refuse(`its answer has ${body.length} bytes, more than a URL can need (${MAX_INDEX_BYTES})`);
  }
  if (/[\s\p{Cc}<>"]/u.test(text)) throw refuse(`its answer is not one URL but "${shown(text)}"`);
  const url = URL.parse(text, new URL(".", index));
  if (url === null || !SCHEMES.has(url.protocol)) throw refuse(`"${shown(text)}" is no http or https URL`);
  if (url.username !== "" || url.password !== "") throw refuse("its URL carries a user name or password");
  if (isLoopback(url.hostname) && !isLoopback(index.hostname)) throw refuse("its URL leads to this machine");
  url.hash = "";
  const name = fileName(url);
  if (name === undefined) throw refuse(`"${shown(text)}" does not end in a file's name`);
  return { url: url.href, name };
}

/** undefined when it is none, or of another scheme. */
function parseHttpUrl(text: string): URL | undefined {
  const url = URL.parse(text.trim());
  return url !== null && SCHEMES.has(url.protocol) ? url : undefined;
}

async function ask(http: HttpClient, index: URL, signal: AbortSignal) {
  try {
    return await http.get(index.href, { timeoutMs: INDEX_TIMEOUT_MS, maxBytes: READ_BYTES, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof OperationFailed)) throw error;
    throw new NetworkStalled(`Cannot read the source index: ${lowerFirst(error.message)}`, { cause: error });
  }
}

/** The last part of the path where it can be a file's name as it is. */
function fileName(url: URL): string | undefined {
  let name: string;
  try {
    name = decodeURIComponent(url.pathname.split("/").at(-1) ?? "");
  } catch {
    return undefined;
  }
  return /^[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}$/.test(name) ? name : undefined;
}

function shown(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

const SCHEMES: ReadonlySet<string> = new Set(["http:", "https:"]);
/** URLs over 2 KB work hardly anywhere. */
const MAX_INDEX_BYTES = 4 << 10;
/** Read to tell how much too long it is; a web page is told as one, not as too long. */
const READ_BYTES = 1 << 20;
const INDEX_TIMEOUT_MS = 30_000;
