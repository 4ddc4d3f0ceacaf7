// The job of `nano-snap upgrade`: the program that runs, replaced by a release's, or a sentence that says why not.
//
//   writable? -> SHA256SUMS -> signed? -> another, and not older? -> fetched, sum compared -> it runs, and trusts the
//   same authority -> renamed over the old one
//
// Until the last step nothing has changed; that one is atomic, and whatever runs goes on with the old file.

import { createHash, type KeyObject } from "node:crypto";
import { basename, dirname, join } from "node:path";
import {
  invariant,
  NetworkStalled,
  OperationFailed,
  PathUnusable,
  SnapError,
  UsageError,
  VerificationFailed,
} from "../errors.ts";
import type { Report } from "../events.ts";
import type { Clock, Files, HttpStreams, OwnProgram, Programs } from "../ports.ts";
import { type Asset, assetFor } from "./assets.ts";
import { fetchProgram, fetchSmall, otherSum } from "./fetch.ts";
import { isSignedBy, SIGNATURE_BYTES } from "./key.ts";
import { releaseFolders } from "./places.ts";
import { parseSums, type Sums } from "./sums.ts";
import { compareVersions } from "./versions.ts";

export interface UpgradeOptions {
  /** NANO_SNAP_BASE_URL; undefined for the project's own releases. */
  readonly base: string | undefined;
  /** undefined: the newest; an older one than this is then refused. */
  readonly version: string | undefined;
  readonly checkOnly: boolean;
  /** undefined: the project has none yet. */
  readonly releaseKey: KeyObject | undefined;
  /** Of the program that runs. */
  readonly current: { readonly version: string; readonly authority: string };
}

/** What an upgrade came to. */
export interface UpgradeResult {
  /** The program. */
  readonly path: string;
  /** Its version before. */
  readonly before: string;
  /** Of the release; undefined when that does not say, and nobody tried it. */
  readonly release: string | undefined;
  /** "older": the release is, and nothing was done. */
  readonly outcome: "current" | "older" | "available" | "upgraded";
  readonly isSigned: boolean;
}

export interface UpgradeMachine {
  readonly files: Files;
  readonly http: HttpStreams;
  readonly programs: Programs;
  readonly clock: Clock;
  readonly self: OwnProgram;
  readonly pid: number;
}

/** A release whose SHA256SUMS was read, and is signed where there is a key. */
interface Release {
  readonly folder: string;
  readonly sums: Sums;
}

/**
 * Does it.
 *
 * @throws {UsageError} From source, or with a base that is none. @throws {PathUnusable} When the program cannot be replaced.
 * @throws {NetworkStalled} @throws {VerificationFailed} When a sum, the signature or the authority is another.
 * @throws {OperationFailed} When there is no program for this system, or the new one does not run here.
 */
export async function upgrade(
  options: UpgradeOptions,
  machine: UpgradeMachine,
  report: Report,
  signal: AbortSignal,
): Promise<UpgradeResult> {
  const { path: own, target } = machine.self;
  if (own === undefined) {
    throw new UsageError(
      "Cannot upgrade: this is no compiled program but runs from source; update that instead",
    );
  }
  const asset = assetFor(target);
  if (asset === undefined) {
    throw new OperationFailed(`Cannot upgrade: releases have no program for ${target}`);
  }
  // A link to the program stays one.
  const path = machine.files.realPath(own) ?? own;
  const folders = releaseFolders(options.base, options.version);
  // Before anything is fetched, so that nobody waits for a refusal.
  using workFile = options.checkOnly ? undefined : new WorkFile(path, machine);
  const release = await readRelease(folders, options, machine, report, signal);
  const facts = { path, before: options.current.version, isSigned: options.releaseKey !== undefined };
  const verdict = judge(release, asset, path, options, machine.files);
  if (verdict !== "available" || workFile === undefined) {
    return { ...facts, release: release.sums.version, outcome: verdict };
  }
  await fetchInto(workFile, release, asset, machine, report, signal);
  const version = await tryProgram(workFile.path, release, options, machine, signal);
  if (options.version === undefined && compareVersions(version, options.current.version) < 0) {
    return { ...facts, release: version, outcome: "older" };
  }
  signal.throwIfAborted();
  workFile.replaceProgram();
  return { ...facts, release: version, outcome: "upgraded" };
}

