// `nano-snap swarm`: words to FollowOptions, SIGHUP to a look at everything, with settings read again. It runs until it is
// stopped; what it does is lib/mirror/follow.ts.

import type { Command } from "commander";
import type { Report, RunEvent } from "../events.ts";
import type { CliContext } from "./context.ts";
import { addEnvFile } from "./env_file.ts";
import { addSchedule } from "./line_options.ts";
import { addMetricsOptions, METRICS_PORTS } from "./metrics_options.ts";
import { addCommonOptions, addViewOptions } from "./options.ts";
import { withStatus } from "./run_view.ts";
import { Settings } from "./settings.ts";

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
    .option(
      "--keep <number>",
      "older snapshots that stay on disk and are seeded too (env KEEP_SNAPSHOTS; default: 0)",
    )
    .option("--on-update <program>", "run this program after each new snapshot (env ON_UPDATE)")
    .option(
      "--no-refresh",
      "do not put the pointer into the DHT again where it has become rare (env REFRESH_ENABLED, true or false)",
    )
    .option("--replace-in-place", "where two snapshots have no room, give up the old one first")
    .option("--download-timeout <seconds>", "taken for upstream's sake: silence never ends a mirror here")
    .option("--extract", "has an effect with --once only");
  addEnvFile(command);
  addViewOptions(
    addMetricsOptions(command, METRICS_PORTS.mirror),
    "write each new snapshot as a line of JSON",
  );
  command.addHelpText("after", EXAMPLES);
  command.action(async () => {
    const [{ follow }, machine] = await Promise.all([import("../mirror/follow.ts"), context.machine()]);
    const settings = Settings.open({ flags: command.opts(), context, files: machine.files });
    const { view, metrics, options, warnings } = settings.current;
    await withStatus({ role: "swarm", settings: view, metrics }, context, (report, changeLevel) => {
      for (const text of warnings) report({ kind: "note", level: "warning", logger: "mirror.watcher", text });
      const told = view.json ? alsoAsJson(report, context.stdout) : report;
      return follow(options, machine, told, context.signal, (listener) => {
        context.onHangup(() => listener(settings.readAgain(report, changeLevel)));
      });
    });
  });
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

const EXAMPLES = `
Examples:
  nano-snap swarm --data-dir /srv/nano           a mirror; "nano-snap" alone means the same
  nano-snap swarm --up-limit 5M --max-peers 50   for a small line
  nano-snap swarm --keep 1                       serve the snapshot before the newest, too
  nano-snap swarm --on-update /usr/local/bin/new-snapshot

--on-update runs one program, without a shell, with NANO_SNAP_SEQ, NANO_SNAP_INFO_HASH and NANO_SNAP_PATH in its
environment; it is killed after ten minutes. kill -HUP makes a mirror look now: for a newer snapshot, at its files,
for room on the disk. With --env-file it also reads its settings from there again: limits, schedule, connections, poll
interval, log level and more hold at once, the others when it is started again.

Exit codes: 1 failure, 2 usage, 6 permission, path or port, 9 another instance has the data directory, 70 a bug,
130 and 143 stopped by a signal.`;
