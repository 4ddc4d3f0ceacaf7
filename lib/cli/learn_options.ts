// Flags and variables of asking peers what a torrent is, for the commands that fetch nothing.

import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import type { Report } from "../events.ts";
import type { Learner, LearnOptions } from "../mirror/learn.ts";
import type { Machine } from "../mirror/machine.ts";
import type { Inputs } from "./inputs.ts";
import { readLineOptions } from "./line_options.ts";
import {
  addPeerOptions,
  addPortOptions,
  addTrackerOptions,
  readPeers,
  readPort,
  readTrackers,
} from "./network_options.ts";
import { withoutEffect } from "./options.ts";
import { parseDurationMs } from "./values.ts";

/** Adds them. The port is a free one, whatever PORT says: that is a mirror's, which may go on beside it. */
export function addLearnOptions(command: Command): Command {
  return addTrackerOptions(addPeerOptions(addPortOptions(command, { port: "default: 0" })))
    .option("--no-lsd", "do not look for peers in the local network (env LSD_ENABLED, true or false)")
    .option("--timeout <time>", "give up asking after this long, 0 for never (default: 120s)");
}

/** What was asked for, and sentences about what of it has no effect. */
export interface LearnSettings {
  readonly options: LearnOptions;
  readonly warnings: readonly string[];
}

/**
 * @param dataDir Whose records may help.
 * @throws {UsageError}
 */
export function readLearnOptions(inputs: Inputs, dataDir: string): LearnSettings {
  const line = readPort(inputs, { port: 0, variable: null });
  const trackers = readTrackers(inputs);
  const warnings = withoutEffect(line, trackers);
  const timeout = inputs.text("--timeout");
  const options = {
    ...line,
    dataDir,
    peers: readPeers(inputs, warnings),
    trackers: trackers.named,
    useTrackers: trackers.enabled,
    lsd: readLineOptions(inputs).lsd,
    timeoutMs: timeout === undefined ? TIMEOUT_MS : parseDurationMs(timeout) || Infinity,
  };
  return { options, warnings };
}

/**
 * Refuses flags that say whom to ask, where nobody is. Variables are let be: they are meant for other commands too.
 *
 * @param needed What would have it ask: "--fetch".
 * @param more Other flags that only this gives a meaning.
 * @throws {UsageError}
 */
export function refuseLearnOptions(inputs: Inputs, needed: string, more: readonly string[] = []): void {
  const given = [
    ...[...TEXTS, ...more].filter((flag) => inputs.text(flag) !== undefined),
    ...LISTS.filter((flag) => inputs.list(flag).length > 0),
    ...SWITCHES.filter((name) => inputs.isOff(name)).map((name) => `--no-${name}`),
  ];
  if (given.length > 0) {
    throw new UsageError(`${given[0]} has no effect without ${needed}: nobody is asked`);
  }
}

/** The network's code is loaded only now: most calls need none of it. */
export async function openLearner(
  { options, warnings }: LearnSettings,
  machine: Machine,
  report: Report,
  signal: AbortSignal,
): Promise<Learner> {
  const { Learner } = await import("../mirror/learn.ts");
  for (const text of warnings) report({ kind: "note", level: "warning", logger: "mirror.watcher", text });
  return new Learner(options, machine, report, signal);
}

/** All that `addLearnOptions` adds. */
const TEXTS = ["--port", "--timeout"];
const LISTS = ["--bind", "--dht-bootstrap", "--peer", "--seed-peer", "--tracker"];
const SWITCHES = ["dht", "trackers", "lsd"];
const TIMEOUT_MS = 120_000;