/** A file beside the program, which becomes it or goes. */
class WorkFile implements Disposable {
  readonly path: string;
  readonly #program: string;
  readonly #machine: UpgradeMachine;
  readonly #mode: number;

  /** @throws {PathUnusable} When no file can be made there: then the program cannot be replaced either. */
  constructor(program: string, machine: UpgradeMachine) {
    const { files, pid, clock } = machine;
    const facts = files.stat(program);
    if (facts?.kind !== "file") throw new PathUnusable(`Cannot upgrade ${program}: it is not there any more`);
    this.#program = program;
    this.#machine = machine;
    this.#mode = facts.mode ?? 0o755;
    this.path = join(dirname(program), `${PREFIX}${pid}${endingOf(program)}`);
    try {
      removeLeftovers(files, dirname(program), clock.unixMs());
      files.remove(this.path);
      files.writeNew(this.path, new Uint8Array(), 0o600);
    } catch (error) {
      if (!(error instanceof PathUnusable)) throw error;
      throw new PathUnusable(
        `Cannot upgrade ${program}: ${error.message}; run this as the user who installed it, or install elsewhere`,
        { cause: error },
      );
    }
  }

  /** From now on it can be run. */
  makeProgram(): void {
    this.#machine.self.setMode(this.path, this.#mode);
  }

