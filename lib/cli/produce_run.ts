// `nano-snap produce run`: words to RunOptions, what is published to stdout. With --seed it goes on as `produce seed`.

import type { Command } from "commander";
import { resolve } from "node:path";
import { toHex } from "../bytes.ts";
import { UsageError } from "../errors.ts";
import type { Report } from "../events.ts";
import type { RunOptions, RunResult } from "../producer/run.ts";
import type { CliContext, CliMachine } from "./context.ts";
import { addKeyOptions, readSigningKey } from "./key_options.ts";
import { collect } from "./inputs.ts";
import { addBootstrap } from "./network_options.ts";
import { addViewOptions, Inputs, readViewSettings } from "./options.ts";
import { readSeedOptions } from "./produce_seed.ts";
import { hashLines } from "./produce_torrent.ts";
import { addMetricsOptions, METRICS_PORTS, readMetricsAddress } from "./metrics_options.ts";
import { watched, withView } from "./run_view.ts";
import { addTorrentOptions, readTorrentOptions } from "./torrent_options.ts";
import { type Given, parseChoice, refused } from "./values.ts";

/** Adds the command to its group. */
export function addProduceRun(group: Command, context: CliContext): void {
  const command = group.command("run")
    .summary("take the newest archive or ledger, and publish it if it is new")
    .description(
      "Fetches the archive that an index names, or copies and packs a node's ledger; makes its torrent, puts both into the " +
        "output directory, publishes the pointer, and tells the seeder. With nothing new it does nothing: for a timer.",
    )
    .option(
      "--source-index <url>",
      "a text whose body is the archive's URL (env UPSTREAM_SNAPSHOT_INDEX_URL; default: the Nano Foundation's)",
    )
    .option("--ledger <file>", "a node's data.ldb instead, or the folder it is in")
    .option("--format <format>", "how the ledger is published: 7z, tar.zst or ldb (default: 7z)")
    .option("--output-dir <dir>", "where everything goes (env OUTPUT_DIR; default: .)")
    .option("--retain <number>", "earlier archives to keep (env SNAPSHOT_RETENTION_COUNT; default: 0)")
    .option("--seed", "go on as `produce seed`, unless one runs already");
  addKeyOptions(command)
    .option("--salt <text>", "which stream of this key (env DHT_SALT; default: daily)")
    .option(
      "--state-file <file>",
      "remembers the seq (env PUBLISHER_STATE_FILE; default: publisher_state.json in the folder)",
    );
  addBootstrap(command)
    .option("--port <number>", "of the seeder, with --seed (env PORT; default: 6881)")
    .option("--bind <address>", "use this address only", collect);
  addMetricsOptions(addTorrentOptions(command), METRICS_PORTS.producer);
  addViewOptions(command);
  command.addHelpText("after", EXAMPLES);
  command.action(async () => {
    const inputs = new Inputs(command.opts(), context.env);
    const settings = readViewSettings(inputs, context.stderrIsTerminal, "producer.run");
    const given = readRunOptions(inputs);
    const seedOptions = inputs.isOn("--seed") ? readSeedOptions(inputs) : undefined;
    const metrics = readMetricsAddress(inputs, METRICS_PORTS.producer);
    const [{ produceRun }, { DOWNLOAD_DEFAULTS }, { DEFAULT_SOURCE_INDEX }, machine] = await Promise.all([
      import("../producer/run.ts"),
      import("../producer/ranged_download.ts"),
      import("../producer/source_index.ts"),
      context.machine(),
    ]);
    const { key, warnings } = readSigningKey(inputs, machine.files);
    const source = given.source.kind === "ledger"
      ? given.source
      : { kind: "index" as const, url: given.source.url ?? DEFAULT_SOURCE_INDEX, limits: DOWNLOAD_DEFAULTS };
    const options: RunOptions = { ...given, source, key };
    await withView(settings, context, async (report) => {
      for (const text of warnings) warn(report, text);
      const result = await produceRun(options, machine, report, context.signal);
      context.stdout(settings.json ? runJson(result) : runText(result));
      if (seedOptions === undefined) return;
      if (result.seeder !== undefined) return warn(report, "--seed has nothing to do: a seeder runs already");
      await watched(
        { role: "produce", metrics },
        context,
        report,
        (report) => seedOn({ ...seedOptions, key }, machine, report, context),
      );
    });
  });
}

