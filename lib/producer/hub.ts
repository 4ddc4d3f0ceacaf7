// Telling a status hub what was published (upstream.md 6): one JSON object, signed with the stream's key over its own
// text without the signature. A hub only shows: whatever it answers, the snapshot is published.

import { Buffer } from "node:buffer";
import { toHex, utf8 } from "../bytes.ts";
import { OperationFailed } from "../errors.ts";
import { formatSeconds } from "../format.ts";
import type { Clock, HttpStreams } from "../ports.ts";
import type { SigningKey } from "./keys.ts";

/** What a hub is told, under its own names. What is undefined is left out. */
export interface HubReport {
  /** 0 to 2^53 - 1. */
  readonly sequence: number;
  /** 64 hex digits. */
  readonly info_hash: string;
  /** 40 hex digits. */
  readonly info_hash_v1?: string | undefined;
  readonly torrent_name: string;
  /** Bytes, both. */
  readonly piece_size: number;
  readonly snapshot_size_bytes: number;
  /** ISO 8601 with a zone. */
  readonly timestamp: string;
  /** The .torrent file. */
  readonly torrent_file_b64: string;
  /** As `7z l` prints it, from its first line of dashes. */
  readonly archive_listing?: string | undefined;
}

/** The text that is signed: keys sorted, no spaces, nothing absent, UTF-8 as it is. */
export function signedText(report: HubReport): string {
  const entries = Object.entries(report).filter(([, value]) => value !== undefined);
  entries.sort(([a], [b]) => a < b ? -1 : 1);
  return JSON.stringify(Object.fromEntries(entries));
}

/** The body of the request. */
export function hubBody(report: HubReport, key: SigningKey): Uint8Array {
  const text = signedText(report);
  const signature = toHex(key.signMessage(utf8(text)));
  return utf8(`${text.slice(0, -1)},"signature":"${signature}"}`);
}

/** A torrent as it goes into the report. */
export function torrentText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** The hub cannot be reached, or has trouble itself: later it may take it. */
export class HubBusy extends OperationFailed {}

/**
 * Sends it to `<hub>/api/push`; again after a while where nobody answers, or a server says that it has trouble itself.
 *
 * @throws {HubBusy} When it does so to the end. @throws {OperationFailed} When the hub refuses, with what it says.
 */
export async function pushToHub(hub: string, report: HubReport, options: PushOptions): Promise<void> {
  const { key, clock, signal } = options;
  const url = URL.parse(hub);
  if (url === null || !SCHEMES.has(url.protocol)) {
    throw new OperationFailed("Cannot tell the status hub: STATUS_API_URL is no http or https URL");
  }
  if (!url.pathname.endsWith(PUSH_PATH)) url.pathname = url.pathname.replace(/\/*$/, PUSH_PATH);
  const body = hubBody(report, key);
  for (const pauseMs of [...options.isPatient ? PAUSES_MS : [], undefined]) {
    const trouble = await push(url, body, options);
    if (trouble === undefined) return;
    signal.throwIfAborted();
    if (!(trouble instanceof HubBusy) || pauseMs === undefined) throw trouble;
    options.onPause(`${trouble.message}; trying again in ${formatSeconds(pauseMs / 1000)}`);
    await clock.sleep(pauseMs, signal);
    signal.throwIfAborted();
  }
}

export interface PushOptions {
  readonly http: HttpStreams;
  readonly key: SigningKey;
  readonly clock: Pick<Clock, "sleep">;
  readonly signal: AbortSignal;
  /** Whether it is tried more than once. */
  readonly isPatient: boolean;
  /** Told why it has to be sent again. */
  readonly onPause: (text: string) => void;
}

/** Once. @returns What went wrong; a hub that has understood and says no, says no again, and is not `HubBusy`. */
async function push(
  url: URL,
  body: Uint8Array,
  { http, signal }: PushOptions,
): Promise<OperationFailed | undefined> {
  try {
    const headers = { "content-type": "application/json" };
    const answer = await http.open(url.href, { timeoutMs: TIMEOUT_MS, signal, headers, body });
    try {
      if (answer.status === 200) return undefined;
      const bytes = await answer.read();
      const said = new TextDecoder().decode(bytes?.subarray(0, MAX_SAID_BYTES) ?? new Uint8Array());
      const what = `it answers ${answer.status}${said === "" ? "" : ` (${said.trim()})`}`;
      const isBusy = answer.status >= 500 || answer.status === TOO_MANY_REQUESTS;
      return new (isBusy ? HubBusy : OperationFailed)(`Cannot tell the status hub ${url.host}: ${what}`);
    } finally {
      answer.close();
    }
  } catch (error) {
    if (!(error instanceof OperationFailed)) throw error;
    return new HubBusy(error.message, { cause: error });
  }
}

const SCHEMES: ReadonlySet<string> = new Set(["http:", "https:"]);
const PUSH_PATH = "/api/push";
const TIMEOUT_MS = 60_000;
/** A hub that starts anew is back within these; a run is not held up for longer. */
const PAUSES_MS = [2_000, 20_000];
const TOO_MANY_REQUESTS = 429;
/** Enough of a refusal to understand it. */
const MAX_SAID_BYTES = 300;