  /** The last step. */
  replaceProgram(): void {
    const { files, self } = this.#machine;
    if (self.canReplace) return files.rename(this.path, this.#program);
    // A running program can be moved there, not replaced. The next upgrade removes it.
    const away = join(dirname(this.#program), `${PREFIX}old${endingOf(this.#program)}`);
    files.remove(away);
    files.rename(this.#program, away);
    try {
      files.rename(this.path, this.#program);
    } catch (error) {
      files.rename(away, this.#program);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#machine.files.remove(this.path);
  }
}

/** What a killed upgrade left. One that runs is younger. */
function removeLeftovers(files: Files, folder: string, nowMs: number): void {
  for (const name of files.list(folder).filter((name) => /^\.nano-snap-upgrade\.\d+(\.exe)?$/.test(name))) {
    const path = join(folder, name);
    if (nowMs - (files.stat(path)?.mtimeMs ?? nowMs) > LEFTOVER_MS) files.remove(path);
  }
}

async function readRelease(
  folders: readonly string[],
  { releaseKey }: UpgradeOptions,
  { http }: UpgradeMachine,
  report: Report,
  signal: AbortSignal,
): Promise<Release> {
  const means = { http, signal };
  for (const folder of folders) {
    const text = await fetchSmall(`${folder}/${SUMS}`, MAX_SUMS_BYTES, means);
    if (text === undefined) continue;
    if (releaseKey === undefined) {
      note(report, "warning", "No signature is checked: the project has no release key yet");
    } else {
      const signature = await fetchSmall(`${folder}/${SUMS}.sig`, SIGNATURE_BYTES, means);
      if (signature === undefined) {
        throw new VerificationFailed(
          `Cannot trust ${folder}/${SUMS}: it is not signed (there is no ${SUMS}.sig)`,
        );
      }
      if (!isSignedBy(releaseKey, text, signature)) {
        throw new VerificationFailed(`Cannot trust ${folder}/${SUMS}: it is not signed by the release key`);
      }
      note(report, "debug", `${folder}/${SUMS} is signed by the release key`);
    }
    return { folder, sums: parseSums(new TextDecoder().decode(text)) };
  }
  throw new NetworkStalled(
    `Cannot fetch ${folders.at(-1)}/${SUMS}: the server has no such file (is there such a release?)`,
  );
}

function judge(
  { folder, sums }: Release,
  asset: Asset,
  path: string,
  { version, current }: UpgradeOptions,
  files: Files,
): "current" | "older" | "available" {
  const wanted = sums.files.get(asset.name);
  if (wanted === undefined && !sums.files.has(`${asset.name}.gz`)) {
    throw new VerificationFailed(`Cannot use ${folder}: its ${SUMS} has no line for ${asset.name}`);
  }
  if (version !== undefined && sums.version !== undefined && version !== sums.version) {
    throw otherVersion(folder, sums.version, version);
  }
  if (wanted !== undefined && wanted === sumOf(files, path)) return "current";
  if (sums.version === undefined || version !== undefined) return "available";
  const order = compareVersions(sums.version, current.version);
  if (order === 0 && wanted === undefined) return "current";
  return order < 0 ? "older" : "available";
}

async function fetchInto(
  workFile: WorkFile,
  { folder, sums }: Release,
  { name }: Asset,
  { http, files }: UpgradeMachine,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const packedSum = sums.files.get(`${name}.gz`);
  const plainSum = sums.files.get(name);
  const isPacked = packedSum !== undefined;
  const sum = packedSum ?? plainSum;
  invariant(sum !== undefined, "a release without a line for this system was refused");
  const url = `${folder}/${name}${isPacked ? ".gz" : ""}`;
  note(report, "info", `Downloading ${url}`);
  const file = files.open(workFile.path, "write");
  try {
    const onProgress = (doneBytes: number, totalBytes: number) => {
      if (totalBytes > 0) report({ kind: "work", label: "Downloading", doneBytes, totalBytes });
    };
    const written = await fetchProgram(url, file, { http, signal, sum, isPacked, onProgress });
    if (plainSum !== undefined && written !== plainSum) {
      throw otherSum(`the program in ${url}`, written, plainSum);
    }
    await file.sync();
  } finally {
    file.close();
  }
  workFile.makeProgram();
}

/** Runs it once: a wrong processor or a missing library shows now. @returns Its version. */
async function tryProgram(
  path: string,
  { folder, sums }: Release,
  { version, current }: UpgradeOptions,
  { programs }: UpgradeMachine,
  signal: AbortSignal,
): Promise<string> {
  let said = "";
  const onOutput = (text: string) => {
    said = (said + text).slice(0, MAX_ANSWER_CHARACTERS);
  };
  let why: string;
  try {
    const { code, stderr } = await programs.run(path, ["version", "--json"], { signal, onOutput });
    why = code === 0 ? "" : `exit code ${code} ${stderr}`.trim();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof SnapError)) throw error;
    why = error.message;
  }
  if (why !== "") {
    throw new OperationFailed(`Cannot use the program of ${folder}: it does not run here: ${why}`);
  }
  const facts = factsIn(said);
  if (facts === undefined) {
    throw new VerificationFailed(`Cannot use the program of ${folder}: it is no nano-snap`);
  }
  const expected = version ?? sums.version;
  if (expected !== undefined && facts.version !== expected) {
    throw otherVersion(folder, facts.version, expected);
  }
  if (facts.authority !== current.authority) {
    throw new VerificationFailed(
      `Cannot upgrade by itself: the program of ${folder} trusts another authority (${facts.authority}) than this ` +
        `one (${current.authority}); if that is what you want, install it with install.sh`,
    );
  }
  return facts.version;
}

function factsIn(text: string): { version: string; authority: string } | undefined {
  try {
    const { name, version, authority } = JSON.parse(text);
    if (name !== "nano-snap" || typeof version !== "string" || typeof authority !== "string") {
      return undefined;
    }
    return { version, authority };
  } catch {
    return undefined;
  }
}

function otherVersion(folder: string, is: string, wanted: string): OperationFailed {
  return new OperationFailed(`Cannot use ${folder}: it has version ${is}, not ${wanted}`);
}

/** Read in parts: it is as large as a program. */
function sumOf(files: Files, path: string): string {
  const hash = createHash("sha256");
  const file = files.open(path, "read");
  try {
    const part = new Uint8Array(READ_BYTES);
    let at = 0;
    for (let count = file.readAt(part, at); count > 0; count = file.readAt(part, at)) {
      hash.update(part.subarray(0, count));
      at += count;
    }
  } finally {
    file.close();
  }
  return hash.digest("hex");
}

/** Windows starts nothing without one. */
function endingOf(program: string): string {
  return basename(program).endsWith(".exe") ? ".exe" : "";
}

function note(report: Report, level: "debug" | "info" | "warning", text: string): void {
  report({ kind: "note", level, logger: "upgrade", text });
}

const SUMS = "SHA256SUMS";
/** A hundred bytes a line, a dozen lines. */
const MAX_SUMS_BYTES = 64 << 10;
const MAX_ANSWER_CHARACTERS = 10_000;
const READ_BYTES = 1 << 20;
const PREFIX = ".nano-snap-upgrade.";
const LEFTOVER_MS = 3600_000;
