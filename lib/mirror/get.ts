// The job of `nano-snap get`, from the authority's key to a file on disk:
//
//   directory and port -> pointer -> torrent -> content -> archive, or ledger out of it -> state files
//
// The torrent is begun with at the first verified answer, while the lookup still looks for a newer one.

import { basename, join } from "node:path";
import { toHex } from "../bytes.ts";
import { Interrupted, PathUnusable, SnapError } from "../errors.ts";
import type { Fetching, Phase, Report } from "../events.ts";
import { formatSeconds, shortHash } from "../format.ts";
import { type Candidate, discover } from "../snapshot/discover.ts";
import type { Info } from "../torrent/metainfo.ts";
import { originalFilename } from "../torrent/x_snapshot.ts";
import { DataDir, DataPaths, LEDGER_NAME } from "./data_dir.ts";
import { fetchTorrent } from "./fetch.ts";
import type { Fetched } from "./fetch_options.ts";
import { finish } from "./finish.ts";
import { refuseForeignFolder } from "./folder_place.ts";
import { type Installed, isCurrent, readInstalled, writeInstalled } from "./installed.ts";
import { bringKept } from "./kept_archive.ts";
import { DataPlace, type LedgerPlace, type SnapshotName } from "./ledger_place.ts";
import { discardNamed } from "./leftovers.ts";
import { Line } from "../line/line.ts";
import type { Machine } from "./machine.ts";
import { readSnapshotMeta, recordSnapshot, writeMirrorState } from "./mirror_state.ts";
import { refuseName } from "./names.ts";
import type { GetOptions, GetResult, LedgerSummary } from "./options.ts";
import { unwritten } from "../unwritten_files.ts";
import { Unpacking } from "./unpacking.ts";
import { ageWarning, ledgerAt, publishedMs, summaryOf } from "./snapshot_facts.ts";
import { type Named, ofPointer, readSource, type Target, withSaved } from "./target.ts";
import { readTrusted } from "./trusted.ts";

/**
 * Gets a snapshot.
 *
 * @param signal Aborts with a SnapError (`Interrupted`): everything whole is kept, and the same call goes on.
 * @param place Where the ledger is to stay, with `extract`; the data directory when not given.
 * @throws {SnapError} With its exit code from `EXIT`.
 */
export async function get(
  options: GetOptions,
  machine: Machine,
  report: Report,
  signal: AbortSignal,
  place?: LedgerPlace,
): Promise<GetResult> {
  const named = options.source === undefined ? undefined : readSource(options.source, machine.files);
  using dir = DataDir.open(options.dataDir, machine.files, { role: "get", ...machine });
  // A torrent that is at hand is begun with in a moment; what is looked for first leaves time enough.
  using _mill = named?.kind === "target" ? machine.mills?.prepare?.() : undefined;
  const { paths } = dir;
  const run = new Run({
    options,
    machine,
    report,
    signal,
    paths,
    named,
    place: place ?? new DataPlace(machine, paths, report),
  });
  return await run.get();
}

/**
 * Does what `get` does up to the first byte of content, and writes nothing: the place's `examineSpace` or `isReady` hears
 * of what would be done, and is expected to end the run.
 *
 * @throws What the place throws; else as `get`.
 */
export async function rehearse(
  options: GetOptions,
  machine: Machine,
  report: Report,
  signal: AbortSignal,
  place: LedgerPlace,
): Promise<GetResult> {
  const dry = { ...machine, client: machine.client, files: unwritten(machine.files) };
  const named = options.source === undefined ? undefined : readSource(options.source, machine.files);
  const paths = new DataPaths(options.dataDir);
  return await new Run({ options, machine: dry, report, signal, paths, named, place }).get();
}

/** A fetch that runs while the lookup goes on. */
interface Begun {
  readonly target: Target;
  readonly stop: AbortController;
  readonly fetched: Promise<Fetched>;
  /** Follows the fetch, with `extract`. */
  readonly unpacking: Unpacking | undefined;
}

