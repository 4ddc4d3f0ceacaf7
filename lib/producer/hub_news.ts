// Has the status hub told of the newest publication until it knows. What is still to be told is written down, so that
// whoever is killed, or finds the hub down, leaves it to the next run: a timer calls `produce run` again and again, and
// none is needed here. Between tries the pauses grow; a newer publication takes the place of one that was never told.
//
//   published -> written down -> pushed --taken or refused--> forgotten
//                    ^______busy, not before 5, 10, 20 min ...______|

import { join } from "node:path";
import { toHex } from "../bytes.ts";
import { SnapError, WireFault } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatSeconds } from "../format.ts";
import { type JsonObject, readJsonFile, writeJsonFile } from "../json_file.ts";
import type { Clock, Files, HttpStreams } from "../ports.ts";
import { MAX_TORRENT_BYTES } from "../torrent/limits.ts";
import { parseTorrent } from "../torrent/metainfo.ts";
import { HubBusy, pushToHub, torrentText } from "./hub.ts";
import type { SigningKey } from "./keys.ts";
import type { OutputPaths } from "./pairs.ts";

export interface HubNewsOptions {
  readonly machine: { readonly files: Files; readonly clock: Clock; readonly http: HttpStreams };
  readonly paths: OutputPaths;
  /** undefined: there is no hub. */
  readonly hub: string | undefined;
  readonly key: SigningKey;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** What is still to be told, as it is written down. */
interface News {
  readonly info_hash: string;
  readonly sequence: number;
  /** When it was published, ISO 8601. */
  readonly timestamp: string;
  readonly tries: number;
  /** Not before. */
  readonly retry_unix_ms: number;
}

export class HubNews {
  readonly #options: HubNewsOptions;
  readonly #path: string;

  constructor(options: HubNewsOptions) {
    this.#options = options;
    this.#path = join(options.paths.own, "hub.json");
  }

  /** Something was published. @param torrentPath Of its torrent. @throws The signal's reason. */
  async tell(torrentPath: string, { v2, seq }: { v2: string; seq: number }): Promise<void> {
    const { hub, machine: { clock } } = this.#options;
    if (hub === undefined) return;
    const nowMs = clock.unixMs();
    const timestamp = new Date(nowMs).toISOString();
    const news: News = { info_hash: v2, sequence: seq, timestamp, tries: 0, retry_unix_ms: nowMs };
    this.#write(news);
    await this.#push(hub, torrentPath, news, true);
  }

  /** Nothing new was published: what the hub was not told of that is current, it is told now. @throws The signal's reason. */
  async tellAgain(torrentPath: string, v2: unknown): Promise<void> {
    const { hub, machine: { files, clock } } = this.#options;
    if (hub === undefined) return;
    const { value: news } = readJsonFile<News | undefined>(files, this.#path, parseNews, undefined);
    if (news === undefined || news.info_hash !== v2 || clock.unixMs() < news.retry_unix_ms) return;
    await this.#push(hub, torrentPath, news, false);
  }

  async #push(hub: string, torrentPath: string, news: News, isPatient: boolean): Promise<void> {
    const { machine: { files, clock, http }, key, signal } = this.#options;
    try {
      const torrent = files.read(torrentPath, MAX_TORRENT_BYTES) ?? new Uint8Array();
      const { info } = parseTorrent(torrent);
      await pushToHub(hub, {
        sequence: news.sequence,
        info_hash: news.info_hash,
        info_hash_v1: info.infoHashV1 === undefined ? undefined : toHex(info.infoHashV1),
        torrent_name: info.name,
        piece_size: info.pieceLength,
        snapshot_size_bytes: info.totalLength,
        timestamp: news.timestamp,
        torrent_file_b64: torrentText(torrent),
      }, { http, key, clock, signal, isPatient, onPause: (text) => this.#note("warning", text) });
      files.remove(this.#path);
      this.#note("info", "The status hub was told");
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof SnapError || error instanceof WireFault)) throw error;
      const rest = error instanceof HubBusy ? this.#postpone(news) : this.#forget();
      this.#note("warning", `${error.message}; the snapshot is published all the same${rest}`);
    }
  }

  #postpone(news: News): string {
    const { clock } = this.#options.machine;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** news.tries, LONGEST_PAUSE_MS);
    const retry_unix_ms = clock.unixMs() + pauseMs;
    if (!this.#write({ ...news, tries: news.tries + 1, retry_unix_ms })) return "";
    return `, and the first run in more than ${formatSeconds(pauseMs / 1000)} tells it again`;
  }

  /** @returns Whether it could be: what is published is so whatever becomes of the hub. */
  #write(news: News): boolean {
    const { machine: { files }, paths } = this.#options;
    try {
      files.makeDir(paths.own);
      writeJsonFile(files, this.#path, { ...news });
      return true;
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      this.#note("warning", error.message);
      return false;
    }
  }

  /** It has said no, and would say it again. */
  #forget(): string {
    this.#options.machine.files.remove(this.#path);
    return "";
  }

  #note(level: "info" | "warning", text: string): void {
    this.#options.report({ kind: "note", level, logger: "producer.run", text });
  }
}

function parseNews(json: JsonObject): News | undefined {
  const { info_hash, sequence, timestamp, tries, retry_unix_ms } = json;
  if (typeof info_hash !== "string" || typeof timestamp !== "string") return undefined;
  if (![sequence, tries, retry_unix_ms].every((value) => Number.isSafeInteger(value) && Number(value) >= 0)) {
    return undefined;
  }
  return {
    info_hash,
    sequence: Number(sequence),
    timestamp,
    tries: Number(tries),
    retry_unix_ms: Number(retry_unix_ms),
  };
}

const FIRST_PAUSE_MS = 300_000;
/** A stream has about one snapshot a day. */
const LONGEST_PAUSE_MS = 6 * 3_600_000;
