// How a command shows itself while it runs: events as log lines and a bar, on stderr.

import type { Report } from "../events.ts";
import type { CliContext } from "./context.ts";
import type { ViewSettings } from "./options.ts";

/** Runs something that reports; whatever is written next begins on a line of its own. */
export async function withView<T>(
  settings: ViewSettings,
  context: CliContext,
  run: (report: Report) => Promise<T>,
): Promise<T> {
  const { View } = await import("../status/view.ts");
  const view = new View({
    level: settings.level,
    format: settings.format,
    color: settings.color,
    bar: context.stderrIsTerminal && context.env["TERM"] !== "dumb",
    columns: context.columns,
    write: context.stderr,
    clock: context.clock,
  });
  try {
    return await run(view.report);
  } finally {
    view.end();
  }
}
