// Fetching a large file over HTTP so that nothing is lost and nothing else gets in: several connections at once, each
// asking for the next stretch that is missing; a journal of what is on the disk; and with every answer the question
// whether the file is still the one that was begun. What fails is asked for again, with longer and longer pauses, and only
// tries without any progress count. A server that sends no parts gets one connection, from the beginning.
//
//   tmp/NAME.partial + .journal --whole and checked--> its caller's
//                                --whole and wrong----> tmp/NAME.failed, never fetched again until somebody removes it

import { dirname, join } from "node:path";
import { NetworkStalled, NotEnoughSpace, VerificationFailed } from "../errors.ts";
import type { Report } from "../events.ts";
import { SNIFF_BYTES } from "../extract/sniff.ts";
import { formatBytes } from "../format.ts";
import { readJsonFile, writeJsonFile } from "../json_file.ts";
import type { Clock, Files, HttpStream, HttpStreams, OpenFile } from "../ports.ts";
import {
  type ByteRange,
  isSameRemote,
  RangeSet,
  readJournal,
  remoteFromJson,
  type RemoteIdentity,
  remoteToJson,
  writeJournal,
} from "./download_journal.ts";
import {
  contentLength,
  contentRange,
  etagOf,
  kindOf,
  lastModifiedOf,
  lookAt,
  nameIn,
  Passing,
  rangeHeader,
  type RemoteFile,
  statusError,
} from "./remote_file.ts";
import { Retries, type RetryLimits } from "./retries.ts";

/** What fetching needs of the machine. */
export interface DownloadMachine {
  readonly clock: Clock;
  readonly files: Files;
  readonly http: HttpStreams;
}

/** How it is done; the stream's values are `DOWNLOAD_DEFAULTS`. */
export interface DownloadLimits extends RetryLimits {
  readonly connections: number;
  /** Without a byte, on one connection. */
  readonly timeoutMs: number;
  /** The least that a file of undeclared length must have: nothing else tells a cut one. */
  readonly minUndeclaredBytes: number;
}

/** Upstream's: 4 connections, 10 tries, at least 1 GB. */
export const DOWNLOAD_DEFAULTS: DownloadLimits = {
  connections: 4,
  tries: 10,
  firstPauseMs: 1000,
  timeoutMs: 60_000,
  minUndeclaredBytes: 1e9,
};

/** Where a download grows. */
export interface DownloadPlace {
  readonly folder: string;
  /** A plain file name. */
  readonly name: string;
}

/** Looks at a file, again while that may help. @throws As `lookAt`; {NetworkStalled} instead of `Passing`. */
export async function findRemote(
  url: string,
  machine: DownloadMachine,
  limits: DownloadLimits,
  signal: AbortSignal,
): Promise<RemoteFile> {
  const retries = new Retries(url, machine.clock, limits, signal);
  return await retries.retry(() => lookAt(machine.http, url, { signal, timeoutMs: limits.timeoutMs }));
}

/** Refuses what was fetched whole before and was not what it must be. @throws {VerificationFailed} */
export function refuseFailedBefore(files: Files, place: DownloadPlace, remote: RemoteIdentity): void {
  const { failed, failedNote } = pathsOf(place);
  if (files.stat(failed) === undefined) return;
  const note = readJsonFile(files, failedNote, (json) => json, {}).value;
  const before = remoteFromJson(note["source"]);
  if (before === undefined || !isSameRemote(before, remote)) return;
  throw new VerificationFailed(
    `Cannot use ${nameIn(remote.url)}: it was fetched before and kept as ${failed} because of this: ` +
      `${String(note["why"]).slice(0, 300)}; remove that file to fetch it again`,
  );
}

/**
 * Fetches a file, or what is missing of it.
 *
 * @returns The path of the whole, checked and synced file, `<folder>/<name>.partial`; its journal is gone.
 * @throws {NetworkStalled} When the server does not send it, or sends another one than it began with. What has come is
 *   kept. @throws {VerificationFailed} When it is whole and wrong; it is then kept as `<folder>/<name>.failed`.
 * @throws {NotEnoughSpace} Before the first byte, where the size is known; otherwise once the disk is nearly full. @throws The signal's reason.
 */
