// `nano-snap get`: words to GetOptions, events to the view, the result to stdout. What a get does is
// lib/mirror/get.ts, which is loaded only when one runs.

import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import type { GetOptions, GetResult } from "../mirror/options.ts";
import type { CliContext } from "./context.ts";
import { addIgnoredMetricsOptions, readIgnoredMetrics } from "./metrics_options.ts";
import {
  addCommonOptions,
  addViewOptions,
  Inputs,
  readCommonSettings,
  readViewSettings,
  type ViewSettings,
} from "./options.ts";
import { addInstallOptions, type InstallRequest, readInstall } from "./install_options.ts";
import { withStatus, withView } from "./run_view.ts";
import { readSource } from "./source_options.ts";
import { parseDurationMs } from "./values.ts";
import { getJson, getText } from "./get_result.ts";

/** Adds the command to the program. */
export function addGet(program: Command, context: CliContext): void {
  const command = program.command("get")
    .alias("once")
    .summary("fetch the newest verified snapshot, then end")
    .description(
      "Finds the newest snapshot that the authority signed, fetches it from BitTorrent peers, verifies every " +
        "byte, and ends. A run that was stopped goes on where it was.",
    )
    .option("--extract", "unpack data.ldb into the data directory; the archive then goes")
    .option("--keep-archive", "keep the archive after a good extraction")
    .option(
      "--low-disk",
      "drop what is unpacked of the archive while the rest comes; cannot go on when stopped",
    )
    .option("--force", "trust no record of earlier runs: check all that is here, fetch what is missing")
    .option("--magnet <link>", "this torrent instead of the authority's newest")
    .option("--torrent <file>", "this .torrent file instead of the authority's newest")
    .option("--info-hash <hex>", "the torrent of this info-hash instead of the authority's newest")
    .option(
      "--discover-timeout <time>",
      "give up finding a snapshot after this long, 0 for never (default: 120s)",
    )
    .option("--stall-timeout <time>", "give up after this long without data, 0 for never (default: 0)");
  addInstallOptions(command);
  addViewOptions(addIgnoredMetricsOptions(addCommonOptions(command)));
  command.addHelpText("after", EXAMPLES);
  command.action(async () => {
    const inputs = new Inputs(command.opts(), context.env);
    const view = readViewSettings(inputs, context.stderrIsTerminal);
    const { options, warnings } = readGetOptions(inputs);
    const request = readInstall(inputs, context);
    if (request?.isDryRun === true) {
      return await sayPlan({ options, warnings, request, view, inputs }, context);
    }
    const result = await run(options, warnings, request, view, context);
    context.stdout(view.json ? getJson(result) : getText(result, options));
  });
}

/** The whole request of a `get`. @throws {UsageError} */
export function readGetOptions(inputs: Inputs): { options: GetOptions; warnings: string[] } {
  const { warnings: given, ...common } = readCommonSettings(inputs);
  const warnings = [...given, ...readIgnoredMetrics(inputs)];
  const source = readSource(inputs);
  const discover = inputs.text("--discover-timeout");
  const stall = inputs.text("--stall-timeout");
  const isInstalled = inputs.isOn("--install") || inputs.text("--install") !== undefined;
  const extract = inputs.isOn("--extract") || isInstalled;
  const lowDisk = inputs.isOn("--low-disk");
  if (lowDisk && !extract) {
    throw new UsageError("--low-disk needs --extract or --install: without it the archive is what stays");
  }
  if (lowDisk && inputs.isOn("--keep-archive")) {
    throw new UsageError("--low-disk and --keep-archive exclude each other");
  }
  if (inputs.isOn("--keep-archive") && !extract) {
    warnings.push("--keep-archive has no effect without --extract");
  }
  if (!common.dht.enabled && source === undefined) {
    throw new UsageError(
      "--no-dht leaves no way to find the newest snapshot: name one with --magnet, --torrent or --info-hash",
    );
  }
  const options = {
    ...common,
    source,
    extract,
    keepArchive: inputs.isOn("--keep-archive"),
    lowDisk,
    force: inputs.isOn("--force"),
    discoverTimeoutMs: discover === undefined ? DISCOVER_TIMEOUT_MS : parseDurationMs(discover) || Infinity,
    stallTimeoutMs: stall === undefined ? 0 : parseDurationMs(stall),
  };
  return { options, warnings };
}

async function run(
  options: GetOptions,
  warnings: readonly string[],
  request: InstallRequest | undefined,
  settings: ViewSettings,
  context: CliContext,
): Promise<GetResult> {
  const [{ get }, { install }, machine] = await Promise.all([
    import("../mirror/get.ts"),
    import("../mirror/install.ts"),
    context.machine(),
  ]);
  return await withStatus({ role: "get", settings, metrics: undefined }, context, (report) => {
    for (const text of warnings) report({ kind: "note", level: "warning", logger: "mirror.watcher", text });
    if (request === undefined) return get(options, machine, report, context.signal);
    return install(options, request.where, machine, report, context.signal);
  });
}

/** What an installation would do; then, where it would be refused, why, with the exit code that it would have. */
async function sayPlan(
  { options, warnings, request, view, inputs }: {
    readonly options: GetOptions;
    readonly warnings: readonly string[];
    readonly request: InstallRequest;
    readonly view: ViewSettings;
    readonly inputs: Inputs;
  },
  context: CliContext,
): Promise<void> {
  const [{ planInstall }, { planJson, planText }, machine] = await Promise.all([
    import("../mirror/install_plan.ts"),
    import("./install_plan_text.ts"),
    context.machine(),
  ]);
  const discoverTimeoutMs = inputs.text("--discover-timeout") === undefined
    ? REHEARSAL_TIMEOUT_MS
    : options.discoverTimeoutMs;
  const stallTimeoutMs = options.stallTimeoutMs === 0 ? REHEARSAL_TIMEOUT_MS : options.stallTimeoutMs;
  const patience = { discoverTimeoutMs, stallTimeoutMs };
  const plan = await withView(view, context, (report) => {
    for (const text of warnings) report({ kind: "note", level: "warning", logger: "mirror.watcher", text });
    return planInstall({ ...options, ...patience }, request.where, machine, report, context.signal);
  });
  context.stdout(view.json ? planJson(plan) : planText(plan));
  const [refusal] = plan.refusals;
  if (refusal !== undefined) throw refusal;
}

const DISCOVER_TIMEOUT_MS = 120_000;
/** Nothing hangs on a plan: what nobody tells by then is left open in it. */
const REHEARSAL_TIMEOUT_MS = 30_000;

const EXAMPLES = `
Examples:
  nano-snap get --extract                       the newest ledger, as ./nano-data/data.ldb
  nano-snap get --extract --data-dir /srv/nano  the same, kept elsewhere
  nano-snap get --extract --low-disk            the same with a third less room; begins anew when stopped
  nano-snap get --install --dry-run             what would be put into the node's folder, and how
  nano-snap get --install                       the newest ledger, in the node's folder
  nano-snap get --json                          the archive only, and facts for a script
  nano-snap get --magnet 'magnet:?xt=...'       a snapshot that somebody named
  nano-snap get --peer 192.0.2.7:6881           also ask this peer

Exit codes: 0 done or already current, 1 failure, 2 usage, 3 nothing discovered, 4 verification failed,
5 not enough space, 6 permission or path, 7 the node runs, 8 network or stalled, 9 another instance has the data directory,
70 a bug, 130 and 143 stopped by a signal.`;
