// How a command shows itself while it runs: events as log lines and a bar, on stderr; and, where it is worth a look
// from outside, as status.json and metrics.

import { VERSION } from "../about.ts";
import type { Report } from "../events.ts";
import type { Endpoint } from "../ports.ts";
import type { Role } from "../status/run_status.ts";
import type { LogLevel } from "../status/log.ts";
import type { CliContext } from "./context.ts";
import type { ViewSettings } from "./options.ts";

/** From now on the least that is written is this. */
export type ChangeLevel = (level: LogLevel) => void;

/** Runs something that reports; whatever is written next begins on a line of its own. */
export async function withView<T>(
  settings: ViewSettings,
  context: CliContext,
  run: (report: Report, changeLevel: ChangeLevel) => Promise<T>,
): Promise<T> {
  const { View } = await import("../status/view.ts");
  const view = new View({
    level: settings.level,
    format: settings.format,
    color: settings.color,
    logger: settings.logger,
    bar: context.stderrIsTerminal && context.env["TERM"] !== "dumb",
    columns: context.columns,
    write: context.stderr,
    clock: context.clock,
  });
  try {
    return await run(view.report, view.changeLevel);
  } finally {
    view.end();
  }
}

/** What others may see of a run: what it is, and where its metrics are served; undefined for nowhere. */
export interface Seen {
  readonly role: Role;
  readonly metrics: Endpoint | undefined;
}

/** The same for a run that others may look at. */
export async function withStatus<T>(
  { settings, ...seen }: Seen & { readonly settings: ViewSettings },
  context: CliContext,
  run: (report: Report, changeLevel: ChangeLevel) => Promise<T>,
): Promise<T> {
  return await withView(
    settings,
    context,
    (report, changeLevel) => watched(seen, context, report, (watched) => run(watched, changeLevel)),
  );
}

/** Keeps status.json in the directory that the run holds, and serves its metrics. Its events go on to `report`. */
export async function watched<T>(
  seen: Seen,
  context: CliContext,
  report: Report,
  run: (report: Report) => Promise<T>,
): Promise<T> {
  const [{ watch }, machine] = await Promise.all([import("../status/watch.ts"), context.machine()]);
  return await watch({ ...seen, version: VERSION, machine, report }, run);
}