export async function download(
  remote: RemoteFile,
  place: DownloadPlace,
  machine: DownloadMachine,
  { limits, report, signal }: { limits: DownloadLimits; report: Report; signal: AbortSignal },
): Promise<string> {
  const { files } = machine;
  const paths = pathsOf(place);
  files.makeDir(place.folder);
  const { done, warning } = readJournal(files, {
    path: paths.journal,
    partial: paths.partial,
    identity: remote,
  });
  if (warning !== undefined) report({ kind: "note", level: "warning", logger: LOGGER, text: warning });
  if (done.bytes === 0) files.remove(paths.partial);
  refuseForSpace(files, place, remote, done.bytes);
  const file = files.open(paths.partial, "create");
  try {
    const transfer = new Transfer({
      remote,
      file,
      done,
      journal: paths.journal,
      machine,
      limits,
      report,
      signal,
    });
    await (remote.ranged ? transfer.inParts() : transfer.inOne());
    checkWhole(file, remote, limits);
  } catch (error) {
    if (error instanceof VerificationFailed) setAside(files, paths, remote, error.message);
    throw error;
  } finally {
    file.close();
  }
  files.remove(paths.journal);
  return paths.partial;
}

/** One fetch. */
class Transfer {
  readonly #remote: RemoteFile;
  readonly #file: OpenFile;
  readonly #done: RangeSet;
  readonly #journal: string;
  readonly #machine: DownloadMachine;
  readonly #limits: DownloadLimits;
  readonly #report: Report;
  readonly #stop: AbortController;
  readonly #outer: AbortSignal;
  readonly #retries: Retries;
  /** Missing, and not being fetched by anybody. */
  #missing: ByteRange[] = [];
  #savedBytes = 0;
  #savedMs: number;
  #saving = false;

  constructor(
    { remote, file, done, journal, machine, limits, report, signal }: {
      remote: RemoteFile;
      file: OpenFile;
      done: RangeSet;
      journal: string;
      machine: DownloadMachine;
      limits: DownloadLimits;
      report: Report;
      signal: AbortSignal;
    },
  ) {
    this.#remote = remote;
    this.#file = file;
    this.#done = done;
    this.#journal = journal;
    this.#machine = machine;
    this.#limits = limits;
    this.#report = report;
    this.#outer = signal;
    this.#stop = new AbortController();
    this.#retries = new Retries(remote.url, machine.clock, limits, this.#stop.signal);
    this.#savedBytes = done.bytes;
    this.#savedMs = machine.clock.nowMs();
  }

