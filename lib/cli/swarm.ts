// `nano-snap swarm`: words to FollowOptions, SIGHUP to a look at everything. It runs until it is stopped; what it does is
// lib/mirror/follow.ts.

import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import type { Report, RunEvent } from "../events.ts";
import type { FollowOptions } from "../mirror/follow_options.ts";
import type { CliContext } from "./context.ts";
import { addSchedule, readSchedule } from "./line_options.ts";
import { addMetricsOptions, METRICS_PORTS, readMetricsAddress } from "./metrics_options.ts";
import { addCommonOptions, addViewOptions, Inputs, readCommonSettings, readViewSettings } from "./options.ts";
import { withStatus } from "./run_view.ts";
import { type Given, parseCount, parseDurationMs, refused } from "./values.ts";

/** Adds the command to the program. */
export function addSwarm(program: Command, context: CliContext): void {
  const command = program.command("swarm")
    .summary("follow the authority for ever: fetch what is new, seed it")
    .description(
      "Keeps the newest snapshot that the authority signed and serves it, until it is stopped. A new one is fetched " +
        "beside the old one, which is served until the new one is whole.",
    );
  addSchedule(addCommonOptions(command, []))
    .option(
      "--poll-interval <time>",
      "between two looks for a newer snapshot (env POLL_INTERVAL; default: 600s)",
    )
    .option("--keep <number>", "older snapshots that stay on disk and are seeded too (default: 0)")
    .option("--on-update <program>", "run this program after each new snapshot")
    .option("--no-refresh", "do not put the pointer into the DHT again where it has become rare")
    .option("--replace-in-place", "where two snapshots have no room, give up the old one first")
    .option("--download-timeout <seconds>", "taken for upstream's sake: silence never ends a mirror here")
    .option("--extract", "has an effect with --once only");
  addViewOptions(
    addMetricsOptions(command, METRICS_PORTS.mirror),
    "write each new snapshot as a line of JSON",
  );
  command.addHelpText("after", EXAMPLES);
  command.action(async () => {
    const inputs = new Inputs(command.opts(), context.env);
    const settings = readViewSettings(inputs, context.stderrIsTerminal);
    const { options, warnings } = readFollowOptions(inputs);
    const metrics = readMetricsAddress(inputs, METRICS_PORTS.mirror);
    const [{ follow }, machine] = await Promise.all([import("../mirror/follow.ts"), context.machine()]);
    await withStatus({ role: "swarm", settings, metrics }, context, (report) => {
      for (const text of warnings) report({ kind: "note", level: "warning", logger: "mirror.watcher", text });
      const told = settings.json ? alsoAsJson(report, context.stdout) : report;
      return follow(options, machine, told, context.signal, context.onHangup);
    });
  });
}

/** The whole request of a mirror. @throws {UsageError} */
export function readFollowOptions(inputs: Inputs): { options: FollowOptions; warnings: string[] } {
  const { warnings: given, ...common } = readCommonSettings(inputs, []);
  const warnings = [...given];
  if (!common.dht.enabled) {
    throw new UsageError("--no-dht leaves no way to follow the authority: its pointer is in the DHT");
  }
  if (inputs.isOn("--extract")) warnings.push("--extract has no effect without --once and is ignored");
  const poll = inputs.text("--poll-interval", "POLL_INTERVAL");
  const keep = inputs.text("--keep");
  const onUpdate = inputs.text("--on-update");
  if (onUpdate?.text === "") throw refused(onUpdate, "a program");
  const timeout = inputs.text("--download-timeout");
  // Whatever it says, a mirror goes on; a value that means nothing is refused all the same.
  if (timeout !== undefined) parseDurationMs(timeout);
  const options = {
    ...common,
    schedule: readSchedule(inputs),
    pollMs: poll === undefined ? POLL_MS : parsePoll(poll),
    keep: keep === undefined || keep.text.trim() === "0" ? 0 : parseCount(keep, MOST_KEPT),
    refresh: !inputs.isOff("refresh"),
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

/** One object a line for scripts: what was found, switched to, and what is wrong. */
function alsoAsJson(report: Report, write: (text: string) => void): Report {
  return (event) => {
    report(event);
    const json = jsonOf(event);
    if (json !== undefined) write(JSON.stringify(json) + "\n");
  };
}

function jsonOf(event: RunEvent): Record<string, unknown> | undefined {
  switch (event.kind) {
    case "discovered":
      return event.isNews ? { event: "discovered", seq: event.seq, info_hash: event.infoHash } : undefined;
    case "switched": {
      const { path, size, seq, infoHash, infoHashV1, originalFilename } = event.snapshot;
      return {
        event: "switched",
        path,
        size,
        seq: seq ?? null,
        info_hash: infoHash,
        info_hash_v1: infoHashV1 ?? null,
        original_filename: originalFilename,
      };
    }
    case "degraded":
      return { event: event.why === undefined ? "well" : "degraded", why: event.why ?? null };
    default:
      return undefined;
  }
}

/** As upstream. */
const POLL_MS = 600_000;
/** A lookup costs some forty packets, each to somebody else. */
const SHORTEST_POLL_MS = 1000;
const LONGEST_POLL_MS = 86_400_000;
/** Each is a file of tens of gigabytes, and two announcements. */
const MOST_KEPT = 100;

const EXAMPLES = `
Examples:
  nano-snap swarm --data-dir /srv/nano           a mirror; "nano-snap" alone means the same
  nano-snap swarm --up-limit 5M --max-peers 50   for a small line
  nano-snap swarm --keep 1                       serve the snapshot before the newest, too
  nano-snap swarm --on-update /usr/local/bin/new-snapshot

--on-update runs one program, without a shell, with NANO_SNAP_SEQ, NANO_SNAP_INFO_HASH and NANO_SNAP_PATH in its
environment; it is killed after ten minutes. kill -HUP makes a mirror look now: for a newer snapshot, at its files,
for room on the disk. Its settings come from its flags and environment and change when it is started again.

Exit codes: 1 failure, 2 usage, 6 permission, path or port, 9 another instance has the data directory, 70 a bug,
130 and 143 stopped by a signal.`;
