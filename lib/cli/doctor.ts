// `nano-snap doctor`: what stands in the way of a run, before it is started. Each line is ok, warn or fail, with what would
// help; exit code 1 when one fails.

import type { Command } from "commander";
import { type Finding, worstOf } from "../doctor/finding.ts";
import type { CliContext } from "./context.ts";
import { ToldNotReady } from "./failure.ts";
import { addPortOptions, readPort } from "./network_options.ts";
import { addDataDir, Inputs, readDataDir } from "./options.ts";

/** Adds the command to the program. */
export function addDoctor(program: Command, context: CliContext): void {
  const command = program.command("doctor")
    .summary("look whether this machine is ready")
    .description(
      "Looks at space, permissions, port, DHT, clock, C library, the node's folder and a container's limits, and says " +
        "what would help. Nothing is changed, nothing is announced.",
    );
  addPortOptions(addDataDir(command), { noDht: "do not ask the DHT" })
    .option("--json", "write one JSON object");
  command.addHelpText("after", EXAMPLES);
  command.action(async () => {
    const inputs = new Inputs(command.opts(), context.env);
    const { port, bind, dht } = readPort(inputs);
    const options = {
      dataDir: readDataDir(inputs),
      port,
      bind,
      bootstrap: dht.bootstrap,
      isDhtEnabled: dht.enabled,
      env: context.env,
      target: context.target,
    };
    const [{ examine }, machine] = await Promise.all([import("../doctor/examine.ts"), context.machine()]);
    const findings = await examine(options, machine, context.signal);
    context.stdout(inputs.isOn("--json") ? doctorJson(findings) : doctorText(findings));
    const failed = findings.filter(({ verdict }) => verdict === "fail").map(({ name }) => name);
    if (failed.length > 0) throw new ToldNotReady(`This machine is not ready: ${failed.join(", ")}`);
  });
}

/** One JSON object with a newline. */
export function doctorJson(findings: readonly Finding[]): string {
  const checks = findings.map(({ name, verdict, text, remedy }) => ({
    name,
    verdict,
    text,
    remedy: remedy ?? null,
  }));
  return JSON.stringify({ verdict: worstOf(findings), checks }) + "\n";
}

/** A line for each, what would help under it, and the verdict. */
export function doctorText(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ name, verdict, text, remedy }) => [
    `${verdict.padEnd(VERDICT_COLUMNS)}${name.padEnd(NAME_COLUMNS)}${text}\n`,
    ...(remedy === undefined ? [] : [`${" ".repeat(VERDICT_COLUMNS + NAME_COLUMNS)}-> ${remedy}\n`]),
  ]);
  const end = {
    ok: "All is ready. Next: nano-snap get --extract\n",
    warn: "Ready, with warnings. Next: nano-snap get --extract\n",
    fail: "Not ready: see the lines that begin with fail\n",
  };
  return [...lines, end[worstOf(findings)]].join("");
}

const VERDICT_COLUMNS = 6;
const NAME_COLUMNS = 14;
const EXAMPLES = `
Examples:
  nano-snap doctor                       before the first run
  nano-snap doctor --data-dir /srv/nano  for this directory and its disk
  nano-snap doctor --json                for a script

Exit codes: 0 ready, or with warnings, 1 something fails, 2 usage.`;
