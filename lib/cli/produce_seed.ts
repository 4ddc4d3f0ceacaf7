// `nano-snap produce seed`: words to SeedOptions, SIGHUP to a look at the folder. It runs until it is stopped.

import type { Command } from "commander";
import { resolve } from "node:path";
import { DEFAULT_MAX_PEERS } from "../torrent/limits.ts";
import type { Files } from "../ports.ts";
import type { SeedOptions } from "../producer/seed.ts";
import type { CliContext } from "./context.ts";
import { addKeyOptions, readSigningKey } from "./key_options.ts";
import { addLineOptions, addSchedule, readLineOptions, readSchedule } from "./line_options.ts";
import { addMetricsOptions, METRICS_PORTS, readMetricsAddress } from "./metrics_options.ts";
import { addPortOptions, addTrackerOptions, readPort, readTrackers } from "./network_options.ts";
import { addViewOptions, Inputs, readLimit, readMaxPeers, readSalt, readViewSettings } from "./options.ts";
import { withStatus } from "./run_view.ts";
import { parseCount, refused } from "./values.ts";

/** Adds the command to its group. */
export function addProduceSeed(group: Command, context: CliContext): void {
  const command = group.command("seed")
    .summary("serve the published snapshot, and keep its pointer alive")
    .description(
      "Serves the archive that snapshot-meta.json names until it is stopped, and with a key puts the pointer into the DHT " +
        "every half hour. A new archive is taken at SIGHUP or within a minute; the one before stays until the new one " +
        "is checked and published.",
    )
    .option("--output-dir <dir>", "where `produce publish` left its files (env OUTPUT_DIR; default: .)");
  addKeyOptions(command)
    .option("--salt <text>", "which stream of this key (env DHT_SALT; default: daily)")
    .option(
      "--state-file <file>",
      "remembers the seq (env PUBLISHER_STATE_FILE; default: publisher_state.json in the folder)",
    )
    .option(
      "--retain <number>",
      "earlier archives kept and seeded too (env SNAPSHOT_RETENTION_COUNT; default: 0)",
    );
  addTrackerOptions(addPortOptions(command, { noDht: "do not use the DHT, and so publish nothing" }))
    .option(
      "--up-limit <rate>",
      "bytes per second, with K, M or G; 0 for no limit (env UP_LIMIT; default: 0)",
    )
    .option("--max-peers <number>", `connections at once (env MAX_PEERS; default: ${DEFAULT_MAX_PEERS})`);
  addSchedule(addLineOptions(command));
  addViewOptions(addMetricsOptions(command, METRICS_PORTS.producer));
  command.addHelpText("after", EXAMPLES);
  command.action(async () => {
    const inputs = new Inputs(command.opts(), context.env);
    const settings = readViewSettings(inputs, context.stderrIsTerminal, "producer.seeder");
    const given = readSeedOptions(inputs);
    const metrics = readMetricsAddress(inputs, METRICS_PORTS.producer);
    const [{ seed }, machine] = await Promise.all([import("../producer/seed.ts"), context.machine()]);
    const { key, warnings } = readKey(inputs, machine.files);
    await withStatus({ role: "produce", settings, metrics }, context, (report) => {
      for (const text of warnings) {
        report({ kind: "note", level: "warning", logger: "producer.seeder", text });
      }
      return seed({ ...given, key }, machine, report, context.signal, context.onHangup);
    });
  });
}

/** The whole request, without the key. @throws {UsageError} */
export function readSeedOptions(inputs: Inputs): Omit<SeedOptions, "key"> {
  const outputDir = inputs.text("--output-dir", "OUTPUT_DIR");
  if (outputDir?.text === "") throw refused(outputDir, "a folder");
  const stateFile = inputs.text("--state-file", "PUBLISHER_STATE_FILE");
  if (stateFile?.text === "") throw refused(stateFile, "a file");
  const retain = inputs.text("--retain", "SNAPSHOT_RETENTION_COUNT");
  return {
    outputDir: resolve(outputDir?.text ?? "."),
    salt: readSalt(inputs),
    stateFile: stateFile === undefined ? undefined : resolve(stateFile.text),
    retain: retain === undefined || retain.text === "0" ? 0 : parseCount(retain, MOST_RETAINED),
    line: {
      ...readPort(inputs),
      maxPeers: readMaxPeers(inputs),
      downLimit: undefined,
      upLimit: readLimit(inputs.text("--up-limit", "UP_LIMIT")),
      ...readLineOptions(inputs),
      schedule: readSchedule(inputs),
    },
    trackers: readTrackers(inputs),
  };
}

/** Who has no key seeds all the same; one that cannot be read is told. */
function readKey(
  inputs: Inputs,
  files: Files,
): { key: SeedOptions["key"]; warnings: readonly string[] } {
  const isGiven = ["--key-file", "--private-key"].some((flag) => inputs.text(flag) !== undefined) ||
    inputs.variable("DHT_PRIVATE_KEY") !== undefined;
  return isGiven ? readSigningKey(inputs, files) : { key: undefined, warnings: [] };
}

/** Each is a folder, an open file and two announcements. */
const MOST_RETAINED = 100;

const EXAMPLES = `
Examples:
  nano-snap produce seed --output-dir /srv/snapshots --key-file ~/.nano-snap-key
  nano-snap produce seed --output-dir /srv/snapshots                seed only: the pointer is put by others

To have it look at the folder now: kill -HUP and its process number, which .nano-snap/seed.lock in the folder says.
It writes seeder-stats.json into the folder every five seconds.

Exit codes: 2 usage, 4 the archive is not what its torrent says, 6 nothing to seed, permission, path or port,
9 another seeder has the folder, 70 a bug, 130 and 143 stopped by a signal.`;
