// Proves what lies on disk: the job of `nano-snap verify`. Whatever can be checked of a file is checked: its bytes against
// its torrent, who signed for that torrent, an archive by unpacking it to nowhere, a ledger page by page. Only a torrent
// that is not here is asked for.

import { basename, join } from "node:path";
import { toHex } from "../bytes.ts";
import { PathUnusable, UsageError, VerificationFailed } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatBytes, shortHash } from "../format.ts";
import { nameOf } from "../mirror/content_options.ts";
import { ARCHIVE_NAME, LEDGER_NAME } from "../mirror/data_dir.ts";
import { isCurrent } from "../mirror/installed.ts";
import { signedItemOf } from "../mirror/mirror_state.ts";
import type { Metainfo } from "../torrent/metainfo.ts";
import type { Check } from "./checks.ts";
import {
  type Found,
  installedAt,
  metaBeside,
  type Named,
  TorrentFinder,
  type TorrentSource,
} from "./find_torrent.ts";
import { checkLedger } from "./ledger_check.ts";
import type { InspectMachine } from "./machine.ts";
import { checkPieces } from "./pieces_check.ts";
import { type FileSubject, fileSubject } from "./subject.ts";

/** What is to be checked, and by what. */
export interface VerifyOptions {
  /** Absolute. A file, a torrent's folder, or a data directory. */
  readonly path: string;
  /** What to compare with; undefined for what is known of it here. */
  readonly torrent: Named | undefined;
  /** Whose signature counts. */
  readonly authorityKey: Uint8Array;
  readonly salt: Uint8Array;
}

/** What it came to. */
export interface Verified {
  readonly path: string;
  readonly isGood: boolean;
  readonly checks: readonly Check[];
  readonly elapsedMs: number;
}

/**
 * Checks all that can be checked.
 *
 * @param others Told of torrents that are not here; undefined when nobody is to be asked.
 * @throws {UsageError} When there is nothing to check it by.
 * @throws {PathUnusable | MetainfoInvalid | OperationFailed} What is wrong with its content is no error, but a check.
 */
export async function verify(
  options: VerifyOptions,
  machine: InspectMachine,
  report: Report,
  signal: AbortSignal,
  others?: TorrentSource,
): Promise<Verified> {
  const startedMs = machine.clock.nowMs();
  const { torrent: named, authorityKey: publicKey, salt } = options;
  const finder = new TorrentFinder({ named, stream: { publicKey, salt }, files: machine.files, others });
  const checks: Check[] = [];
  for (const path of subjectsIn(options, machine)) {
    checks.push(...await new Verification(options, path, { machine, finder, report, signal }).checks());
  }
  const isGood = checks.every(({ result }) => result !== "bad");
  return { path: options.path, isGood, checks, elapsedMs: machine.clock.nowMs() - startedMs };
}

/** A data directory stands for what is kept in it under a name. */
function subjectsIn({ path, torrent }: VerifyOptions, { files }: InspectMachine): string[] {
  const facts = files.stat(path);
  if (facts === undefined) throw new PathUnusable(`Cannot read ${path}: there is no such file or folder`);
  if (facts.kind !== "directory") return [path];
  const isNamed = torrent !== undefined && torrent.kind !== "newest";
  if (isNamed || files.stat(`${path}.torrent`) !== undefined) return [path];
  const there = keptIn(path, files).filter((one) => files.stat(one)?.kind === "file");
  if (there.length > 0) return there;
  throw new UsageError(
    `Cannot verify ${path}: it holds no archive that is recorded there, nor ${ARCHIVE_NAME} or ${LEDGER_NAME}; name a file, ` +
      "or --torrent",
  );
}

/** Where a mirror's or a producer's files may lie: an archive has the name that its torrent gives it. */
function keptIn(folder: string, files: InspectMachine["files"]): string[] {
  const recorded = metaBeside(join(folder, ARCHIVE_NAME), files)["current_torrent_name"];
  const names = [
    ARCHIVE_NAME,
    ...typeof recorded === "string" && recorded !== "" && basename(recorded) === recorded ? [recorded] : [],
    ...files.list(folder).filter((name) => name.endsWith(".torrent")).map((name) => name.slice(0, -8)),
    LEDGER_NAME,
  ];
  return [...new Set(names)].filter((name) => name !== "").map((name) => join(folder, name));
}

/** What a verification works with. */
interface Means {
  readonly machine: InspectMachine;
  readonly finder: TorrentFinder;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Of one file, or of a torrent's folder. */
class Verification {
  readonly #options: VerifyOptions;
  readonly #path: string;
  readonly #means: Means;

  constructor(
    options: VerifyOptions,
    path: string,
    means: Means,
  ) {
    this.#options = options;
    this.#path = path;
    this.#means = means;
  }

