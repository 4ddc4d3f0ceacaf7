// `nano-snap status`: what a running instance does, in a few lines or as JSON.

import type { Command } from "commander";
import { OperationFailed } from "../errors.ts";
import { describe } from "../status/describe.ts";
import { judge, whyGone } from "../status/health.ts";
import { statusJson } from "../status/run_status.ts";
import type { CliContext } from "./context.ts";
import { Inputs } from "./options.ts";
import { addSourceOptions, readSeen } from "./status_source.ts";

/** Adds the command to the program. */
export function addStatus(program: Command, context: CliContext): void {
  const command = program.command("status")
    .summary("what a running instance does")
    .description(
      "Shows what a running get, swarm or produce seed does: phase, snapshot, progress, peers, rates. A swarm and a " +
        "produce seed tell it over HTTP too.",
    );
  addSourceOptions(command).option("--json", "write one JSON object");
  command.addHelpText("after", EXAMPLES);
  command.action(async () => {
    const inputs = new Inputs(command.opts(), context.env);
    const { status, look } = await readSeen(inputs, context);
    const gone = whyGone(status, look);
    if (gone !== undefined) throw new OperationFailed(gone);
    if (!inputs.isOn("--json")) return context.stdout(describe(status, look));
    const { isHealthy, why } = judge(status, look);
    context.stdout(JSON.stringify({ ...statusJson(status), healthy: isHealthy, verdict: why }) + "\n");
  });
}

const EXAMPLES = `
Examples:
  nano-snap status --data-dir /srv/nano         the run that has this directory
  nano-snap status --url http://127.0.0.1:9109  the one whose metrics are there, also from elsewhere
  nano-snap status --json                       for a script

Exit codes: 0 it runs, 1 nothing runs there, 2 usage, 6 permission or path.`;