class Run {
  readonly #options: GetOptions;
  readonly #machine: Machine;
  readonly #report: Report;
  readonly #signal: AbortSignal;
  readonly #paths: DataPaths;
  readonly #place: LedgerPlace;
  readonly #named: Named | undefined;
  readonly #startedMs: number;
  #phase: Phase = "starting";
  #begun: Begun | undefined;
  #fetching = NOTHING;
  /** The archive that an earlier run was to keep, where it is now. */
  #kept: string | undefined;

  constructor(parts: {
    options: GetOptions;
    machine: Machine;
    report: Report;
    signal: AbortSignal;
    paths: DataPaths;
    place: LedgerPlace;
    named: Named | undefined;
  }) {
    this.#options = parts.options;
    this.#machine = parts.machine;
    this.#report = parts.report;
    this.#signal = parts.signal;
    this.#paths = parts.paths;
    this.#place = parts.place;
    this.#named = parts.named;
    this.#startedMs = parts.machine.clock.nowMs();
  }

  async get(): Promise<GetResult> {
    this.#report({ kind: "facts", facts: { directory: this.#paths.own } });
    try {
      const result = await this.#get();
      this.#enter("stopped");
      return result;
    } catch (caught) {
      const error = this.#options.lowDisk === true ? withoutPromise(caught, this.#signal) : caught;
      this.#enter(this.#signal.aborted ? "stopped" : "error", error);
      throw error;
    } finally {
      this.#report({ kind: "facts", facts: { directory: undefined } });
    }
  }

