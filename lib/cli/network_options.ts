// Flags and variables of where a command listens and whom it asks: port, addresses, DHT, peers, trackers. Those that
// many commands share are written once, here.

import { type Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import type { Endpoint } from "../ports.ts";
import { trackerUrl } from "../torrent/urls.ts";
import { collect, type Inputs } from "./inputs.ts";
import { type Given, parseAddress, parseEndpoint, parseEndpoints, parsePort, refused } from "./values.ts";

/** Our own end, as `Line` wants it. */
export interface PortSettings {
  readonly port: number;
  readonly bind: readonly string[];
  readonly dht: { readonly enabled: boolean; readonly bootstrap: readonly Endpoint[] | undefined };
}

/** What of it is not the same everywhere. */
export interface PortWords {
  /** Where the port comes from when it is not named, for the help. */
  readonly port?: string;
  /** What `--no-dht` does. */
  readonly noDht?: string;
}

/** Adds `--port`, `--bind`, `--dht-bootstrap` and `--no-dht`. */
export function addPortOptions(
  command: Command,
  { port = `env PORT; default: ${DEFAULT_PORT}`, noDht = "do not use the DHT" }: PortWords = {},
): Command {
  command
    .option("--port <number>", `TCP and UDP port, 0 for a free one (${port})`)
    .option("--bind <address>", "listen on this address only; may be repeated", collect);
  return addBootstrap(command).option("--no-dht", noDht);
}

/** Adds `--dht-bootstrap` alone. */
export function addBootstrap(command: Command): Command {
  return command.option(
    "--dht-bootstrap <list>",
    "HOST:PORT,... instead of the public routers (env DHT_BOOTSTRAP)",
    collect,
  );
}

/** Adds `--tracker` and `--no-trackers`. */
export function addTrackerOptions(command: Command): Command {
  return command
    .option("--tracker <url>", "also tell this tracker, http(s) or udp; may be repeated", collect)
    .option("--no-trackers", "tell no tracker, not even the torrent's own");
}

/** Adds `--peer`, and upstream's name for it. */
export function addPeerOptions(command: Command): Command {
  return command
    .option("--peer <host:port>", "try this peer; may be repeated (env SEED_PEERS, a list)", collect)
    .addOption(new Option("--seed-peer <host:port>").hideHelp().argParser(collect));
}

/**
 * @param options.port When none is named. `variable`: the one that may name it.
 * @throws {UsageError}
 */
export function readPort(
  inputs: Inputs,
  { port = DEFAULT_PORT, variable = "PORT" }: { readonly port?: number; readonly variable?: string | null } =
    {},
): PortSettings {
  const given = inputs.text("--port", ...(variable === null ? [] : [variable]));
  return {
    port: given === undefined ? port : parsePort(given),
    bind: inputs.list("--bind").map(parseAddress),
    dht: { enabled: !inputs.isOff("dht"), bootstrap: readBootstrap(inputs) },
  };
}

/** undefined when nothing is named: then the public routers. @throws {UsageError} */
export function readBootstrap(inputs: Inputs): Endpoint[] | undefined {
  const flags = inputs.list("--dht-bootstrap");
  const variable = inputs.variable("DHT_BOOTSTRAP");
  const given = flags.length > 0 ? flags : variable === undefined ? [] : [variable];
  const nodes = given.flatMap(parseEndpoints);
  return given.length === 0 ? undefined : nodes;
}

/**
 * Upstream joins both its lists and only warns of a bad entry; ours is refused as any other flag.
 *
 * @param warnings Gets a sentence for each entry that is ignored.
 */
export function readPeers(inputs: Inputs, warnings: string[]): Endpoint[] {
  const peers = inputs.list("--peer").map(parseEndpoint);
  const variable = inputs.variable("SEED_PEERS");
  const entries = (variable?.text ?? "").split(",").filter((entry) => entry.trim() !== "");
  const lenient = [
    ...inputs.list("--seed-peer"),
    ...entries.map((entry) => ({ text: entry.trim(), name: variable!.name })),
  ];
  for (const given of lenient) {
    try {
      peers.push(parseEndpoint(given));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      warnings.push(`${error.message}: this entry is ignored`);
    }
  }
  return peers;
}

/** URLs that are told, and whether any is. @throws {UsageError} */
export function readTrackers(inputs: Inputs): { readonly enabled: boolean; readonly named: string[] } {
  return { enabled: !inputs.isOff("trackers"), named: inputs.list("--tracker").map(parseTracker) };
}

/** An announce URL. @throws {UsageError} */
export function parseTracker(given: Given): string {
  const url = trackerUrl(given.text);
  if (url === undefined) throw refused(given, "an http, https or udp URL, the last with a port");
  return url;
}

const DEFAULT_PORT = 6881;