/** The whole request, without the key; an index that is not named is the default one. @throws {UsageError} */
export function readRunOptions(inputs: Inputs): Omit<RunOptions, "key" | "source"> & {
  readonly source: { kind: "index"; url: string | undefined } | (RunOptions["source"] & { kind: "ledger" });
} {
  const { outputDir, salt, stateFile, retain, line } = readSeedOptions(inputs);
  if (!line.dht.enabled) throw new UsageError("--no-dht leaves nothing to publish with");
  return {
    outputDir,
    salt,
    stateFile,
    retain,
    source: readSource(inputs),
    dht: { bind: line.bind, bootstrap: line.dht.bootstrap },
    torrent: readTorrentOptions(inputs),
    hub: inputs.variable("STATUS_API_URL")?.text,
  };
}

/** A ledger, or an index. A flag goes before the other's variable. */
function readSource(inputs: Inputs): ReturnType<typeof readRunOptions>["source"] {
  const ledger = inputs.text("--ledger");
  const format = inputs.text("--format");
  if (ledger === undefined) {
    if (format !== undefined) {
      throw new UsageError("--format goes with --ledger: what an index names is taken as it is");
    }
    const index = inputs.text("--source-index", "UPSTREAM_SNAPSHOT_INDEX_URL");
    if (index !== undefined) checkUrl(index);
    return { kind: "index", url: index?.text.trim() };
  }
  if (inputs.text("--source-index") !== undefined) {
    throw new UsageError("--source-index and --ledger exclude each other");
  }
  if (ledger.text === "") throw refused(ledger, "a ledger's file");
  return {
    kind: "ledger",
    path: resolve(ledger.text),
    format: format === undefined ? "7z" : parseChoice(format, ["7z", "tar.zst", "ldb"]),
  };
}

function checkUrl(given: Given): void {
  const url = URL.parse(given.text.trim());
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    throw refused(given, "an http or https URL");
  }
}

async function seedOn(
  options: Parameters<typeof import("../producer/seed.ts")["seed"]>[0],
  machine: CliMachine,
  report: Report,
  context: CliContext,
): Promise<void> {
  const { seed } = await import("../producer/seed.ts");
  await seed(options, machine, report, context.signal, context.onHangup);
}

function warn(report: Report, text: string): void {
  report({ kind: "note", level: "warning", logger: "producer.run", text });
}

/** Upstream's two lines and the seq; one word when there was nothing to do. */
function runText({ published }: RunResult): string {
  if (published === undefined) return "unchanged\n";
  return `${hashLines(published.prepared)}seq=${published.publication.item.seq}\n`;
}

/** One JSON object with a newline. What does not apply is null. */
function runJson({ path, published, seeder }: RunResult): string {
  const info = published?.prepared.info;
  const object = {
    path,
    unchanged: published === undefined,
    torrent: published?.prepared.torrentPath ?? null,
    size: info?.totalLength ?? null,
    sha256: published?.prepared.sha256 ?? null,
    info_hash: info === undefined ? null : toHex(info.infoHashV2!),
    info_hash_v1: info?.infoHashV1 === undefined ? null : toHex(info.infoHashV1),
    seq: published?.publication.item.seq ?? null,
    seeder_pid: seeder ?? null,
  };
  return JSON.stringify(object) + "\n";
}

const EXAMPLES = `
Examples:
  nano-snap produce run --output-dir /srv/snapshots --key-file ~/.nano-snap-key
  nano-snap produce run --ledger ~/Nano/data.ldb --format tar.zst --output-dir /srv/snapshots --key-file ~/.nano-snap-key
  nano-snap produce run --seed --key-file ~/.nano-snap-key    and serve it from here on

STATUS_API_URL names a status hub that is told of each publication.

Exit codes: 0 published, or nothing new, 1 failure, 2 usage, 4 the source is not what it must be, 5 not enough space,
6 permission, path or port, 7 a node has the ledger open and mdb_copy is not installed, 8 the source does not answer,
or nobody stored the pointer, 9 another run has the folder, 70 a bug, 130 and 143 stopped by a signal.`;