  async #get(): Promise<GetResult> {
    this.#recordLanded();
    const line = await Line.open(this.#machine, this.#paths.dht, this.#options, this.#report);
    let candidate: Candidate | undefined;
    let target: Target;
    let fetched: Fetched;
    let unpacking: Unpacking | undefined;
    try {
      if (this.#named?.kind === "target") target = this.#named.target;
      else {
        candidate = await this.#discover(line);
        target = ofPointer(candidate.pointer);
      }
      this.#tell({ infoHash: target.name, seq: candidate?.item.seq });
      this.#tidyLanded(target, candidate);
      const current = this.#alreadyCurrent(target, candidate);
      if (current !== undefined) {
        // Told here: while it was looked for, this was asked at each pointer that came.
        const hash = shortHash(current.infoHash ?? current.infoHashV1 ?? target.name);
        this.#note("info", `${hash} is already current, no update needed`);
        return current;
      }
      const ready = this.#ready(target);
      if (ready !== undefined) return await this.#putReady(ready, target, candidate);
      const whole = this.#wholeArchive(target);
      if (whole !== undefined) this.#examineWhole(whole);
      fetched = whole ?? await this.#begin(line, target).fetched;
      if (whole === undefined) {
        // It goes on without a line.
        unpacking = this.#begun?.unpacking;
        this.#begun = undefined;
      }
    } finally {
      await this.#end();
      await line[Symbol.asyncDispose]();
    }
    const { options, ...rest } = this.#common();
    try {
      return await finish({ ...rest, ...options, fetched, unpacking, candidate, startedMs: this.#startedMs });
    } catch (error) {
      await unpacking?.stop();
      throw error;
    }
  }

  async #discover(line: Line): Promise<Candidate> {
    const { files, clock } = this.#machine;
    const report = this.#report;
    const publicKey = this.#named?.kind === "authority" ? this.#named.publicKey : this.#options.authorityKey;
    const salt = this.#named?.kind === "authority" ? this.#named.salt : this.#options.salt;
    const { trust } = readTrusted(files, this.#paths, { publicKey, salt }, report);
    this.#note("info", `Verification using PRODUCER_SIGNING_PUBKEY: ${toHex(publicKey)}`);
    this.#enter("discovering");
    const { discoverTimeoutMs } = this.#options;
    const limit = discoverTimeoutMs === Infinity
      ? ""
      : `, for at most ${formatSeconds(discoverTimeoutMs / 1000)}`;
    this.#note("info", `Looking in the DHT for the newest pointer${limit}`);
    return await discover({
      dht: line.dht!,
      trust,
      authority: publicKey,
      salt,
      clock,
      timeoutMs: this.#options.discoverTimeoutMs,
      signal: this.#signal,
      report,
      patience: true,
      advice: "wait longer with --discover-timeout",
      onCandidate: (found) => {
        const target = ofPointer(found.pointer);
        this.#tell({ infoHash: target.name, seq: found.item.seq });
        if (this.#mayBegin(target, found)) this.#begin(line, target);
      },
    });
  }

  /** Called from inside a lookup, which must go on: what cannot be told now is told when it has ended. */
  #mayBegin(target: Target, found: Candidate): boolean {
    try {
      return (this.#alreadyCurrent(target, found) ?? this.#ready(target) ?? this.#wholeArchive(target)) ===
        undefined;
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      return false;
    }
  }

  /** Fetches this target; another one that was begun with is stopped. */
  #begin(line: Line, target: Target): Begun {
    if (this.#begun?.target.name === target.name) return this.#begun;
    const before = this.#end();
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    const unpacking = this.#options.extract ? new Unpacking({ ...this.#common(), signal }) : undefined;
    const fetched = before.then(() => {
      unpacking?.clear();
      return this.#fetch(line, target, signal, unpacking);
    });
    // Whoever began it may learn of something better before it fails.
    fetched.catch(() => {});
    this.#begun = { target, stop, fetched, unpacking };
    return this.#begun;
  }

  #fetch(
    line: Line,
    target: Target,
    signal: AbortSignal,
    reader: Unpacking | undefined,
  ): Promise<Fetched> {
    const paths = this.#paths;
    this.#note("info", `New snapshot detected: ${shortHash(target.name)}`);
    return fetchTorrent({
      machine: this.#machine,
      paths,
      line,
      target: withSaved(target, this.#machine.files, paths),
      peers: this.#options.peers,
      trackers: { enabled: this.#options.useTrackers, named: this.#options.trackers },
      webSeeds: this.#options.webSeeds,
      bind: this.#options.bind,
      force: this.#options.force,
      stallTimeoutMs: this.#options.stallTimeoutMs,
      client: this.#machine.client,
      onInfo: (info) => this.#examine(info),
      examineSpace: (archive) => this.#place.examineSpace(archive),
      onPhase: (phase) => this.#enter(phase),
      reader,
      isPassing: this.#options.lowDisk === true,
      report: this.#report,
      signal,
    });
  }

  /** Ends what was begun, and waits until its files are closed. */
  async #end(): Promise<void> {
    const begun = this.#begun;
    this.#begun = undefined;
    begun?.stop.abort(new PathUnusable("Superseded by another snapshot"));
    await begun?.fetched.catch(() => {});
    await begun?.unpacking?.stop();
  }

  /** Before the first byte: what can never end well. */
  #examine(info: Info): void {
    refuseName(info);
    refuseForeignFolder(this.#machine.files, join(this.#paths.root, info.name), info);
    this.#place.examine(info);
    const old = ageWarning(publishedMs(originalFilename(info)), this.#machine.clock.unixMs());
    if (old !== undefined) this.#note("warning", old);
    this.#tell({
      name: info.name,
      originalFilename: originalFilename(info),
      size: info.totalLength,
    });
  }

  /** Which snapshot is being fetched, and what is known of it now. */
  #tell(known: Partial<Fetching>): void {
    const isAnother = known.infoHash !== undefined && known.infoHash !== this.#fetching.infoHash;
    this.#fetching = { ...(isAnother ? NOTHING : this.#fetching), ...known };
    this.#report({ kind: "facts", facts: { fetching: this.#fetching } });
  }

  #alreadyCurrent(target: Target, candidate: Candidate | undefined): GetResult | undefined {
    const { clock, files } = this.#machine;
    const installed = this.#installed(target);
    if (installed === undefined) return undefined;
    const isLedger = this.#isLedger(installed);
    if (this.#options.extract ? installed.path !== this.#place.path : isLedger) return undefined;
    const published = this.#publishedMs(installed);
    return {
      path: installed.path,
      size: installed.size,
      seq: candidate?.item.seq,
      publishedMs: published,
      ageMs: published && clock.unixMs() - published,
      infoHash: installed.v2 === installed.v1 ? undefined : installed.v2,
      infoHashV1: installed.v1 ?? undefined,
      alreadyCurrent: true,
      archive: isLedger ? this.#kept : installed.path,
      ledger: isLedger ? ledgerAt(files, installed.path) : undefined,
      downloadedBytes: 0,
      elapsedMs: clock.nowMs() - this.#startedMs,
    };
  }

  /** What an earlier run wrote down, where that was about this snapshot. */
  #publishedMs({ v2 }: SnapshotName): number | undefined {
    const meta = readSnapshotMeta(this.#machine.files, this.#paths.snapshotMeta).value;
    const name = meta["torrent_info_hash"] === v2 ? meta["original_filename"] : undefined;
    return publishedMs(typeof name === "string" ? name : undefined);
  }

  /** The archive of this very snapshot, where an earlier run without `--extract` left it: nothing is to be fetched. */
  #wholeArchive(target: Target): Fetched | undefined {
    const installed = this.#installed(target);
    const paths = this.#paths;
    if (installed === undefined || !this.#options.extract || this.#isLedger(installed)) return undefined;
    const { metainfo } = withSaved({ ...target, name: installed.v2 }, this.#machine.files, paths);
    return metainfo && { info: metainfo.info, path: installed.path, downloadedBytes: 0 };
  }

  /** What installed.json says of this snapshot, as long as the file is untouched. */
  #installed(target: Target): Installed | undefined {
    if (this.#options.force) return undefined;
    const { files } = this.#machine;
    const { value: installed } = readInstalled(files, this.#paths.installed);
    if (installed === undefined || !installed.v2.startsWith(target.name)) return undefined;
    const facts = files.stat(installed.path);
    // Where a node goes on with it, it stays current: what is added to it since is not in the snapshot.
    const isSame = this.#place.isLive && installed.path === this.#place.path &&
      facts?.inode === installed.inode;
    return isSame || isCurrent(installed, installed, facts) ? installed : undefined;
  }

  /** Whether it is a ledger that was unpacked; a mirror's copy of a ledger that is not packed is an archive here. */
  #isLedger({ path, v2 }: Installed): boolean {
    return basename(path) === LEDGER_NAME && path !== this.#paths.snapshot(v2);
  }

  /** An earlier run was killed when only its records were missing. */
  #recordLanded(): void {
    const { landed, path } = this.#place;
    if (landed === undefined) return;
    this.#note(
      "info",
      `An earlier run has put ${shortHash(landed.v2)} into ${path}: its records are completed`,
    );
    writeInstalled(this.#machine.files, this.#paths.installed, { ...landed, path });
    // Before the last record of that run goes: whoever is killed here comes by again.
    this.#keep(landed);
    this.#place.settle();
  }

  /** What else such a run had still to do, once its snapshot is known to be the one that is wanted. */
  #tidyLanded(target: Target, candidate: Candidate | undefined): void {
    const { landed, path } = this.#place;
    const { force } = this.#options;
    if (landed === undefined || force || !landed.v2.startsWith(target.name)) return;
    this.#recordSaved(landed, target, candidate, ledgerAt(this.#machine.files, path));
  }

  #keep({ v2 }: SnapshotName): void {
    const { force, keepArchive } = this.#options;
    if (keepArchive && !force) this.#kept = bringKept(this.#common(), v2);
  }

