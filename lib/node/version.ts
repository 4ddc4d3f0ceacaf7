// Which release of the node is installed, and whether it takes a ledger. A node refuses a ledger that is newer than it.

import { SnapError } from "../errors.ts";
import type { Programs } from "../ports.ts";

/** A release as it is named: V27.1 is 27 and 1. */
export interface NodeVersion {
  readonly major: number;
  readonly minor: number;
}

/**
 * Asks the node's program, which starts no node.
 *
 * @param binary undefined looks for nano_node on PATH.
 * @returns undefined when there is none, or it does not say.
 */
export async function installedVersion(
  programs: Programs,
  binary: string | undefined,
  clock: { sleep(ms: number, signal?: AbortSignal): Promise<void> },
  signal: AbortSignal,
): Promise<NodeVersion | undefined> {
  const program = binary ?? programs.find("nano_node");
  if (program === undefined) return undefined;
  const late = new AbortController();
  const answered = new AbortController();
  const timer = clock.sleep(PATIENCE_MS, answered.signal).then(() => late.abort());
  try {
    let text = "";
    const ended = AbortSignal.any([signal, late.signal]);
    const onOutput = (more: string) => text = (text + more).slice(0, MAX_ANSWER);
    await programs.run(program, ["--version"], { signal: ended, onOutput });
    return parseVersion(text);
  } catch (error) {
    signal.throwIfAborted();
    if (!late.signal.aborted && !(error instanceof SnapError)) throw error;
    return undefined;
  } finally {
    answered.abort();
    await timer;
  }
}

/** What `nano_node --version` says: "Version V27.1". */
export function parseVersion(text: string): NodeVersion | undefined {
  const match = /\bV(\d{1,4})\.(\d{1,4})/.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) };
}

/** "V27.1". */
export function formatVersion({ major, minor }: NodeVersion): string {
  return `V${major}.${minor}`;
}

/**
 * A sentence when the node is too old for a ledger.
 *
 * @param needed The first release that takes it: "V27.0"; undefined when nobody knows, and then nothing is said.
 */
export function versionWarning(
  installed: NodeVersion | undefined,
  needed: string | undefined,
  ledgerVersion: number,
): string | undefined {
  const least = needed === undefined ? undefined : parseVersion(needed);
  if (installed === undefined || least === undefined) return undefined;
  const isOlder = installed.major < least.major ||
    (installed.major === least.major && installed.minor < least.minor);
  if (!isOlder) return undefined;
  return `The node here is ${
    formatVersion(installed)
  }, and this ledger (version ${ledgerVersion}) needs ${needed} or later: ` +
    "it will refuse the ledger until it is upgraded";
}

/** It answers at once, or is no node. */
const PATIENCE_MS = 10_000;
const MAX_ANSWER = 4000;