  async checks(): Promise<Check[]> {
    const { files } = this.#means.machine;
    const isFolder = files.stat(this.#path)?.kind === "directory";
    const subject = isFolder ? undefined : fileSubject(this.#path, files);
    const found = await this.#means.finder.of(this.#path);
    const checks: Check[] = [];
    if (found !== undefined) checks.push(...this.#pointer(found, subject));
    if (found !== undefined && !isOfArchive(found, subject)) {
      checks.push(await this.#pieces(found.metainfo, isFolder));
    }
    if (subject?.kind === "archive") checks.push(await this.#archive());
    if (subject?.kind === "ledger") checks.push(...await checkLedger(this.#path, this.#means));
    if (subject !== undefined) checks.push(...this.#broken(subject, checks.length), ...this.#record());
    if (checks.length === 0) {
      throw new UsageError(
        `Cannot verify ${this.#path}: it is neither an archive nor a ledger, and nothing says of which torrent it is; ` +
          "name that with --torrent",
      );
    }
    return checks;
  }

  /** Who signed for this torrent: by what was just found, or where a mirror wrote that down. */
  #pointer(found: Found, subject: FileSubject | undefined): Check[] {
    const { metainfo: { info }, signed } = found;
    if (signed !== undefined) return [this.#newest(nameOf(info), signed, isOfArchive(found, subject))];
    const { authorityKey: publicKey, salt } = this.#options;
    const about = { path: this.#path, check: "pointer" } as const;
    const meta = metaBeside(this.#path, this.#means.machine.files);
    if (meta["dht_signature"] === undefined) return [];
    const item = signedItemOf(meta, { publicKey, salt });
    const who = toHex(publicKey);
    if (item === undefined) {
      return [{ ...about, result: "warning", detail: `what is recorded beside it was not signed by ${who}` }];
    }
    if (meta["torrent_info_hash"] !== nameOf(info)) {
      const other = shortHash(String(meta["torrent_info_hash"]));
      return [{
        ...about,
        result: "warning",
        detail: `${who} signed torrent ${other} at seq ${item.seq}, not this one`,
      }];
    }
    return [{ ...about, result: "good", detail: `signed by ${who} at seq ${item.seq}` }];
  }

  #newest(name: string, { stream, seq }: NonNullable<Found["signed"]>, isUnpacked: boolean): Check {
    const about = { path: this.#path, check: "pointer" } as const;
    const newest = `${toHex(stream.publicKey)} signed torrent ${shortHash(name)} last, at seq ${seq}`;
    if (!isUnpacked) return { ...about, result: "good", detail: newest };
    const installed = installedAt(this.#path, this.#means.machine.files);
    if (installed?.v2 === name) return { ...about, result: "good", detail: `unpacked from what ${newest}` };
    const from = installed === undefined
      ? "nothing says of which snapshot this ledger is"
      : `this ledger was unpacked from torrent ${shortHash(installed.v2)}`;
    return { ...about, result: "warning", detail: `${newest}; ${from}` };
  }

  #pieces(torrent: Metainfo, isFolder: boolean): Promise<Check> {
    const { info } = torrent;
    if (info.isSingleFile === isFolder) {
      const is = isFolder ? "a folder, its torrent is of one file" : "a file, its torrent is of several";
      return Promise.resolve({ path: this.#path, check: "pieces", result: "bad", detail: `it is ${is}` });
    }
    // The folder may have another name than the torrent.
    const paths = isFolder ? info.files.map((file) => join(this.#path, ...file.path)) : [this.#path];
    return checkPieces(torrent, this.#path, paths, this.#means);
  }

  async #archive(): Promise<Check> {
    const { machine, report, signal } = this.#means;
    const about = { path: this.#path, check: "archive" } as const;
    try {
      const { format, size } = await machine.tester.test({
        archive: this.#path,
        signal,
        onProgress: (doneBytes, totalBytes) =>
          report({ kind: "work", label: "Unpacking to nowhere", doneBytes, totalBytes }),
      });
      return {
        ...about,
        result: "good",
        detail: `${format}, unpacks to ${formatBytes(size)} (${size} bytes)`,
      };
    } catch (error) {
      if (!(error instanceof VerificationFailed)) throw error;
      return { ...about, result: "bad", detail: error.message };
    }
  }

  /** A file that by its name should be more than what its first bytes are. */
  #broken({ kind }: FileSubject, others: number): Check[] {
    const isNamed = /\.(7z|zst|gz|tar|ldb)$/i.test(basename(this.#path));
    if (kind !== "unknown" || !isNamed) return [];
    // Its pieces may be right all the same: then it is what was published.
    const result = others > 0 ? "warning" : "bad";
    const detail = "its first bytes are neither an archive's nor a ledger's";
    return [{ path: this.#path, check: "archive", result, detail }];
  }

  #record(): Check[] {
    const { files } = this.#means.machine;
    const installed = installedAt(this.#path, files);
    if (installed === undefined) return [];
    const about = { path: this.#path, check: "record" } as const;
    const name = shortHash(installed.v2);
    const facts = files.stat(this.#path);
    if (isCurrent({ ...installed, path: this.#path }, { ...installed, path: this.#path }, facts)) {
      return [{
        ...about,
        result: "good",
        detail: `as it was finished from torrent ${name}: size, time, inode`,
      }];
    }
    return [{ ...about, result: "warning", detail: `touched since it was finished from torrent ${name}` }];
  }
}

/** A ledger has none of the bytes of the archive that it was in: what can be said of it is which archive that was. */
function isOfArchive({ metainfo: { info }, signed }: Found, subject: FileSubject | undefined): boolean {
  return signed !== undefined && subject?.kind === "ledger" && info.isSingleFile && info.name !== LEDGER_NAME;
}
