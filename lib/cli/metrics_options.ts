// Where a run that lasts serves its metrics: flags and variables to an address, or to none.

import { type Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import type { Endpoint } from "../ports.ts";
import type { Inputs } from "./options.ts";
import { parseAddress, parsePort, refused } from "./values.ts";

/** Upstream's, so that its scrapers find us. */
export const METRICS_PORTS = { mirror: 9109, producer: 9108 } as const;

/** Adds the options. @param port The default. */
export function addMetricsOptions(command: Command, port: number): Command {
  return command
    .option(
      "--metrics-port <number>",
      `/metrics, /healthz, /readyz and /status, 0 for a free port (env METRICS_PORT; default: ${port})`,
    )
    .option("--metrics-bind <address>", "serve them on this address (env METRICS_BIND; default: 127.0.0.1)")
    .option("--no-metrics", "serve none (env METRICS_ENABLED, true or false)");
}

/** For a run that serves none: they are taken, so that one set of words does for all commands. */
export function addIgnoredMetricsOptions(command: Command): Command {
  for (const flags of ["--metrics-port <number>", "--metrics-bind <address>", "--no-metrics"]) {
    command.addOption(new Option(flags).hideHelp());
  }
  return command;
}

/**
 * Sentences for the user: what was given for a run that serves none.
 *
 * @throws {UsageError} As `readMetricsAddress`: what is wrong is wrong for every command.
 */
export function readIgnoredMetrics(inputs: Inputs): string[] {
  readMetricsAddress(inputs, METRICS_PORTS.mirror);
  return ["--metrics-port", "--metrics-bind"].filter((flag) => inputs.text(flag) !== undefined)
    .map((flag) => `${flag} has no effect here and is ignored`);
}

/**
 * Where metrics are to be served; undefined when they are off.
 *
 * @throws {UsageError} Also when METRICS_ENABLED is neither true nor false, even if a flag switches them off.
 */
export function readMetricsAddress(inputs: Inputs, port: number): Endpoint | undefined {
  const isEnabled = readMetricsEnabled(inputs);
  const givenPort = inputs.text("--metrics-port", "METRICS_PORT");
  const givenHost = inputs.text("--metrics-bind", "METRICS_BIND");
  const address = {
    host: givenHost === undefined ? "127.0.0.1" : parseAddress(givenHost),
    port: givenPort === undefined ? port : parsePort(givenPort),
  };
  return isEnabled ? address : undefined;
}

/** The flag, then the variable: true or false in any case, empty is true. @throws {UsageError} */
function readMetricsEnabled(inputs: Inputs): boolean {
  const given = inputs.variable("METRICS_ENABLED");
  const word = given?.text.toLowerCase() ?? "true";
  if (given !== undefined && word !== "true" && word !== "false") throw refused(given, "true or false");
  if (!inputs.isOff("metrics")) return word === "true";
  for (const flag of ["--metrics-port", "--metrics-bind"]) {
    if (inputs.text(flag) !== undefined) throw new UsageError(`${flag} and --no-metrics exclude each other`);
  }
  return false;
}