  /**
   * For a ledger that is in its place, where no torrent is at hand but the one that was saved: that goes, and its content,
   * unless the archive is to be kept.
   */
  #recordSaved(
    { v2 }: SnapshotName,
    target: Target,
    candidate: Candidate | undefined,
    ledger: LedgerSummary | undefined,
  ): void {
    const { files } = this.#machine;
    const { metainfo } = withSaved({ ...target, name: v2 }, files, this.#paths);
    if (metainfo !== undefined) recordSnapshot(files, this.#paths, metainfo.info, candidate?.item, ledger);
    if (!this.#options.keepArchive) discardNamed(this.#machine, this.#paths, v2);
  }

  #ready(target: Target): SnapshotName | undefined {
    return this.#options.force || !this.#options.extract ? undefined : this.#place.isReady(target.name);
  }

  /** Of a ledger that an earlier run has unpacked and checked. */
  async #putReady(
    name: SnapshotName,
    target: Target,
    candidate: Candidate | undefined,
  ): Promise<GetResult> {
    const { files, clock } = this.#machine;
    const { path } = this.#place;
    const seq = candidate?.item.seq ?? name.seq;
    this.#note("info", `${shortHash(name.v2)} was fetched and checked by an earlier run`);
    const ledger = summaryOf(await this.#place.put(undefined, { ...name, seq }));
    writeInstalled(files, this.#paths.installed, { ...name, seq, path });
    this.#keep(name);
    this.#recordSaved(name, target, candidate, ledger);
    this.#place.settle();
    const published = this.#publishedMs(name);
    return {
      path,
      size: files.stat(path)?.size ?? 0,
      seq: seq ?? undefined,
      publishedMs: published,
      ageMs: published && clock.unixMs() - published,
      infoHash: name.v2 === name.v1 ? undefined : name.v2,
      infoHashV1: name.v1 ?? undefined,
      alreadyCurrent: false,
      archive: this.#kept,
      ledger,
      downloadedBytes: 0,
      elapsedMs: clock.nowMs() - this.#startedMs,
    };
  }

  #examineWhole({ info }: Fetched): void {
    this.#examine(info);
    this.#place.clear();
    this.#place.examineSpace({ info, missingBytes: 0, folder: this.#paths.root, passingBytes: undefined });
  }

  #enter(phase: Phase, error?: unknown): void {
    if (phase === this.#phase && error === undefined) return;
    const last_error = error instanceof Error ? error.message : "";
    this.#report({ kind: "facts", facts: { lastError: last_error === "" ? undefined : last_error } });
    this.#report({ kind: "phase", phase, previous: this.#phase });
    this.#phase = phase;
    try {
      writeMirrorState(this.#machine.files, this.#paths.mirrorState, { phase, last_error });
    } catch (cause) {
      // A full disk must not hide the error that is being told.
      if (!(cause instanceof SnapError)) throw cause;
      this.#note("warning", cause.message);
    }
  }

  #common() {
    return {
      options: this.#options,
      machine: this.#machine,
      paths: this.#paths,
      place: this.#place,
      report: this.#report,
      signal: this.#signal,
    };
  }

  #note(level: "info" | "warning", text: string): void {
    this.#report({ kind: "note", level, logger: "mirror.watcher", text });
  }
}

/** An interrupt says that what is whole is kept; of what passes through nothing is. */
function withoutPromise(error: unknown, { reason }: AbortSignal): unknown {
  if (!(error instanceof SnapError) || !(reason instanceof Interrupted)) return error;
  return new Interrupted(
    reason.signal,
    `Stopped by ${reason.signal}: with --low-disk the same command begins anew`,
  );
}

const NOTHING: Fetching = {
  infoHash: "",
  seq: undefined,
  name: undefined,
  originalFilename: undefined,
  size: undefined,
};