  /** Until nothing is missing. What has come is noted however it ends. */
  async inParts(): Promise<void> {
    const size = this.#remote.size!;
    this.#missing = this.#done.gaps(size);
    const stop = () => this.#stop.abort(this.#outer.reason);
    this.#outer.addEventListener("abort", stop);
    if (this.#outer.aborted) stop();
    this.#tell();
    try {
      const lanes = Array.from({ length: this.#limits.connections }, () => this.#lane());
      for (const lane of lanes) lane.catch((error) => this.#stop.abort(error));
      await Promise.allSettled(lanes);
      this.#outer.throwIfAborted();
      if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    } finally {
      this.#outer.removeEventListener("abort", stop);
      await this.#save();
    }
  }

  /** From the beginning, each time. */
  async inOne(): Promise<void> {
    const { http } = this.#machine;
    const stop = () => this.#stop.abort(this.#outer.reason);
    this.#outer.addEventListener("abort", stop);
    if (this.#outer.aborted) stop();
    try {
      await this.#retries.retry(async () => {
        this.#file.truncate(0);
        const answer = await http.open(this.#remote.url, this.#request({}));
        try {
          if (answer.status !== 200) throw statusError(this.#remote.url, answer.status);
          this.#checkSame(answer, contentLength(answer));
          await this.#takeWhole(answer);
        } finally {
          answer.close();
        }
      });
      await this.#file.sync();
    } finally {
      this.#outer.removeEventListener("abort", stop);
    }
  }

  async #lane(): Promise<void> {
    for (let range = this.#take(); range !== undefined; range = this.#take()) {
      let at = range.start;
      const { end } = range;
      await this.#retries.retry(async () => {
        if (at < end) await this.#fetchRange({ start: at, end }, (now) => at = now);
      });
    }
  }

  #take(): ByteRange | undefined {
    if (this.#stop.signal.aborted) return undefined;
    const next = this.#missing.shift();
    if (next === undefined || next.end - next.start <= SEGMENT_BYTES) return next;
    const cut = next.start + SEGMENT_BYTES;
    this.#missing.unshift({ start: cut, end: next.end });
    return { start: next.start, end: cut };
  }

  async #fetchRange(range: ByteRange, onMoved: (at: number) => void): Promise<void> {
    const { url, size } = this.#remote;
    const ifRange = validatorOf(this.#remote);
    const headers = { range: rangeHeader(range), ...(ifRange === undefined ? {} : { "if-range": ifRange }) };
    const answer = await this.#machine.http.open(url, this.#request(headers));
    try {
      // With If-Range a server that has another file now sends it from its beginning.
      if (answer.status === 200 || answer.status === 416) throw this.#changed(`it answers ${answer.status}`);
      if (answer.status !== 206) throw statusError(url, answer.status);
      const sent = contentRange(answer);
      this.#checkSame(answer, sent?.size);
      if (sent?.start !== range.start || sent.end > range.end || sent.size !== size) {
        throw new NetworkStalled(
          `Cannot fetch ${nameIn(url)}: asked for ${rangeHeader(range)} the server sends ` +
            `"${answer.headers.get("content-range") ?? "no range"}"`,
        );
      }
      let at = range.start;
      while (at < range.end) {
        const bytes = await answer.read();
        if (bytes === null) throw new Passing(`Cannot fetch ${nameIn(url)}: the connection was cut`);
        const part = bytes.subarray(0, range.end - at);
        this.#write(part, at);
        this.#done.add({ start: at, end: at + part.length });
        at += part.length;
        onMoved(at);
        await this.#moved(part.length);
      }
    } finally {
      answer.close();
    }
  }

  async #takeWhole(answer: HttpStream): Promise<void> {
    const { url, size } = this.#remote;
    let at = 0;
    let nextLook = 0;
    for (let bytes = await answer.read(); bytes !== null; bytes = await answer.read()) {
      if (size === undefined && at >= nextLook) {
        this.#refuseFullDisk(at);
        nextLook = at + SAVE_BYTES;
      }
      if (at + bytes.length > (size ?? Infinity)) throw this.#changed("it sends more than it said");
      this.#write(bytes, at);
      at += bytes.length;
      this.#report({ kind: "work", label: LABEL, doneBytes: at, totalBytes: size ?? 0 });
    }
    if (size !== undefined && at < size) {
      throw new Passing(`Cannot fetch ${nameIn(url)}: the connection was cut`);
    }
  }

  /** A body without a length may have no end. What came of it is of no use: it cannot be gone on with. */
  #refuseFullDisk(at: number): void {
    const folder = dirname(this.#journal);
    const free = this.#machine.files.freeBytes(folder);
    if (free >= SAVE_BYTES + RESERVE_BYTES) return;
    this.#file.truncate(0);
    throw new NotEnoughSpace(
      `Cannot fetch ${
        nameIn(this.#remote.url)
      } into ${folder}: the server does not say how long it is, and after ` +
        `${formatBytes(at)} only ${formatBytes(free)} were free`,
    );
  }

  /** What the disk refuses is not tried again. */
  #write(bytes: Uint8Array, at: number): void {
    try {
      this.#file.writeAt(bytes, at);
    } catch (error) {
      this.#stop.abort(error);
      throw error;
    }
  }

  #request(headers: Readonly<Record<string, string>>) {
    return { timeoutMs: this.#limits.timeoutMs, signal: this.#stop.signal, headers };
  }

