// `nano-snap health`: an exit code for container health checks and scripts, and one sentence.

import type { Command } from "commander";
import { OperationFailed, SnapError, UsageError } from "../errors.ts";
import { judge, type Verdict } from "../status/health.ts";
import type { CliContext } from "./context.ts";
import { Inputs } from "./options.ts";
import { addSourceOptions, readSeen } from "./status_source.ts";

/** Adds the command to the program. */
export function addHealth(program: Command, context: CliContext): void {
  const command = program.command("health")
    .summary("exit 0 only if a running instance does its role")
    .description(
      "Says whether the instance that has the directory does its role, by exit code and in one sentence. A mirror on its first " +
        "download is well as long as it comes on; one that seeds is well even when the DHT is silent.",
    );
  addSourceOptions(command);
  command.addHelpText("after", EXAMPLES);
  command.action(async () => {
    const { isHealthy, why } = await verdict(new Inputs(command.opts(), context.env), context);
    if (!isHealthy) throw new OperationFailed(why);
    context.stdout(`${why}\n`);
  });
}

/** Whatever keeps us from seeing a healthy run is told as an ill one: a health check knows two exit codes. */
async function verdict(inputs: Inputs, context: CliContext): Promise<Verdict> {
  try {
    const { status, look } = await readSeen(inputs, context);
    return judge(status, look);
  } catch (error) {
    if (!(error instanceof SnapError) || error instanceof UsageError || context.signal.aborted) throw error;
    return { isHealthy: false, why: error.message };
  }
}

const EXAMPLES = `
Examples:
  nano-snap health --data-dir /srv/nano
  nano-snap health --url http://127.0.0.1:9109

Exit codes: 0 it does its role, 1 it does not, 2 usage.`;
