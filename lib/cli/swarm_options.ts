// What the words, variables and settings of `nano-snap swarm` mean together.

import { UsageError } from "../errors.ts";
import type { FollowOptions } from "../mirror/follow_options.ts";
import { readEnabled, readSchedule } from "./line_options.ts";
import { type Inputs, readCommonSettings } from "./options.ts";
import { type Given, parseCount, parseDurationMs, refused } from "./values.ts";

/** The whole request of a mirror. @throws {UsageError} */
export function readFollowOptions(inputs: Inputs): { options: FollowOptions; warnings: string[] } {
  const { warnings: given, ...common } = readCommonSettings(inputs, []);
  const warnings = [...given];
  if (!common.dht.enabled) {
    throw new UsageError("--no-dht leaves no way to follow the authority: its pointer is in the DHT");
  }
  if (inputs.isOn("--extract")) warnings.push("--extract has no effect without --once and is ignored");
  const poll = inputs.text("--poll-interval", "POLL_INTERVAL");
  const keep = inputs.text("--keep", "KEEP_SNAPSHOTS");
  const onUpdate = inputs.text("--on-update", "ON_UPDATE");
  const isRefreshing = readEnabled(inputs.variable("REFRESH_ENABLED"));
  if (onUpdate?.text === "") throw refused(onUpdate, "a program");
  const timeout = inputs.text("--download-timeout");
  // Whatever it says, a mirror goes on; a value that means nothing is refused all the same.
  if (timeout !== undefined) parseDurationMs(timeout);
  const options = {
    ...common,
    schedule: readSchedule(inputs),
    pollMs: poll === undefined ? POLL_MS : parsePoll(poll),
    keep: keep === undefined || keep.text.trim() === "0" ? 0 : parseCount(keep, MOST_KEPT),
    refresh: isRefreshing && !inputs.isOff("refresh"),
    replaceInPlace: inputs.isOn("--replace-in-place"),
    onUpdate: onUpdate?.text,
  };
  return { options, warnings };
}

function parsePoll(given: Given): number {
  const ms = parseDurationMs(given);
  if (ms < SHORTEST_POLL_MS || ms > LONGEST_POLL_MS) {
    throw refused(given, "a time from one second to one day");
  }
  return ms;
}

/** As upstream. */
const POLL_MS = 600_000;
/** A lookup costs some forty packets, each to somebody else. */
const SHORTEST_POLL_MS = 1000;
const LONGEST_POLL_MS = 86_400_000;
/** Each is a file of tens of gigabytes, and two announcements. */
const MOST_KEPT = 100;