  /** @throws {NetworkStalled} When the server has another file now. What it leaves out says nothing. */
  #checkSame(answer: HttpStream, size: number | undefined): void {
    const { etag, lastModified } = this.#remote;
    const now = { etag: etagOf(answer), lastModified: lastModifiedOf(answer) };
    if (size !== undefined && size !== this.#remote.size) {
      throw this.#changed(`it had ${this.#remote.size ?? "an unknown number of"} bytes and has ${size}`);
    }
    if (now.etag !== undefined && now.etag !== etag) {
      throw this.#changed(`its ETag ${etag} became ${now.etag}`);
    }
    if (now.lastModified !== undefined && now.lastModified !== lastModified) {
      throw this.#changed(`its date ${lastModified} became ${now.lastModified}`);
    }
  }

  #changed(how: string): NetworkStalled {
    return new NetworkStalled(
      `Cannot fetch ${nameIn(this.#remote.url)}: it changed on the server meanwhile (${how}); run this again`,
    );
  }

  async #moved(bytes: number): Promise<void> {
    this.#retries.moved(bytes);
    this.#tell();
    const isDue = this.#done.bytes - this.#savedBytes >= SAVE_BYTES ||
      this.#machine.clock.nowMs() - this.#savedMs >= SAVE_MS;
    if (isDue && !this.#saving) await this.#save();
  }

  /** Bytes first, then the record of them: those of before the sync, for others come meanwhile. */
  async #save(): Promise<void> {
    this.#saving = true;
    try {
      const { ranges, bytes } = this.#done;
      await this.#file.sync();
      writeJournal(this.#machine.files, this.#journal, this.#remote, ranges);
      this.#savedBytes = bytes;
      this.#savedMs = this.#machine.clock.nowMs();
    } finally {
      this.#saving = false;
    }
  }

  #tell(): void {
    this.#report({ kind: "work", label: LABEL, doneBytes: this.#done.bytes, totalBytes: this.#remote.size! });
  }
}

/** A strong ETag, otherwise the date: only these may stand in If-Range (RFC 9110, 13.1.5). */
function validatorOf({ etag, lastModified }: RemoteIdentity): string | undefined {
  return etag !== undefined && !etag.startsWith("W/") ? etag : lastModified;
}

function refuseForSpace(files: Files, { folder }: DownloadPlace, remote: RemoteIdentity, done: number): void {
  if (remote.size === undefined) return;
  const needed = remote.size - done;
  const free = files.freeBytes(folder);
  if (needed + RESERVE_BYTES <= free) return;
  throw new NotEnoughSpace(
    `Cannot fetch ${nameIn(remote.url)} into ${folder}: needs ${formatBytes(needed)} and ` +
      `${formatBytes(RESERVE_BYTES)} that must stay free, has ${formatBytes(free)}`,
  );
}

/** The bytes on the disk, not what the server said of them. @throws {VerificationFailed} */
function checkWhole(file: OpenFile, remote: RemoteFile, limits: DownloadLimits): void {
  const { size } = file.facts();
  if (remote.size === undefined && size < limits.minUndeclaredBytes) {
    throw new VerificationFailed(
      `Cannot use ${nameIn(remote.url)}: the server did not say how long it is, and ${
        formatBytes(size)
      } came, ` +
        `less than the ${formatBytes(limits.minUndeclaredBytes)} that an archive has`,
    );
  }
  if (remote.size !== undefined && size !== remote.size) {
    throw new VerificationFailed(
      `Cannot use ${nameIn(remote.url)}: it has ${size} bytes, not ${remote.size}`,
    );
  }
  const head = new Uint8Array(SNIFF_BYTES);
  kindOf(remote.url, head.subarray(0, file.readAt(head, 0)), size);
}

function setAside(files: Files, paths: Paths, remote: RemoteIdentity, why: string): void {
  writeJsonFile(files, paths.failedNote, { source: remoteToJson(remote), why });
  files.rename(paths.partial, paths.failed);
  files.remove(paths.journal);
}

interface Paths {
  readonly partial: string;
  readonly journal: string;
  readonly failed: string;
  readonly failedNote: string;
}

function pathsOf({ folder, name }: DownloadPlace): Paths {
  const path = join(folder, name);
  return {
    partial: `${path}.partial`,
    journal: `${path}.journal`,
    failed: `${path}.failed`,
    failedNote: `${path}.failed.json`,
  };
}

const LOGGER = "producer.source";
const LABEL = "Fetching";
/** One request. Small enough that the last ones end together, large enough that round trips do not count. */
const SEGMENT_BYTES = 32 << 20;
/** What may be fetched again after a crash: this, or what came in that time. A sync of 64 MiB takes half a second. */
const SAVE_BYTES = 64 << 20;
const SAVE_MS = 5000;
/** What stays free on the disk: a full one harms all who share it. */
const RESERVE_BYTES = 64 << 20;
